//! The key that everything is sealed under, and the file it lies in.

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::{fmt, io};

use aws_lc_rs::hkdf::{HKDF_SHA256, Salt};
use keyport_core::secret::Secret;
use zeroize::Zeroizing;

use crate::secret_file::{self, SecretFileError};

/// The key that every key's own data key is wrapped under: 32 bytes, wiped when dropped and never printed.
///
/// Its text is 64 hexadecimal digits, which survive an editor, an environment variable and a secret store, and show
/// when one is missing. In a file they end with a newline.
#[derive(Clone)]
pub struct MasterKey(Secret);

impl MasterKey {
    /// A new one, of aws-lc's own random generator, like the key pairs it will protect.
    pub fn random() -> Result<Self, MasterKeyError> {
        let mut bytes = Zeroizing::new([0; LENGTH]);
        aws_lc_rs::rand::fill(bytes.as_mut_slice()).map_err(|_unspecified| MasterKeyError::NoRandomness)?;

        Ok(Self(Secret::new(bytes.to_vec())))
    }

    /// Reads the key from `file`, which must be a regular file that only the process's own user may read or write.
    pub fn read(file: &Path) -> Result<Self, MasterKeyError> {
        let text = secret_file::read(file, "the master key", LONGEST_FILE).map_err(|error| {
            if error.is_missing() {
                MasterKeyError::Missing { file: file.into() }
            } else {
                MasterKeyError::File(error)
            }
        })?;

        text.parse().map_err(|reason| MasterKeyError::BadText { file: file.into(), reason })
    }

    /// Makes a new key and writes it to `file`, which must not exist yet: mode 0600, durable when this returns.
    pub fn create(file: &Path) -> Result<Self, MasterKeyError> {
        let key = Self::random()?;
        let unwritable = |reason| MasterKeyError::Unwritable { file: file.into(), reason };
        let mut created =
            OpenOptions::new().write(true).create_new(true).mode(0o600).open(file).map_err(unwritable)?;

        let written = created.write_all(key.to_text().as_bytes()).and_then(|()| created.sync_all());
        written.and_then(|()| sync_folder(file)).map_err(|reason| {
            // Half a key would stand in the way of the next attempt. The first failure is the one to report.
            drop(fs::remove_file(file));
            unwritable(reason)
        })?;

        Ok(key)
    }

    /// The key as it stands in its file: 64 lower-case hexadecimal digits and a newline.
    #[must_use]
    pub fn to_text(&self) -> Zeroizing<String> {
        let digits = Zeroizing::new(hex::encode(self.0.expose()));
        // A string that grew would leave a copy behind.
        let mut line = Zeroizing::new(String::with_capacity(digits.len() + 1));
        line.push_str(&digits);
        line.push('\n');

        line
    }

    /// 32 bytes that follow from this key and say nothing of it, nor of what follows under another label: HKDF-SHA256
    /// (RFC 5869). For what the gateway protects beside the embedded token.
    pub fn derive(&self, label: &'static str) -> Result<Secret, MasterKeyError> {
        let mut derived = Zeroizing::new([0; LENGTH]);
        Salt::new(HKDF_SHA256, SALT)
            .extract(self.0.expose())
            .expand(&[label.as_bytes()], HKDF_SHA256.hmac_algorithm())
            .and_then(|derivation| derivation.fill(derived.as_mut_slice()))
            .map_err(|_unspecified| MasterKeyError::NotDerived)?;

        Ok(Secret::new(derived.to_vec()))
    }

    pub(super) fn expose(&self) -> &[u8] {
        self.0.expose()
    }
}

impl FromStr for MasterKey {
    type Err = BadMasterKey;

    /// Reads 64 hexadecimal digits; white space around them does not count.
    fn from_str(text: &str) -> Result<Self, BadMasterKey> {
        let digits = text.trim_ascii();
        if digits.len() != 2 * LENGTH {
            return Err(BadMasterKey::WrongLength { length: digits.len() });
        }

        let mut bytes = Zeroizing::new([0; LENGTH]);
        hex::decode_to_slice(digits, bytes.as_mut_slice()).map_err(|_position| BadMasterKey::NotHex)?;
        Ok(Self(Secret::new(bytes.to_vec())))
    }
}

impl fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MasterKey(…)")
    }
}

/// Why a text is no master key. It never repeats the text.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum BadMasterKey {
    /// Too short or too long.
    #[error(
        "a master key has 64 hexadecimal digits, this has {length} characters; \
         take the whole line from where it was kept"
    )]
    WrongLength {
        /// Bytes there are, without the white space around them.
        length: usize,
    },
    /// Something else than hexadecimal digits.
    #[error("a master key has 64 hexadecimal digits and nothing else; take the line from where it was kept")]
    NotHex,
}

/// Why there is no master key, and what to do.
#[derive(Debug, thiserror::Error)]
pub enum MasterKeyError {
    /// No such file.
    #[error(
        "{}: there is no such master key file; put back the one this data was made with, \
         or, where nothing was sealed yet, make one: (umask 077; openssl rand -hex 32 > {})",
        file.display(), file.display()
    )]
    Missing {
        /// The file that was looked for.
        file: PathBuf,
    },
    /// Not a file that can be read, or one that others may read or replace.
    #[error(transparent)]
    File(#[from] SecretFileError),
    /// What is in it is no master key.
    #[error("{}: {reason}", file.display())]
    BadText {
        /// The file.
        file: PathBuf,
        /// What is wrong with its text.
        reason: BadMasterKey,
    },
    /// A new one could not be written.
    #[error("{}: the master key cannot be written: {reason}", file.display())]
    Unwritable {
        /// The file.
        file: PathBuf,
        /// Why not; [`AlreadyExists`](io::ErrorKind::AlreadyExists) where there is one already.
        reason: io::Error,
    },
    /// Nothing could be derived from it.
    #[error("no key can be derived from the master key; try again")]
    NotDerived,
    /// The random generator failed.
    #[error("no randomness for a master key; try again")]
    NoRandomness,
}

