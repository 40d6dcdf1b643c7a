//! What an operator is told of a module before anything is configured.

use std::time::Duration;

use keyport_backends::pkcs11::{Network, OpenError, Probe, Refusal, TokenChoice, probe};
use keyport_core::FailureKind;
use keyport_core::custody::tryout::TestKey;
use keyport_core::scheme::{KeyType, Scheme};

use crate::token::{SOFTHSM, Token, host, pin};

#[tokio::test]
async fn a_look_needs_no_pin_and_says_what_the_token_could_do() {
    let Some(token) = Token::new(SOFTHSM) else { return };

    let report = probe(look(&token)).await.unwrap();
    assert!(report.inventory.library.starts_with("SoftHSM"), "{}", report.inventory.library);
    assert!(report.opened.is_none());
    let found =
        report.tokens.iter().find(|token| token.facts.as_ref().is_some_and(|facts| facts.label == "test"));
    for ability in &found.unwrap().abilities {
        let offered = SOFTHSM.key_types.contains(&ability.key_type);
        assert_eq!(ability.make.is_ok(), offered, "{}", ability.key_type);
    }
}

#[tokio::test]
async fn every_type_of_key_that_is_offered_is_made_signs_and_is_destroyed() {
    let Some(token) = Token::new(SOFTHSM) else { return };
    let tests = Probe { pin: Some(pin("1234")), token: Some(label("test")), test_keys: true, ..look(&token) };

    let opened = probe(tests).await.unwrap().opened.unwrap().unwrap();
    assert!(opened.identity.contains("SoftHSM"), "{}", opened.identity);
    for test in opened.test_keys {
        if SOFTHSM.key_types.contains(&test.key_type) {
            did_well(test);
        } else {
            assert_eq!(test.made.unwrap_err().kind, FailureKind::Unsupported);
        }
    }
    assert!(!token.tool(&["--list-objects"]).contains("Key Object"), "a test key is left");
}

#[tokio::test]
async fn a_wrong_pin_or_label_is_part_of_the_report() {
    let Some(token) = Token::new(SOFTHSM) else { return };

    let wrong = Probe { pin: Some(pin("0000")), token: Some(label("test")), ..look(&token) };
    let refused = probe(wrong).await.unwrap().opened.unwrap().unwrap_err();
    assert!(matches!(refused, OpenError::Refused(Refusal::Pin { .. })), "{refused}");

    let unknown = Probe { token: Some(label("tset")), ..look(&token) };
    let refused = probe(unknown).await.unwrap().opened.unwrap().unwrap_err();
    assert!(matches!(refused, OpenError::Refused(Refusal::UnknownToken { .. })), "{refused}");
}

#[tokio::test]
async fn types_that_nobody_makes_through_pkcs11_are_said_to_be_so() {
    let Some(token) = Token::new(SOFTHSM) else { return };

    let report = probe(look(&token)).await.unwrap();
    let ability =
        report.tokens[0].abilities.iter().find(|ability| ability.key_type == KeyType::MlDsa44).unwrap();
    assert!(ability.make.as_ref().unwrap_err().message.contains("ml-dsa-44"));
}

fn did_well(test: TestKey) {
    test.made.unwrap();
    test.destroyed.unwrap().unwrap();
    for (scheme, took) in test.signed {
        let served = scheme != Scheme::Ed25519ph;
        assert_eq!(took.is_ok(), served, "{} {scheme}: {took:?}", test.key_type);
    }
}

fn look(token: &Token) -> Probe {
    Probe {
        module: token.kind.module.into(),
        initialisation: None,
        network: Network::None,
        token: None,
        pin: None,
        test_keys: false,
        call_timeout: Duration::from_secs(10),
        host: host(token.folder.path(), token.made.environment.clone()),
    }
}

fn label(label: &str) -> TokenChoice {
    TokenChoice::Label(label.to_owned())
}
