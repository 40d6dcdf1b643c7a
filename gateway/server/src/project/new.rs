//! A new project, which builds and passes as it is made.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use clap::ValueEnum;

use super::GRANTS;

/// What a provider is written in.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub(crate) enum Language {
    /// Rust, with the SDK
    Rust,
}

/// Makes a project in `folder`, which is named after its last component and must not be there.
pub(crate) fn new(folder: &Path, language: Language) -> Result<(), NewError> {
    let name = folder.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let fits = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    if !name.starts_with(|first: char| first.is_ascii_lowercase()) || !name.bytes().all(fits) {
        return Err(NewError::Name(name.to_owned()));
    }
    if folder.exists() {
        return Err(NewError::Exists(folder.to_owned()));
    }

    let files = match language {
        Language::Rust => RUST,
    };
    let shared = [
        (GRANTS, include_str!("../../templates/grants.toml")),
        (".gitignore", include_str!("../../templates/gitignore")),
    ];
    for (path, text) in files.iter().chain(&shared) {
        let text = text.replace("{{name}}", name).replace("{{crate}}", &name.replace('-', "_"));
        write(&folder.join(path), &text)?;
    }
    for (path, text) in VENDOR {
        write(&folder.join("vendor").join(path), text)?;
    }
    Ok(())
}

/// Why there is no new project.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NewError {
    /// Something is there.
    #[error("{} is there already: name a folder that is not", .0.display())]
    Exists(PathBuf),
    /// The name is none that every part of the project can have.
    #[error(
        "`{0}` is no name for a provider: write lower-case letters, digits and hyphens, and begin with a letter"
    )]
    Name(String),
    /// A file cannot be written.
    #[error("cannot write {}", path.display())]
    Write {
        /// Which file.
        path: PathBuf,
        /// Why.
        #[source]
        cause: io::Error,
    },
}

fn write(path: &Path, text: &str) -> Result<(), NewError> {
    let folder = path.parent().map_or(Ok(()), fs::create_dir_all);

    folder
        .and_then(|()| fs::write(path, text))
        .map_err(|cause| NewError::Write { path: path.to_owned(), cause })
}

const RUST: &[(&str, &str)] = &[
    ("Cargo.toml", include_str!("../../templates/rust/Cargo.toml")),
    ("README.md", include_str!("../../templates/rust/README.md")),
    ("src/lib.rs", include_str!("../../templates/rust/src/lib.rs")),
    ("tests/provider.rs", include_str!("../../templates/rust/tests/provider.rs")),
];

/// The SDK and the WIT package, as they were when this binary was built.
const VENDOR: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/vendor.rs"));

#[cfg(test)]
mod tests {
    use tempfile::TempDir;

    use super::*;

    #[test]
    fn a_provider_of_a_rest_service_has_sixty_lines_at_most() {
        let lines = include_str!("../../templates/rust/src/lib.rs").lines().count();

        assert!(lines <= 60, "{lines}");
    }

    #[test]
    fn what_is_there_is_left_alone_and_a_name_must_fit_everywhere() {
        let folder = TempDir::new().unwrap();
        let there = folder.path().join("there");
        fs::create_dir(&there).unwrap();

        assert!(matches!(new(&there, Language::Rust), Err(NewError::Exists(_))));
        for bad in ["My-Kms", "7kms", "my_kms", "-", "kms\"", ".."] {
            assert!(matches!(new(&folder.path().join(bad), Language::Rust), Err(NewError::Name(_))), "{bad}");
        }
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn the_sdk_that_a_project_gets_stands_alone() {
        let (_, manifest) = VENDOR.iter().find(|(path, _)| *path == "sdk/Cargo.toml").unwrap();

        assert!(!manifest.contains("workspace"), "{manifest}");
        assert!(VENDOR.iter().any(|(path, _)| *path == "wit/http.wit"));
    }
}
