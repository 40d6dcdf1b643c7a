//! Files that hold one secret each, and that nobody but the gateway's own user may read or replace.

use std::fs::File;
use std::io::{self, ErrorKind, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

/// Reads the text in `file`, at most `longest` bytes of it. `what` is what the secret is called, such as `the PIN`.
pub fn read(file: &Path, what: &'static str, longest: usize) -> Result<Zeroizing<String>, SecretFileError> {
    let refused = |reason| SecretFileError { file: file.into(), what, reason };
    let opened = File::open(file).map_err(|error| refused(Reason::of(error)))?;
    // Asked of the file that was opened, so that no other can be put in its place in between.
    check_access(&opened).map_err(refused)?;

    // A string that grew would leave a copy behind.
    let mut text = Zeroizing::new(String::with_capacity(longest));
    let most = longest.try_into().unwrap_or(u64::MAX);
    opened.take(most).read_to_string(&mut text).map_err(|error| refused(Reason::of(error)))?;
    Ok(text)
}

/// Why a secret is not read, and what to do.
#[derive(Debug, thiserror::Error)]
#[error("{}: {}", file.display(), reason.text(what, file))]
pub struct SecretFileError {
    file: PathBuf,
    what: &'static str,
    reason: Reason,
}

impl SecretFileError {
    /// Whether there is no such file.
    #[must_use]
    pub fn is_missing(&self) -> bool {
        matches!(self.reason, Reason::Missing)
    }
}

#[derive(Debug)]
enum Reason {
    Missing,
    Unreadable(io::Error),
    NotAFile,
    LooseMode { mode: u32 },
    ForeignOwner { owner: u32, user: u32 },
}

impl Reason {
    fn of(error: io::Error) -> Self {
        if error.kind() == ErrorKind::NotFound { Self::Missing } else { Self::Unreadable(error) }
    }

    fn text(&self, what: &str, file: &Path) -> String {
        let file = file.display();
        match self {
            Self::Missing => format!("there is no such file; {what} is expected in it"),
            Self::Unreadable(error) => format!("{what} cannot be read: {error}"),
            Self::NotAFile => format!("{what} must be in a regular file"),
            Self::LooseMode { mode } => {
                format!("others may use {what} (its mode is {mode:04o}); mend it: chmod 600 {file}")
            }
            Self::ForeignOwner { owner, user } => format!(
                "{what} belongs to user {owner}, and this process runs as user {user}; mend it: chown {user} {file}"
            ),
        }
    }
}

fn check_access(opened: &File) -> Result<(), Reason> {
    let metadata = opened.metadata().map_err(Reason::Unreadable)?;
    if !metadata.is_file() {
        return Err(Reason::NotAFile);
    }

    let mode = metadata.mode() & 0o7777;
    if mode & !0o600 != 0 {
        return Err(Reason::LooseMode { mode });
    }

    let (owner, user) = (metadata.uid(), rustix::process::geteuid().as_raw());
    if owner != user {
        return Err(Reason::ForeignOwner { owner, user });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::fs::{self, Permissions};
    use std::os::unix::fs::PermissionsExt;

    use tempfile::TempDir;

    use super::*;

    fn file_with(content: &[u8], mode: u32) -> (TempDir, PathBuf) {
        let folder = TempDir::new().unwrap();
        let file = folder.path().join("pin");
        fs::write(&file, content).unwrap();
        fs::set_permissions(&file, Permissions::from_mode(mode)).unwrap();

        (folder, file)
    }

    fn refusal(file: &Path) -> String {
        read(file, "the PIN", 64).unwrap_err().to_string()
    }

    #[test]
    fn a_loose_mode_is_refused_with_the_mend() {
        for mode in [0o644, 0o640, 0o604, 0o620, 0o700, 0o666] {
            let (_folder, file) = file_with(b"1234", mode);

            let message = refusal(&file);
            assert!(message.contains(&format!("{mode:04o}")), "{message}");
            assert!(message.ends_with(&format!("chmod 600 {}", file.display())), "{message}");
        }
    }

    #[test]
    fn a_stricter_mode_is_fine() {
        let (_folder, file) = file_with(b"1234", 0o400);

        assert_eq!(*read(&file, "the PIN", 64).unwrap(), "1234");
    }

    #[test]
    fn no_more_is_read_than_a_secret_can_have() {
        let (_folder, file) = file_with(&[b'1'; 100], 0o600);

        assert_eq!(read(&file, "the PIN", 64).unwrap().len(), 64);
    }

    #[test]
    fn a_missing_file_a_folder_and_bytes_that_are_no_text_are_refused_by_name() {
        let folder = TempDir::new().unwrap();
        let (_folder, bytes) = file_with(&[0xff; 32], 0o600);
        let missing = read(Path::new("/no/such/pin"), "the PIN", 64).unwrap_err();

        assert!(missing.is_missing());
        assert_eq!(missing.to_string(), "/no/such/pin: there is no such file; the PIN is expected in it");
        assert!(refusal(folder.path()).starts_with(&folder.path().display().to_string()));
        assert!(refusal(&bytes).contains("the PIN cannot be read"));
    }
}
