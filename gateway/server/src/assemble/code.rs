//! Compiled components, kept in a folder from one start to the next.
//!
//! Entries are code that the gateway runs, so they carry a mark under a key of its own. With a master key, that key is
//! derived from it: whoever can write into the data folder, by a backup that is put back for instance, still cannot have
//! code run. A gateway without one (its keys are all in HSMs) has a random key in a file of the data folder, mode 0600;
//! it keeps off whoever can write into the cache but not read that file.
//!
//! The cache saves time and nothing else. Whatever is wrong with it is a warning.

use std::fs::{self, Metadata};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use anyhow::{Context, Result};
use keyport_backends::secret_file;
use keyport_backends::soft::MasterKey;
use keyport_core::outside::Random;
use keyport_core::secret::Secret;
use keyport_host::{CodeCache, CodeStore};
use zeroize::Zeroizing;

use crate::config::{Cache, Config};
use crate::private_file;

/// The cache that is configured, if there is one and it has a key.
pub(super) fn cache(
    config: &Config,
    master_key: Option<&MasterKey>,
    random: &dyn Random,
) -> Option<CodeCache> {
    let folder = match &config.host.cache {
        Cache::Data => config.data.join(FOLDER),
        Cache::Folder(folder) => folder.clone(),
        Cache::Off => return None,
    };
    let key = match master_key {
        Some(master_key) => master_key.derive(LABEL).map_err(Into::into),
        None => own_key(&config.data.join(KEY), random),
    };

    let key = key.inspect_err(|error| tracing::warn!("compiled components are not kept: {error:#}")).ok()?;
    let limit = config.host.cache_size.try_into().unwrap_or(u64::MAX);
    Some(CodeCache::new(&key, Arc::new(Folder { folder, limit })))
}

/// A cache in `folder` for one process, under a key that nobody keeps.
pub(super) fn passing(folder: PathBuf, random: &dyn Random) -> CodeCache {
    let mut key = Zeroizing::new([0; KEY_LENGTH]);
    random.fill(key.as_mut_slice());

    CodeCache::new(&Secret::new(key.to_vec()), Arc::new(Folder { folder, limit: u64::MAX }))
}

/// The key in `file`, which is made if it is not there.
fn own_key(file: &Path, random: &dyn Random) -> Result<Secret> {
    let text = match secret_file::read(file, "the key of the cache", LONGEST_KEY) {
        Err(error) if error.is_missing() => return new_key(file, random),
        read => read?,
    };
    let mut key = Zeroizing::new([0; KEY_LENGTH]);
    hex::decode_to_slice(text.trim_ascii(), key.as_mut_slice())
        .with_context(|| format!("{} holds no key; remove it, and a new one is made", file.display()))?;

    Ok(Secret::new(key.to_vec()))
}

fn new_key(file: &Path, random: &dyn Random) -> Result<Secret> {
    let mut key = Zeroizing::new([0; KEY_LENGTH]);
    random.fill(key.as_mut_slice());
    let text = Zeroizing::new(hex::encode(key.as_slice()));
    private_file::create(file, text.as_bytes())
        .with_context(|| format!("{} cannot be written", file.display()))?;

    Ok(Secret::new(key.to_vec()))
}

/// A folder with an entry in each file, and no more bytes than its limit.
#[derive(Debug)]
struct Folder {
    folder: PathBuf,
    limit: u64,
}

