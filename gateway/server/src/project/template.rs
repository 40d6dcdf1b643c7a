//! What new projects are made of.

use super::{GRANTS, Language};

/// A file's path in a project, and its text, in which `{{name}}` stands for the project's name.
pub(super) type File = (&'static str, &'static str);

/// The files of a project in this language, but for what is vendored.
pub(super) fn files(language: Language) -> &'static [File] {
    match language {
        Language::Go => GO,
        Language::Js => JS,
        Language::Python => PYTHON,
        Language::Rust => RUST,
    }
}

/// Where a project in this language has what this binary brings of the SDK and the WIT package: the path of one of those
/// files in it, if it has that.
pub(super) fn place(language: Language, vendored: &str) -> Option<String> {
    match language {
        Language::Go | Language::Js | Language::Python => {
            vendored.strip_prefix("wit/").map(|file| format!("wit/deps/keyport/{file}"))
        }
        Language::Rust => Some(format!("vendor/{vendored}")),
    }
}

const GO: &[File] = &[
    (".gitignore", include_str!("../../templates/go/gitignore")),
    (GRANTS, include_str!("../../templates/grants.toml")),
    ("README.md", include_str!("../../templates/go/README.md")),
    ("go.mod", include_str!("../../templates/go/go.mod")),
    ("go.sum", include_str!("../../templates/go/go.sum")),
    ("main.go", include_str!("../../templates/go/main.go")),
    ("provider/gateway.go", include_str!("../../templates/go/provider/gateway.go")),
    ("provider/provider.go", include_str!("../../templates/go/provider/provider.go")),
    ("provider/provider_test.go", include_str!("../../templates/go/provider/provider_test.go")),
    ("provider/send_wasm.go", include_str!("../../templates/go/provider/send_wasm.go")),
    ("wit/world.wit", include_str!("../../templates/go/wit/world.wit")),
];

const JS: &[File] = &[
    (".gitignore", include_str!("../../templates/js/gitignore")),
    (GRANTS, include_str!("../../templates/grants.toml")),
    ("README.md", include_str!("../../templates/js/README.md")),
    ("package.json", include_str!("../../templates/js/package.json")),
    ("src/gateway.js", include_str!("../../templates/js/src/gateway.js")),
    ("src/kms.js", include_str!("../../templates/js/src/kms.js")),
    ("src/provider.js", include_str!("../../templates/js/src/provider.js")),
    ("test/provider.test.js", include_str!("../../templates/js/test/provider.test.js")),
    ("wit/world.wit", include_str!("../../templates/js/wit/world.wit")),
];

const PYTHON: &[File] = &[
    (".gitignore", include_str!("../../templates/python/gitignore")),
    (
        GRANTS,
        concat!(
            include_str!("../../templates/grants.toml"),
            "\n",
            include_str!("../../templates/python/limits.toml")
        ),
    ),
    ("README.md", include_str!("../../templates/python/README.md")),
    ("pyproject.toml", include_str!("../../templates/python/pyproject.toml")),
    ("requirements.txt", include_str!("../../templates/python/requirements.txt")),
    ("src/gateway.py", include_str!("../../templates/python/src/gateway.py")),
    ("src/kms.py", include_str!("../../templates/python/src/kms.py")),
    ("tests/__init__.py", ""),
    ("tests/test_provider.py", include_str!("../../templates/python/tests/test_provider.py")),
    ("wit/world.wit", include_str!("../../templates/python/wit/world.wit")),
];

const RUST: &[File] = &[
    (".gitignore", include_str!("../../templates/rust/gitignore")),
    (GRANTS, include_str!("../../templates/grants.toml")),
    ("Cargo.toml", include_str!("../../templates/rust/Cargo.toml")),
    ("README.md", include_str!("../../templates/rust/README.md")),
    ("src/lib.rs", include_str!("../../templates/rust/src/lib.rs")),
    ("tests/provider.rs", include_str!("../../templates/rust/tests/provider.rs")),
];

/// The SDK and the WIT package, as they were when this binary was built.
pub(super) const VENDOR: &[File] = include!(concat!(env!("OUT_DIR"), "/vendor.rs"));

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_provider_of_a_rest_service_has_sixty_lines_at_most() {
        for (language, file) in [
            (Language::Go, "provider/provider.go"),
            (Language::Js, "src/kms.js"),
            (Language::Python, "src/kms.py"),
            (Language::Rust, "src/lib.rs"),
        ] {
            let (_, text) = files(language).iter().find(|(path, _)| *path == file).unwrap();

            assert!(text.lines().count() <= 60, "{file}: {}", text.lines().count());
        }
    }

    #[test]
    fn the_sdk_that_a_project_gets_stands_alone() {
        let (_, manifest) = VENDOR.iter().find(|(path, _)| *path == "sdk/Cargo.toml").unwrap();

        assert!(!manifest.contains("workspace"), "{manifest}");
        assert!(VENDOR.iter().any(|(path, _)| *path == "wit/http.wit"));
    }
}
