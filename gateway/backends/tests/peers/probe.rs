//! What an operator is told of a peer.

use std::time::Duration;

use keyport_backends::pkcs11::{Network, Probe, TokenChoice, probe};
use keyport_core::FailureKind;
use keyport_core::custody::tryout::TestKey;
use keyport_core::scheme::{KeyType, Scheme};

use crate::token::{Token, host, pin};

/// A probe with test keys finds the key types that this kind of token has, and no fault.
pub(crate) async fn every_offered_type_works(token: &Token) {
    let report = probe(Probe {
        module: token.kind.module.into(),
        initialisation: token.made.initialisation.clone(),
        network: Network::None,
        token: Some(TokenChoice::Label(token.kind.label.to_owned())),
        pin: Some(pin(token.kind.pin)),
        test_keys: true,
        call_timeout: Duration::from_secs(60),
        host: host(token.folder.path(), token.made.environment.clone()),
    });
    let tested = report.await.unwrap().opened.unwrap().unwrap().test_keys;

    let made: Vec<KeyType> =
        tested.iter().filter(|test| test.made.is_ok()).map(|test| test.key_type).collect();
    assert_eq!(made, in_order(token.kind.key_types));
    for test in tested {
        has_no_fault(test, token.kind.ed25519ph);
    }
}

fn has_no_fault(TestKey { key_type, made, signed, destroyed }: TestKey, ed25519ph: bool) {
    if let Err(failure) = made {
        assert_eq!(failure.kind, FailureKind::Unsupported, "{key_type}: {failure}");
        return;
    }
    for (scheme, took) in signed {
        if scheme == Scheme::Ed25519ph && !ed25519ph {
            assert_eq!(took.unwrap_err().kind, FailureKind::Unsupported);
            continue;
        }
        took.unwrap_or_else(|failure| panic!("{key_type} {scheme}: {failure}"));
    }
    destroyed.unwrap().unwrap();
}

fn in_order(key_types: &[KeyType]) -> Vec<KeyType> {
    KeyType::ALL.into_iter().filter(|key_type| key_types.contains(key_type)).collect()
}
