//! A key ring at a stand-in, opened.

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use keyport_backends::cloud::Rates;
use keyport_backends::gcp::{Connection, Credentials, Gcp, Protection, Rsa};
use keyport_core::custody::Mechanism;
use keyport_core::scheme::KeyType;
use keyport_stand_ins::gcp::{StandIn, key_file};
use tempfile::TempDir;

use crate::awaited;
use crate::clock::Ahead;
use crate::suite::Custodian;

/// An opened key ring.
pub(crate) struct Ring {
    pub(crate) stand_in: StandIn,
    pub(crate) gcp: Arc<Gcp>,
    /// What this machine's clock is ahead of the stand-in's.
    pub(crate) ahead: Arc<Mutex<Duration>>,
    folder: TempDir,
}

impl Ring {
    /// One of a service account.
    pub(crate) fn new() -> Self {
        Self::with(|_| ())
    }

    /// The same, configured otherwise.
    pub(crate) fn with(change: impl FnOnce(&mut Connection)) -> Self {
        let stand_in = StandIn::start();
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("key.json");
        write(&file, &key_file().to_string());
        let mut described = connection(&stand_in.url(), Credentials::File(file));
        change(&mut described);

        let ahead = Arc::<Mutex<Duration>>::default();
        let gcp = Gcp::open(described, Arc::new(Ahead(Arc::clone(&ahead)))).unwrap();
        Self { stand_in, gcp: Arc::new(gcp), ahead, folder }
    }

    /// Another gateway at the same ring.
    pub(crate) fn again(&self) -> Gcp {
        self.again_with(|_| ())
    }

    /// The same, configured otherwise.
    pub(crate) fn again_with(&self, change: impl FnOnce(&mut Connection)) -> Gcp {
        let credentials = Credentials::File(self.folder.path().join("key.json"));
        let mut described = connection(&self.stand_in.url(), credentials);
        change(&mut described);

        Gcp::open(described, Arc::new(Ahead::default())).unwrap()
    }

    /// Waits until the service has come so far.
    pub(crate) async fn until(&self, is_so: impl Fn(&StandIn) -> bool) {
        awaited::until(|| is_so(&self.stand_in), || self.stand_in.heard()).await;
    }

    /// As the suite wants it. Keys that are not RSA's have one mechanism each.
    pub(crate) fn custodian(&self, key_types: &[KeyType], rsa: &[Mechanism]) -> Custodian {
        Custodian {
            backend: self.gcp.clone(),
            key_types: key_types.to_vec(),
            mechanisms: [&[Mechanism::Ecdsa, Mechanism::Ed25519, Mechanism::MlDsa], rsa].concat(),
            messages: 1..=65_536,
            imports: Vec::new(),
            restores: true,
            binds_tenant: false,
        }
    }
}

/// A connection to the service at `url`.
pub(crate) fn connection(url: &str, credentials: Credentials) -> Connection {
    Connection {
        key_ring: RING.to_owned(),
        prefix: "keyport".to_owned(),
        endpoint: url.to_owned(),
        credentials,
        quota_project: None,
        protection: Protection::Software,
        rsa: Rsa::Pkcs1Raw,
        labels: vec![
            ("tenant".to_owned(), "{tenant}".parse().unwrap()),
            ("key".to_owned(), "{key}".parse().unwrap()),
        ],
        destroy_after: None,
        verify: false,
        doubt: Duration::ZERO,
        first: false,
        rates: Rates::default(),
        ca: None,
        proxy: None,
    }
}

/// Writes a secret file.
pub(crate) fn write(file: &Path, text: &str) {
    use std::os::unix::fs::PermissionsExt;

    std::fs::write(file, text).unwrap();
    std::fs::set_permissions(file, std::fs::Permissions::from_mode(0o600)).unwrap();
}

pub(crate) const RING: &str = "projects/acme/locations/europe-west3/keyRings/prod";
