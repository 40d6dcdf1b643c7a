//! Tokens to test against, each described in a few lines and made anew in a folder of its own.

use std::ffi::OsString;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use keyport_backends::pkcs11::{Connection, Network, Pkcs11, TokenChoice, Verify};
use keyport_backends::worker::Program;
use keyport_core::custody::Mechanism;
use keyport_core::scheme::{Hash, KeyType};
use keyport_core::secret::Secret;
use tempfile::TempDir;

use crate::suite::Custodian;

/// A kind of token.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Kind {
    pub(crate) name: &'static str,
    pub(crate) module: &'static str,
    /// The Debian package that brings it.
    pub(crate) package: &'static str,
    pub(crate) label: &'static str,
    pub(crate) pin: &'static str,
    pub(crate) key_types: &'static [KeyType],
    /// Whether it heeds CK_EDDSA_PARAMS.
    pub(crate) ed25519ph: bool,
    /// Makes the token in a folder; answers what the module must find in its environment, and pReserved.
    pub(crate) make: fn(&Path) -> Made,
}

/// How a module finds the token that was made.
#[derive(Debug, Default)]
pub(crate) struct Made {
    pub(crate) environment: Vec<(OsString, OsString)>,
    pub(crate) initialisation: Option<String>,
}

/// A token that was made, and is gone when this is dropped.
#[derive(Debug)]
pub(crate) struct Token {
    pub(crate) kind: Kind,
    pub(crate) made: Made,
    pub(crate) folder: TempDir,
}

pub(crate) const SOFTHSM: Kind = Kind {
    name: "SoftHSM",
    module: "/usr/lib/softhsm/libsofthsm2.so",
    package: "softhsm2",
    label: "test",
    pin: "1234",
    key_types: &[
        KeyType::EcP256,
        KeyType::EcP384,
        KeyType::EcP521,
        KeyType::EcSecp256k1,
        KeyType::Ed25519,
        KeyType::Rsa2048,
        KeyType::Rsa3072,
        KeyType::Rsa4096,
    ],
    ed25519ph: false,
    make: softhsm,
};

impl Token {
    /// A new token; `None` where its software is missing, which is said, and fails where everything must be there.
    pub(crate) fn new(kind: Kind) -> Option<Self> {
        if !is_there(kind.module, kind.package) {
            return None;
        }
        let folder = tempfile::tempdir().unwrap();
        let made = (kind.make)(folder.path());

        Some(Self { kind, made, folder })
    }

    /// How it is configured.
    pub(crate) fn connection(&self) -> Connection {
        Connection {
            name: self.kind.name.to_owned(),
            module: self.kind.module.into(),
            token: TokenChoice::Label(self.kind.label.to_owned()),
            identity: None,
            pin: Some(pin(self.kind.pin)),
            sessions: number(8),
            in_flight: number(16),
            read_only: false,
            verify: Verify::Signature,
            network: Network::None,
            initialisation: self.made.initialisation.clone(),
            label: "keyport:{tenant}:{key}".to_owned(),
            call_timeout: Duration::from_secs(10),
            host: host(self.folder.path(), self.made.environment.clone()),
        }
    }

    pub(crate) async fn open(&self) -> Pkcs11 {
        Pkcs11::open(self.connection()).await.unwrap()
    }

    /// The backend, and what it should offer.
    pub(crate) fn custodian(&self, backend: Pkcs11) -> Custodian {
        let ed25519ph = self.kind.ed25519ph.then_some(Mechanism::Ed25519phOfMessage);

        Custodian {
            backend: Arc::new(backend),
            key_types: self.kind.key_types.to_vec(),
            mechanisms: MECHANISMS.into_iter().chain(ed25519ph).collect(),
            imports: Vec::new(),
            restores: false,
            messages: 0..=usize::MAX,
            binds_tenant: false,
        }
    }

    /// The token as other programs of this machine see it.
    pub(crate) fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command.envs(self.made.environment.iter().cloned());
        command
    }

    /// Runs pkcs11-tool on the token, logged in.
    pub(crate) fn tool(&self, arguments: &[&str]) -> String {
        let login = [
            "--module",
            self.kind.module,
            "--token-label",
            self.kind.label,
            "--login",
            "--pin",
            self.kind.pin,
        ];
        run(self.command("pkcs11-tool").args(login).args(arguments))
    }
}

/// Where Debian has the libraries of PKCS#11 tools.
pub(crate) fn library(name: &str) -> String {
    format!("/usr/lib/{}-linux-gnu/pkcs11/{name}", std::env::consts::ARCH)
}

/// Whether `file` is there. A test that needs it is skipped where it is not, except on CI.
pub(crate) fn is_there(file: &str, package: &str) -> bool {
    if Path::new(file).exists() {
        return true;
    }

    assert!(std::env::var_os("CI").is_none(), "{file} is missing: install {package}");
    eprintln!("skipped: {file} is missing: install {package}");
    false
}

/// Runs a program to its end, and answers what it printed.
pub(crate) fn run(command: &mut Command) -> String {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let text = String::from_utf8_lossy(&output.stdout).into_owned();

    assert!(output.status.success(), "{command:?}: {text}{}", String::from_utf8_lossy(&output.stderr));
    text
}

/// What runs a module. Its argument is ignored; processes are told apart by it.
pub(crate) fn host(mark: &Path, environment: Vec<(OsString, OsString)>) -> Program {
    Program {
        path: PathBuf::from(env!("CARGO_BIN_EXE_keyport-pkcs11-test-host")),
        arguments: vec![mark.into()],
        environment,
    }
}

pub(crate) fn pin(text: &str) -> Secret {
    Secret::new(text.as_bytes().to_vec())
}

pub(crate) fn number(number: usize) -> NonZeroUsize {
    NonZeroUsize::new(number).unwrap()
}

fn softhsm(folder: &Path) -> Made {
    let configuration = folder.join("softhsm2.conf");
    let tokens = folder.join("tokens");
    std::fs::create_dir(&tokens).unwrap();
    let text = format!(
        "directories.tokendir = {}\nobjectstore.backend = file\nlog.level = ERROR\n",
        tokens.display()
    );
    std::fs::write(&configuration, text).unwrap();

    let environment = vec![("SOFTHSM2_CONF".into(), configuration.into_os_string())];
    run(Command::new("softhsm2-util").envs(environment.clone()).args([
        "--init-token",
        "--free",
        "--label",
        "test",
        "--pin",
        "1234",
        "--so-pin",
        "5678",
    ]));
    Made { environment, initialisation: None }
}

const MECHANISMS: [Mechanism; 6] = [
    Mechanism::Ecdsa,
    Mechanism::Ed25519,
    Mechanism::RsaPkcs1v15DigestInfo,
    Mechanism::RsaPss(Hash::Sha256),
    Mechanism::RsaPss(Hash::Sha384),
    Mechanism::RsaPss(Hash::Sha512),
];