impl CodeStore for Folder {
    fn read(&self, name: &str) -> io::Result<Option<Vec<u8>>> {
        let file = self.file(name);
        match fs::symlink_metadata(&file) {
            Ok(metadata) if !metadata.is_file() => Err(io::Error::other("its entry is not a regular file")),
            Ok(metadata) if metadata.len() > self.limit => Err(too_large(metadata.len(), self.limit)),
            Ok(_) => fs::read(file).map(Some),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn write(&self, name: &str, entry: &[u8]) -> io::Result<()> {
        let length = u64::try_from(entry.len()).unwrap_or(u64::MAX);
        let room = self.limit.checked_sub(length).ok_or_else(|| too_large(length, self.limit))?;
        private_file::folder(&self.folder)?;
        self.shrink(room)?;

        private_file::replace(&self.file(name), entry)
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        fs::remove_file(self.file(name))
    }
}

impl Folder {
    fn file(&self, name: &str) -> PathBuf {
        self.folder.join(name).with_extension(EXTENSION)
    }

    /// Removes the oldest entries until no more than `room` bytes are left, and what a crash left of half an entry.
    fn shrink(&self, room: u64) -> io::Result<()> {
        let mut entries = Vec::new();
        for file in fs::read_dir(&self.folder)? {
            let file = file?;
            let name = file.file_name();
            // Somebody else's file neither counts nor goes.
            match name.to_str().and_then(|name| name.split_once('.')) {
                Some((_, EXTENSION)) => entries.push((age(&file.metadata()?), file.path())),
                Some((_, HALF)) => fs::remove_file(file.path())?,
                Some(_) | None => {}
            }
        }

        entries.sort();
        let mut length: u64 = entries.iter().map(|((_, length), _)| length).sum();
        for ((_, of_one), file) in entries {
            if length <= room {
                break;
            }
            fs::remove_file(file)?;
            length = length.saturating_sub(of_one);
        }
        Ok(())
    }
}

/// When a file was written, and its length.
fn age(metadata: &Metadata) -> (SystemTime, u64) {
    (metadata.modified().unwrap_or(SystemTime::UNIX_EPOCH), metadata.len())
}

fn too_large(length: u64, limit: u64) -> io::Error {
    io::Error::other(format!("an entry has {length} bytes, and cache-size is {limit}"))
}

/// In the data folder.
const FOLDER: &str = "cache";
const KEY: &str = "cache.key";
const LABEL: &str = "marks of compiled components";
const KEY_LENGTH: usize = 32;
/// Bytes that are read of the key's file; the right one has 64.
const LONGEST_KEY: usize = 256;
const EXTENSION: &str = "code";
/// What [`private_file::replace`] writes to before it has written everything.
const HALF: &str = "code.new";

#[cfg(test)]
mod tests {
    use std::fs::{File, Permissions};
    use std::os::unix::fs::{MetadataExt, PermissionsExt};
    use std::time::Duration;

    use tempfile::TempDir;

    use super::*;
    use crate::outside::AwsLcRandom;

    fn folder(limit: u64) -> (TempDir, Folder) {
        let parent = TempDir::new().unwrap();
        let folder = Folder { folder: parent.path().join("cache"), limit };

        (parent, folder)
    }

    /// Makes an entry older than all that are written now.
    fn set_age(folder: &Folder, name: &str, seconds: u64) {
        let time = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000 - seconds);

        File::options().write(true).open(folder.file(name)).unwrap().set_modified(time).unwrap();
    }

    #[test]
    fn an_entry_is_read_as_it_was_written_and_nobody_elses_to_read() {
        let (_parent, folder) = folder(100);
        assert_eq!(folder.read("a-1").unwrap(), None);

        folder.write("a-1", b"code").unwrap();
        folder.write("a-1", b"newer").unwrap();
        assert_eq!(folder.read("a-1").unwrap().unwrap(), b"newer");
        assert_eq!(fs::metadata(folder.file("a-1")).unwrap().mode() & 0o7777, 0o600);
        assert_eq!(fs::metadata(&folder.folder).unwrap().mode() & 0o7777, 0o700);
        assert_eq!(fs::read_dir(&folder.folder).unwrap().count(), 1, "and nothing is left beside it");

        folder.remove("a-1").unwrap();
        assert_eq!(folder.read("a-1").unwrap(), None);
    }

    #[test]
    fn the_oldest_entries_make_room_and_nothing_else_does() {
        let (_parent, folder) = folder(100);
        for (name, age) in [("oldest", 3), ("middle", 2), ("newest", 1)] {
            folder.write(name, &[7; 30]).unwrap();
            set_age(&folder, name, age);
        }
        let notes = folder.folder.join("notes.new");
        fs::write(&notes, [0; 500]).unwrap();
        fs::write(folder.folder.join("half.code.new"), [0; 500]).unwrap();

        folder.write("another", &[7; 50]).unwrap();
        assert_eq!(folder.read("oldest").unwrap(), None);
        assert_eq!(folder.read("middle").unwrap(), None);
        assert!(folder.read("newest").unwrap().is_some() && folder.read("another").unwrap().is_some());
        assert!(notes.exists() && !folder.folder.join("half.code.new").exists());
    }

    #[test]
    fn an_entry_that_is_too_large_is_neither_written_nor_read_and_costs_no_other() {
        let (_parent, folder) = folder(100);
        folder.write("small", &[7; 60]).unwrap();

        let error = folder.write("large", &[7; 101]).unwrap_err();
        assert_eq!(error.to_string(), "an entry has 101 bytes, and cache-size is 100");
        assert!(folder.read("small").unwrap().is_some());
        fs::write(folder.file("large"), [7; 101]).unwrap();
        folder.read("large").unwrap_err();
    }

    #[test]
    fn what_is_no_file_is_not_read() {
        let (_parent, folder) = folder(100);
        folder.write("real", b"code").unwrap();

        std::os::unix::fs::symlink(folder.file("real"), folder.file("link")).unwrap();
        fs::create_dir(folder.file("folder")).unwrap();
        folder.read("link").unwrap_err();
        folder.read("folder").unwrap_err();
    }

    #[test]
    fn a_gateway_without_a_master_key_has_a_key_of_its_own_and_keeps_it() {
        let folder = TempDir::new().unwrap();
        let file = folder.path().join(KEY);

        let key = own_key(&file, &AwsLcRandom).unwrap();
        assert_eq!(own_key(&file, &AwsLcRandom).unwrap(), key);
        assert_eq!(fs::metadata(&file).unwrap().mode() & 0o7777, 0o600);

        fs::set_permissions(&file, Permissions::from_mode(0o644)).unwrap();
        assert!(own_key(&file, &AwsLcRandom).unwrap_err().to_string().contains("chmod 600"));
        fs::set_permissions(&file, Permissions::from_mode(0o600)).unwrap();
        fs::write(&file, "no key").unwrap();
        assert!(own_key(&file, &AwsLcRandom).unwrap_err().to_string().contains("a new one is made"));
    }
}
