//! Connections to the stand-in.

use std::sync::Arc;
use std::time::Duration;

use keyport_backends::aws::{Aws, Connection, DeletionWindow, Endpoints, Source};
use keyport_backends::cloud::Rates;
use keyport_core::Failure;
use keyport_core::backend::{Backend, Object};
use keyport_core::custody::Mechanism;
use keyport_core::scheme::{Hash, KeyType};
use keyport_core::secret::Secret;
use keyport_stand_ins::aws::{ACCESS_KEY, REGION, SECRET, StandIn};

use crate::suite::{Custodian, soon};

/// A gateway's connection to these services.
pub(crate) fn opened(service: &StandIn) -> Aws {
    opened_with(service, |_| ())
}

/// The same, configured otherwise.
pub(crate) fn opened_with(service: &StandIn, change: impl FnOnce(&mut Connection)) -> Aws {
    let mut connection = connection(&service.url());
    change(&mut connection);

    Aws::open(connection).unwrap()
}

/// Lets so much time pass that whatever was restored is known everywhere to be back.
pub(crate) async fn settle() {
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(601)).await;
    tokio::time::resume();
}

/// A connection to services that are all at one place.
pub(crate) fn connection(url: &str) -> Connection {
    let place = Some(url.to_owned());

    Connection {
        name: "kms".to_owned(),
        region: REGION.to_owned(),
        identity: None,
        prefix: "keyport".parse().unwrap(),
        endpoints: Endpoints {
            kms: place.clone(),
            sts: place.clone(),
            tagging: place,
            ..Endpoints::default()
        },
        credentials: access_key(ACCESS_KEY, SECRET),
        role: None,
        ca: None,
        proxy: None,
        multi_region: false,
        deletion_window: DeletionWindow::WEEK,
        verify: true,
        rates: Rates::default(),
        description: "{key} of {tenant}".parse().unwrap(),
        tags: vec![("keyport:tenant".to_owned(), "{tenant}".parse().unwrap())],
        settling: Duration::ZERO,
        first: false,
    }
}

pub(crate) fn access_key(access_key_id: &str, secret: &str) -> Source {
    Source::Static {
        access_key_id: access_key_id.to_owned(),
        secret_access_key: Secret::new(secret.as_bytes().to_vec()),
        session_token: None,
    }
}

/// How many keys were made, and how many are not about to be deleted.
pub(crate) fn made_and_left(service: &StandIn) -> (usize, usize) {
    let keys = service.keys();

    (keys.all().len(), keys.alive())
}

/// Has an ECDSA key sign a digest.
pub(crate) async fn signed(backend: &dyn Backend, object: &Object) -> Result<Vec<u8>, Failure> {
    backend.sign(object, Mechanism::Ecdsa, &[7; 32], soon()).await
}

/// What the service offers.
pub(crate) fn custodian(aws: Aws) -> Custodian {
    let rsa = Hash::ALL.into_iter().flat_map(|hash| [Mechanism::RsaPkcs1v15(hash), Mechanism::RsaPss(hash)]);

    Custodian {
        backend: Arc::new(aws),
        key_types: vec![
            KeyType::EcP256,
            KeyType::EcP384,
            KeyType::EcP521,
            KeyType::EcSecp256k1,
            KeyType::Ed25519,
            KeyType::Rsa2048,
            KeyType::Rsa3072,
            KeyType::Rsa4096,
            KeyType::MlDsa44,
            KeyType::MlDsa65,
            KeyType::MlDsa87,
        ],
        mechanisms: [Mechanism::Ecdsa, Mechanism::Ed25519, Mechanism::Ed25519ph, Mechanism::MlDsa]
            .into_iter()
            .chain(rsa)
            .collect(),
        messages: 1..=4096,
        imports: Vec::new(),
        restores: true,
        binds_tenant: false,
    }
}
