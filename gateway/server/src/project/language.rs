//! What providers are written in.

use std::path::Path;

use clap::ValueEnum;

/// What a provider is written in.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub(crate) enum Language {
    /// Go, with its own compiler
    Go,
    /// JavaScript, which QuickJS runs in the component; built with Node.js
    Js,
    /// Python, with an interpreter in the component
    Python,
    /// Rust, with the SDK
    Rust,
}

impl Language {
    /// That of the project in `folder`, if there is one.
    pub(super) fn of(folder: &Path) -> Option<Self> {
        Self::value_variants().iter().copied().find(|language| folder.join(language.manifest()).exists())
    }

    /// The file that a project in this language has.
    pub(super) fn manifest(self) -> &'static str {
        match self {
            Self::Go => "go.mod",
            Self::Js => "package.json",
            Self::Python => "pyproject.toml",
            Self::Rust => "Cargo.toml",
        }
    }
}
