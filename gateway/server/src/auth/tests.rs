//! Tokens and certificates: each caller by its own, and by nobody else's.

use keyport_core::outside::Timestamp;
use proptest::prelude::*;
use tokio::runtime::Handle;

use super::testing::{caller, who};
use super::*;
use crate::outside::outside;

pub(super) fn hash(token: &str) -> TokenDigest {
    digest(&SHA256, token.as_bytes()).as_ref().try_into().unwrap()
}

fn of_certificates(name: &str, certificates: &[&str]) -> Credentials {
    Credentials {
        certificates: certificates.iter().map(|name| (0, (*name).to_owned())).collect(),
        ..Credentials::of_tokens(caller(name), Vec::new())
    }
}

fn authenticator(anonymous: Option<Arc<Caller>>) -> Authenticator {
    let both = Credentials {
        tokens: vec![hash("both")],
        require: Require { certificate: true, token: true },
        ..of_certificates("both", &["dns:both.test"])
    };
    let callers = vec![
        Credentials::of_tokens(caller("tds"), vec![hash("old"), hash("new")]),
        Credentials::of_tokens(caller("other"), vec![hash("x")]),
        of_certificates("spiffe", &["spiffe://a.test/tds", "dns:a.test"]),
        of_certificates("named", &["subject:O=Acme, CN=tds"]),
        both,
    ];

    Authenticator::new(Parts { callers, anonymous, ..Parts::default() }, None, outside(Handle::current()))
}

fn peer(names: &[&str]) -> Peer {
    let names = names.iter().map(|name| (*name).to_owned()).collect();
    let valid = Some((Timestamp(0), Timestamp(u64::MAX)));

    Peer { certificate: Some(ClientCertificate { authorities: vec![0], names, valid }), ..Peer::default() }
}

async fn with_token(authenticator: &Authenticator, values: &[&str]) -> Result<String, Denial> {
    let headers: Vec<_> = values.iter().map(|value| ("authorization", *value)).collect();

    who(authenticator, &headers, Peer::default()).await
}

#[tokio::test]
async fn each_of_a_callers_tokens_is_good() {
    let authenticator = authenticator(None);

    assert_eq!(with_token(&authenticator, &["Bearer old"]).await.unwrap(), "tds");
    assert_eq!(with_token(&authenticator, &["bearer new"]).await.unwrap(), "tds");
    assert_eq!(with_token(&authenticator, &["BEARER  x"]).await.unwrap(), "other");
}

