//! A vault at a stand-in, opened.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use keyport_backends::azure::{Azure, Connection, Login, Proof};
use keyport_backends::cloud::Rates;
use keyport_stand_ins::azure::StandIn;
use tempfile::TempDir;

use crate::awaited;
use crate::clock::Ahead;

/// An opened vault.
pub(crate) struct Opened {
    pub(crate) stand_in: StandIn,
    pub(crate) azure: Arc<Azure>,
    pub(crate) folder: TempDir,
    settling: Duration,
}

impl Opened {
    /// One of an application with a secret.
    pub(crate) fn new() -> Self {
        Self::with(|_| ())
    }

    /// The same, configured otherwise.
    pub(crate) fn with(change: impl FnOnce(&mut Connection)) -> Self {
        let (stand_in, folder) = (StandIn::start(), tempfile::tempdir().unwrap());
        write(&folder.path().join("secret"), "s3cr3t\n");
        let proof = Proof::Secret(folder.path().join("secret"));
        let mut described = connection(&stand_in.url(), application(&stand_in.url(), proof));
        change(&mut described);
        let settling = described.settling;
        let azure = Arc::new(Azure::open(described, Arc::new(Ahead::default())).unwrap());

        Self { stand_in, azure, folder, settling }
    }

    /// Waits until the service has come so far.
    pub(crate) async fn until(&self, is_so: impl Fn(&StandIn) -> bool) {
        awaited::until(|| is_so(&self.stand_in), || self.stand_in.heard()).await;
    }

    /// Another gateway at the same vault.
    pub(crate) fn again(&self) -> Azure {
        self.again_with(|_| ())
    }

    /// The same, configured otherwise.
    pub(crate) fn again_with(&self, change: impl FnOnce(&mut Connection)) -> Azure {
        let url = self.stand_in.url();
        let login = application(&url, Proof::Secret(self.folder.path().join("secret")));
        let mut described = Connection { settling: self.settling, ..connection(&url, login) };
        change(&mut described);

        Azure::open(described, Arc::new(Ahead::default())).unwrap()
    }
}

/// The application, at this authority.
pub(crate) fn application(authority: &str, proof: Proof) -> Login {
    let (tenant, client) = ("directory".to_owned(), "application".to_owned());

    Login::Application { authority: authority.to_owned(), tenant, client, proof }
}

/// A connection to the vault at `url`.
pub(crate) fn connection(url: &str, login: Login) -> Connection {
    Connection {
        vault: url.to_owned(),
        prefix: "keyport".to_owned(),
        login,
        resource: "https://vault.azure.net".to_owned(),
        hsm: false,
        tags: vec![("tenant".to_owned(), "{tenant}".parse().unwrap())],
        verify: true,
        settling: Duration::ZERO,
        doubt: Duration::ZERO,
        first: false,
        rates: Rates::default(),
        ca: None,
        proxy: None,
    }
}

/// Writes a secret file.
pub(crate) fn write(file: &Path, text: &str) {
    std::fs::write(file, text).unwrap();
    std::fs::set_permissions(file, std::fs::Permissions::from_mode(0o600)).unwrap();
}
