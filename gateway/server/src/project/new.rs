//! A new project, which builds and passes as it is made.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::Language;
use super::template::{VENDOR, files, place};

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

    for (path, text) in files(language) {
        let text = text.replace("{{name}}", name).replace("{{crate}}", &name.replace('-', "_"));
        write(&folder.join(path), &text)?;
    }
    for (path, text) in VENDOR {
        if let Some(path) = place(language, path) {
            write(&folder.join(path), text)?;
        }
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

#[cfg(test)]
mod tests {
    use tempfile::TempDir;

    use super::*;

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
}
