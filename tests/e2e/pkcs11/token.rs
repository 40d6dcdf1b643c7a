//! A SoftHSM token of a test's own, and what others than the gateway see of it and do with it.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use tempfile::TempDir;
use tokio::process::Command;

use crate::harness::{Ended, run, tool};

/// A token in a folder of its own.
pub(super) struct Token {
    folder: TempDir,
}

/// Which half of a key pair.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Half {
    Private,
    Public,
}

impl Half {
    pub(super) const BOTH: [Self; 2] = [Self::Private, Self::Public];

    /// What pkcs11-tool calls such an object in its lists.
    fn listed(self) -> &'static str {
        match self {
            Self::Private => "Private Key Object",
            Self::Public => "Public Key Object",
        }
    }

    /// What pkcs11-tool calls such an object on its command line.
    fn argument(self) -> &'static str {
        match self {
            Self::Private => "privkey",
            Self::Public => "pubkey",
        }
    }
}

impl Token {
    /// A new token; `None` where what it needs is not installed, which is said, and fails on CI.
    pub(super) async fn new() -> Option<Self> {
        if !tool("softhsm2-util").await || !tool("pkcs11-tool").await {
            return None;
        }
        let token = Self { folder: folder() };
        fs::create_dir(token.path("tokens")).expect("a folder");
        let tokens = token.path("tokens");
        let text = format!(
            "directories.tokendir = {}\nobjectstore.backend = file\nlog.level = ERROR\n",
            tokens.display()
        );
        fs::write(token.path(CONFIGURATION), text).expect("a file");
        token.add(LABEL).await;

        let pin = token.pin_file();
        fs::write(&pin, format!("{PIN}\n")).expect("a file");
        fs::set_permissions(&pin, fs::Permissions::from_mode(0o600)).expect("its mode");
        Some(token)
    }

    /// Makes one more token for the library to show.
    pub(super) async fn add(&self, label: &str) {
        let mut command = self.command("softhsm2-util");
        command.args(["--init-token", "--free", "--label", label, "--pin", PIN, "--so-pin", SO_PIN]);

        succeeds(&run(command).await);
    }

    /// What a library must find in its environment to see the token.
    pub(super) fn environment(&self) -> (OsString, OsString) {
        ("SOFTHSM2_CONF".into(), self.path(CONFIGURATION).into_os_string())
    }

    /// The file with the PIN.
    pub(super) fn pin_file(&self) -> PathBuf {
        self.path("pin")
    }

    /// A file or folder beside the token.
    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// `program`, which will see the token.
    pub(super) fn command(&self, program: &str) -> Command {
        let (name, value) = self.environment();
        let mut command = Command::new(program);
        command.env(name, value);
        command
    }

    /// Runs pkcs11-tool on the token, logged in.
    pub(super) async fn tool(&self, arguments: &[&str]) -> Ended {
        let mut command = self.command("pkcs11-tool");
        command.args(["--module", SOFTHSM, "--token-label", LABEL, "--login", "--pin", PIN]).args(arguments);

        run(command).await
    }

    /// Makes a pair as an operator would, before there was a gateway.
    pub(super) async fn generate(&self, id: &str, label: &str) {
        let arguments = ["--keypairgen", "--key-type", "EC:prime256v1", "--id", id, "--label", label];

        succeeds(&self.tool(&arguments).await);
    }

    /// The CKA_ID of each such object, in hexadecimal digits.
    pub(super) async fn ids(&self, half: Half) -> BTreeSet<String> {
        let listed = self.tool(&["--list-objects"]).await;
        succeeds(&listed);

        let (mut ids, mut wanted) = (BTreeSet::new(), false);
        for line in listed.stdout.lines() {
            match line.trim().split_once(':') {
                _ if !line.starts_with(' ') => wanted = line.starts_with(half.listed()),
                Some(("ID", id)) if wanted => {
                    assert!(ids.insert(hexadecimal(id)), "two objects have one CKA_ID: {listed:#?}");
                }
                Some(_) | None => {}
            }
        }
        ids
    }

    /// Destroys an object behind the gateway's back.
    pub(super) async fn delete(&self, half: Half, id: &str) {
        succeeds(&self.tool(&["--delete-object", "--type", half.argument(), "--id", id]).await);
    }

    /// Sets another PIN, and leaves the file with the old one.
    pub(super) async fn change_pin(&self, pin: &str) {
        succeeds(&self.tool(&["--change-pin", "--new-pin", pin]).await);
    }

    /// Has the token say that its PIN is locked. SoftHSM itself never locks one, but repeats the flags that are in its file.
    pub(super) fn lock_pin(&self) {
        let file = one_file(&self.path("tokens")).join("token.object");
        let mut bytes = fs::read(&file).expect("the token's file");

        let flags = bytes.windows(TOKEN_FLAGS.len()).position(|window| window == TOKEN_FLAGS);
        let flags = flags.expect("the token's flags") + TOKEN_FLAGS.len();
        let locked = flags + 5;
        bytes[locked] |= CKF_USER_PIN_LOCKED;
        fs::write(file, bytes).expect("the token's file");
    }
}

/// A folder that is in memory where the machine has one: SoftHSM forces every new key to the disk.
fn folder() -> TempDir {
    let memory = Path::new("/dev/shm");
    let made = if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() };

    made.expect("a folder")
}

/// A CKA_ID as pkcs11-tool prints it; from OpenSC 0.27 on, a short one is `10 (0x0a)` or `2828 (0x0b:0c)`.
fn hexadecimal(id: &str) -> String {
    let digits = id.split_once("(0x").map_or(id, |(_, digits)| digits);

    digits.chars().filter(char::is_ascii_hexdigit).collect()
}

fn one_file(folder: &Path) -> PathBuf {
    let mut files = fs::read_dir(folder).expect("a folder");

    files.next().expect("a file").expect("an entry").path()
}

#[track_caller]
fn succeeds(ended: &Ended) {
    assert_eq!(ended.code(), Some(0), "{ended:#?}");
}

/// The library under test.
pub(super) const SOFTHSM: &str = "/usr/lib/softhsm/libsofthsm2.so";
/// The token's label.
pub(super) const LABEL: &str = "e2e";
/// Its user's PIN.
pub(super) const PIN: &str = "1234-user";

const CONFIGURATION: &str = "softhsm2.conf";
const SO_PIN: &str = "5678-officer";

/// How SoftHSM's file introduces the token's flags: CKA_OS_TOKENFLAGS, and the kind of value that a number is. The eight
/// bytes behind it are the flags, the most significant byte first.
const TOKEN_FLAGS: [u8; 16] = [0, 0, 0, 0, 0x80, 0, 0x53, 0x4b, 0, 0, 0, 0, 0, 0, 0, 2];
/// In the third byte from the end: CKF_USER_PIN_LOCKED is 0x40000.
const CKF_USER_PIN_LOCKED: u8 = 0x04;
