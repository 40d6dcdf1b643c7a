//! Ed25519ph of a token that does not heed CK_EDDSA_PARAMS: it would sign by pure Ed25519, and nobody would tell.

use keyport_backends::pkcs11::{Connection, Pkcs11};
use keyport_core::FailureKind;
use keyport_core::backend::Backend;
use keyport_core::custody::Mechanism;
use keyport_core::scheme::KeyType;

use crate::opening::spied;
use crate::process::calls;
use crate::suite::soon;
use crate::token::{SOFTHSM, Token};

#[tokio::test]
async fn a_token_that_does_not_heed_ph_flag_is_refused_by_name_before_the_key_signs() {
    let Some((token, spied)) = spied() else { return };
    let custodian = token.custodian(Pkcs11::open(spied).await.unwrap());
    let (object, _) = custodian.make(KeyType::Ed25519).await;
    let backend = &*custodian.backend;
    let log = token.folder.path().join("spy.log");
    let counts = || (calls(&log, "C_GenerateKeyPair"), calls(&log, "C_SignInit"));

    let (pairs, signatures) = counts();
    for _ in 0..3 {
        let refused = backend.sign(&object, Mechanism::Ed25519phOfMessage, b"message", soon()).await;
        let refused = refused.unwrap_err();
        assert_eq!(refused.kind, FailureKind::Unsupported);
        assert!(refused.message.contains("does not heed phFlag"), "{refused}");
    }
    // One pair was made and signed, once, and it was not the key that signed.
    assert_eq!(counts(), (pairs + 1, signatures + 1));
    backend.sign(&object, Mechanism::Ed25519, b"message", soon()).await.unwrap();
}

#[tokio::test]
async fn the_pair_it_is_tried_with_leaves_nothing_and_needs_no_right_to_write() {
    let Some(token) = Token::new(SOFTHSM) else { return };
    let (object, _) = token.custodian(token.open().await).make(KeyType::Ed25519).await;
    let before = token.tool(&["--list-objects"]);
    let reader = Pkcs11::open(Connection { read_only: true, ..token.connection() }).await.unwrap();

    let refused = reader.sign(&object, Mechanism::Ed25519phOfMessage, b"message", soon()).await;
    assert!(refused.unwrap_err().message.contains("does not heed phFlag"));
    assert_eq!(token.tool(&["--list-objects"]), before);
}

#[tokio::test]
async fn a_digest_for_ed25519ph_is_refused_because_tokens_hash_the_message() {
    let Some(token) = Token::new(SOFTHSM) else { return };
    let custodian = token.custodian(token.open().await);
    let (object, _) = custodian.make(KeyType::Ed25519).await;

    let refused = custodian.backend.sign(&object, Mechanism::Ed25519ph, &[7; 64], soon()).await;
    assert_eq!(refused.unwrap_err().kind, FailureKind::Unsupported);
}