#[tokio::test(start_paused = true)]
async fn anything_else_is_denied_with_its_reason() {
    let authenticator = authenticator(None);

    assert_eq!(with_token(&authenticator, &[]).await, Err(Denial::NoCredential));
    for unknown in ["Bearer olde", "Bearer ol", "Bearer OLD", "Bearer eyJ.eyJ.x"] {
        assert_eq!(with_token(&authenticator, &[unknown]).await, Err(Denial::UnknownToken), "{unknown}");
    }
    for malformed in [
        &["old"][..],
        &["Bearer"],
        &["Bearer "],
        &["Basic b2xk"],
        &["Bearer old new"],
        &["Bearer old", "Bearer old"],
    ] {
        assert_eq!(with_token(&authenticator, malformed).await, Err(Denial::Malformed), "{malformed:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn only_who_presents_nothing_is_anonymous() {
    let authenticator = authenticator(Some(caller("anonymous")));

    assert_eq!(with_token(&authenticator, &[]).await.unwrap(), "anonymous");
    assert_eq!(with_token(&authenticator, &["Bearer wrong"]).await, Err(Denial::UnknownToken));
    assert_eq!(with_token(&authenticator, &["Basic b2xk"]).await, Err(Denial::Malformed));
    let stranger = peer(&["dns:nobody.test"]);
    assert_eq!(who(&authenticator, &[], stranger).await, Err(Denial::UnknownCertificate));
}

#[tokio::test]
async fn an_api_key_is_as_good_as_a_bearer_token_and_both_are_one_too_many() {
    let authenticator = authenticator(None);
    let ask = async |headers: &[(&str, &str)]| who(&authenticator, headers, Peer::default()).await;

    assert_eq!(ask(&[("x-api-key", "old")]).await.unwrap(), "tds");
    assert_eq!(ask(&[("x-api-key", "older")]).await, Err(Denial::UnknownToken));
    for malformed in [
        &[("x-api-key", "old"), ("x-api-key", "old")][..],
        &[("x-api-key", "old"), ("authorization", "Bearer old")],
        &[("x-api-key", "")],
        &[("x-api-key", "old new")],
    ] {
        assert_eq!(ask(malformed).await, Err(Denial::Malformed), "{malformed:?}");
    }
}

#[tokio::test]
async fn a_certificate_is_its_callers_by_any_of_its_names() {
    let authenticator = authenticator(None);

    for (names, name) in [
        (&["spiffe://a.test/tds", "subject:CN=whoever"][..], "spiffe"),
        (&["dns:b.test", "dns:a.test"], "spiffe"),
        (&["subject:O=Acme, CN=tds"], "named"),
    ] {
        assert_eq!(who(&authenticator, &[], peer(names)).await.unwrap(), name, "{names:?}");
    }
    for names in [&["spiffe://a.test/tds/x"][..], &["dns:A.test"], &["subject:CN=tds"], &[]] {
        assert_eq!(who(&authenticator, &[], peer(names)).await, Err(Denial::UnknownCertificate), "{names:?}");
    }
}

#[tokio::test]
async fn what_names_two_callers_names_nobody() {
    let authenticator = authenticator(None);
    let both = peer(&["dns:a.test", "subject:O=Acme, CN=tds"]);
    let token = [("authorization", "Bearer old")];

    assert_eq!(who(&authenticator, &[], both).await, Err(Denial::Ambiguous));
    assert_eq!(who(&authenticator, &token, peer(&["dns:a.test"])).await, Err(Denial::Ambiguous));
    assert_eq!(who(&authenticator, &token, peer(&["dns:nobody.test"])).await.unwrap(), "tds");
}

#[tokio::test]
async fn a_certificate_is_worth_what_its_own_authority_may_say() {
    let authenticator = authenticator(None);
    let vouched = |authorities: &[usize]| {
        let mut peer = peer(&["dns:a.test"]);
        peer.certificate.as_mut().unwrap().authorities = authorities.to_vec();
        peer
    };

    assert_eq!(who(&authenticator, &[], vouched(&[1, 0])).await.unwrap(), "spiffe");
    for others in [&[][..], &[1], &[1, 2]] {
        assert_eq!(who(&authenticator, &[], vouched(others)).await, Err(Denial::UnknownCertificate));
    }
}

#[tokio::test]
async fn a_certificate_is_good_only_in_its_time() {
    let authenticator = authenticator(None);
    for valid in [None, Some((Timestamp(0), Timestamp(1))), Some((Timestamp(u64::MAX), Timestamp(u64::MAX)))]
    {
        let certificate =
            ClientCertificate { names: vec!["dns:a.test".to_owned()], valid, ..ClientCertificate::default() };
        let peer = Peer { certificate: Some(certificate), ..Peer::default() };

        assert_eq!(who(&authenticator, &[], peer).await, Err(Denial::CertificateExpired));
    }
}

#[tokio::test]
async fn a_caller_that_needs_two_credentials_needs_both() {
    let authenticator = authenticator(None);
    let token = [("authorization", "Bearer both")];
    let certificate = peer(&["dns:both.test"]);

    assert_eq!(who(&authenticator, &token, certificate.clone()).await.unwrap(), "both");
    assert_eq!(who(&authenticator, &token, Peer::default()).await, Err(Denial::CertificateRequired));
    assert_eq!(who(&authenticator, &[], certificate.clone()).await, Err(Denial::TokenRequired));
    let anothers = [("authorization", "Bearer old")];
    assert_eq!(who(&authenticator, &anothers, certificate).await, Err(Denial::Ambiguous));
}

proptest! {
    #[test]
    fn no_header_panics_and_a_token_has_no_white_space(value in "[ -~]{0,40}", name in 0_usize..2) {
        let name = ["authorization", "x-api-key"][name];
        let mut headers = HeaderMap::new();
        headers.insert(name, value.parse().unwrap());

        if let Ok(token) = presented::token(&headers) {
            let token = token.unwrap();
            prop_assert!(!token.is_empty() && token.iter().all(u8::is_ascii_graphic));
        }
    }
}

#[tokio::test(start_paused = true)]
async fn who_failed_before_a_reload_waits_after_it() {
    let start = |before: Option<&Authenticator>| {
        Authenticator::new(Parts { held_back: 1, ..Parts::default() }, before, outside(Handle::current()))
    };
    let before = start(None);
    for _ in 0..20 {
        assert!(with_token(&before, &["Bearer wrong"]).await.is_err());
    }

    let after = start(Some(&before));
    let begin = after.outside.clock.now();
    assert!(with_token(&after, &["Bearer wrong"]).await.is_err());
    assert!(after.outside.clock.now() > begin, "a reload forgave it");
}