/// Makes the entry of a new file durable, not only its content.
fn sync_folder(file: &Path) -> io::Result<()> {
    match file.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => File::open(folder)?.sync_all(),
        _ => File::open(".")?.sync_all(),
    }
}

/// Unlike that of the embedded token's own derivations.
const SALT: &[u8] = b"keyport master key, derived 1";

/// Bytes of a master key: of an AES-256 key, and of the output of the hash that derives from it.
const LENGTH: usize = 32;

/// Bytes that are read of a file. The right one has 65; more is read only to say how much is wrong.
const LONGEST_FILE: usize = 1024;

#[cfg(test)]
mod tests {
    use std::fs::Permissions;
    use std::io::ErrorKind;
    use std::os::unix::fs::{MetadataExt, PermissionsExt};

    use proptest::prelude::*;
    use tempfile::TempDir;

    use super::*;

    fn text() -> String {
        "0123456789abcdef".repeat(4)
    }

    fn file_with(content: &[u8], mode: u32) -> (TempDir, PathBuf) {
        let folder = TempDir::new().unwrap();
        let file = folder.path().join("master-key");
        fs::write(&file, content).unwrap();
        fs::set_permissions(&file, Permissions::from_mode(mode)).unwrap();

        (folder, file)
    }

    #[test]
    fn what_was_created_is_read_again() {
        let folder = TempDir::new().unwrap();
        let file = folder.path().join("master-key");

        let created = MasterKey::create(&file).unwrap();
        assert_eq!(MasterKey::read(&file).unwrap().expose(), created.expose());
        assert_eq!(fs::metadata(&file).unwrap().mode() & 0o7777, 0o600);
        assert_eq!(fs::read_to_string(&file).unwrap().len(), 65);
    }

    #[test]
    fn a_key_that_exists_is_never_overwritten() {
        let (_folder, file) = file_with(text().as_bytes(), 0o600);

        let refused = MasterKey::create(&file).unwrap_err();
        assert!(
            matches!(refused, MasterKeyError::Unwritable { reason, .. } if reason.kind() == ErrorKind::AlreadyExists)
        );
        assert_eq!(fs::read_to_string(&file).unwrap(), text());
    }

    #[test]
    fn a_missing_file_is_named_with_the_mend() {
        let message = MasterKey::read(Path::new("/no/such/key")).unwrap_err().to_string();

        assert!(message.starts_with("/no/such/key: "), "{message}");
        assert!(message.contains("openssl rand -hex 32 > /no/such/key"), "{message}");
    }

    #[test]
    fn a_wrong_text_is_named_and_not_repeated() {
        for (content, reason) in [
            (text()[1..].to_owned(), "this has 63 characters"),
            (text() + "00", "this has 66 characters"),
            (String::new(), "this has 0 characters"),
            (text().replace('f', "g"), "and nothing else"),
        ] {
            let (_folder, file) = file_with(content.as_bytes(), 0o600);

            let message = MasterKey::read(&file).unwrap_err().to_string();
            assert!(message.contains(reason), "{message}");
            assert!(content.is_empty() || !message.contains(&content), "{message}");
        }
    }

    #[test]
    fn a_file_that_others_may_read_is_refused() {
        let (_folder, file) = file_with(text().as_bytes(), 0o640);

        assert!(matches!(MasterKey::read(&file), Err(MasterKeyError::File(_))));
    }

    #[test]
    fn white_space_around_the_digits_does_not_count() {
        for padded in [text() + "\n", text() + "\r\n", format!(" {}\t", text())] {
            assert_eq!(padded.parse::<MasterKey>().unwrap().to_text().trim_end(), text());
        }
    }

    #[test]
    fn what_is_derived_depends_on_key_and_label_and_is_always_the_same() {
        let key: MasterKey = text().parse().unwrap();
        let other: MasterKey = text().replace('0', "1").parse().unwrap();
        let derived = |key: &MasterKey, label| key.derive(label).unwrap().expose().to_vec();

        // Python: HKDF(SHA256(), 32, salt=b"keyport master key, derived 1", info=b"a").derive(key)
        assert_eq!(
            hex::encode(derived(&key, "a")),
            "5aa7baeee2b4e33b15a6ad8e74a4cbcb26f66a704a441d7084c48eac2d9f2d3d"
        );
        assert_ne!(derived(&key, "a"), derived(&key, "b"));
        assert_ne!(derived(&key, "a"), derived(&other, "a"));
        assert_ne!(derived(&key, "a"), key.expose());
    }

    #[test]
    fn master_key_is_never_printed() {
        assert!(!format!("{:?}", text().parse::<MasterKey>().unwrap()).contains("0123"));
    }

    proptest! {
        #[test]
        fn arbitrary_text_never_panics(text: String) {
            let _parsed = text.parse::<MasterKey>();
        }
    }
}
