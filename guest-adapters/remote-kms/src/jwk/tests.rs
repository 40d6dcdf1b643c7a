//! Keys as servers write them, and as nobody should.

use base64::prelude::BASE64_STANDARD;
use keyport_sdk::ErrorKind;
use proptest::prelude::*;

use super::*;

fn read(jwk: &str) -> Result<Vec<u8>> {
    serde_json::from_str::<Jwk>(jwk).unwrap().spki()
}

#[test]
fn a_key_of_each_type_is_what_openssl_writes() {
    for (jwk, spki) in KEYS {
        assert_eq!(BASE64_STANDARD.encode(read(jwk).unwrap()), spki, "{jwk}");
    }
}

#[test]
fn what_is_wrong_with_a_key_is_told_to_the_operator() {
    let x = "OuxTjdVoR6uB6KCNWiujrxAnUKFsf2jshcF41Yw46z0";
    for (jwk, words) in [
        (r#"{"kty":"EC","crv":"P-256"}"#.to_owned(), "has no `x`"),
        (format!(r#"{{"kty":"EC","crv":"P-256","x":"{x}"}}"#), "has no `y`"),
        (format!(r#"{{"kty":"EC","crv":"P-384","x":"{x}","y":"{x}"}}"#), "has 32 bytes, not 48"),
        (format!(r#"{{"kty":"EC","crv":"P-256","x":"{x}=","y":"{x}"}}"#), "is no base64url"),
        (format!(r#"{{"kty":"EC","crv":"P-257","x":"{x}","y":"{x}"}}"#), "curve Some(\"P-257\")"),
        (r#"{"kty":"oct","k":"AA"}"#.to_owned(), "of type \"oct\""),
        (format!(r#"{{"kty":"EC","crv":"P-256","x":"{x}","y":"{x}","d":"{x}"}}"#), "a private half"),
    ] {
        let error = read(&jwk).unwrap_err();
        assert!(error.kind == ErrorKind::Internal && error.message.contains(words), "{jwk}: {error:?}");
        assert!(!error.message.contains(x), "{jwk}: {error:?}");
    }
}

proptest! {
    #[test]
    fn any_members_are_read_or_refused(
        kty in "EC|OKP|RSA|[a-z]{0,3}",
        crv in prop::option::of("P-256|P-521|Ed25519|[a-zA-Z0-9-]{0,9}"),
        members in prop::array::uniform4(prop::option::of("[A-Za-z0-9_=+-]{0,90}")),
    ) {
        let [x, y, n, e] = members;
        drop(Jwk { kty, crv, x, y, n, e, d: None }.spki());
    }

    #[test]
    fn any_modulus_comes_back(n in prop::collection::vec(any::<u8>(), 1..520)) {
        let text = Some(BASE64_URL_SAFE_NO_PAD.encode(&n));
        let jwk = Jwk { kty: "RSA".to_owned(), crv: None, x: None, y: None, n: text, e: Some("AQAB".to_owned()), d: None };
        let spki = jwk.spki().unwrap();

        let read = <SubjectPublicKeyInfo<'_> as der::Decode<'_>>::from_der(&spki).unwrap();
        let key = read.subject_public_key.as_bytes().unwrap();
        let key = <RsaPublicKey<'_> as der::Decode<'_>>::from_der(key).unwrap();
        let zeros = n.iter().take(n.len() - 1).take_while(|byte| **byte == 0).count();
        prop_assert_eq!(key.modulus.as_bytes(), &n[zeros..]);
    }
}

/// Made by OpenSSL; the second is its SubjectPublicKeyInfo in base64.
const KEYS: [(&str, &str); 6] = [
    (
        r#"{"kty":"EC","crv":"P-256","x":"OuxTjdVoR6uB6KCNWiujrxAnUKFsf2jshcF41Yw46z0","y":"7i6yagi3m59SQ8YQiclsqupfI-o77BPBt74B-hdvE94","kid":"a","alg":"ES256"}"#,
        "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEOuxTjdVoR6uB6KCNWiujrxAnUKFsf2jshcF41Yw46z3uLrJqCLebn1JDxhCJyWyq6l8j6jvsE8G3vgH6F28T3g==",
    ),
    (
        r#"{"kty":"EC","crv":"P-384","x":"rLqjlCfRUNyFBq9mqMWILTJKRJo7SJi8coU_eNL628TqvxjTs5IloprJLGDnmBLM","y":"a4Ci_5LJqULtswuiudIsM4-LQ2foj7gKJfBNzHZZAx_RyacGQWQa_SUGaPPEeJhV","kid":"a","alg":"ES256"}"#,
        "MHYwEAYHKoZIzj0CAQYFK4EEACIDYgAErLqjlCfRUNyFBq9mqMWILTJKRJo7SJi8coU/eNL628TqvxjTs5IloprJLGDnmBLMa4Ci/5LJqULtswuiudIsM4+LQ2foj7gKJfBNzHZZAx/RyacGQWQa/SUGaPPEeJhV",
    ),
    (
        r#"{"kty":"EC","crv":"P-521","x":"ANhXPEDU7ekPUX0OBNRWiCtCqx4k-gkGGAzru-uyI9IdpV-UXPzaoElSQsP5XfpjzUBHVr_k4_ATnWvAmREUi4Po","y":"AJLXn8hAtDFTHAVsPHwy4ns2zKn27K9IPDWxPPjmYifBV648dd6KxxiR3aAfoatQWpQhLeYx29lyP3kAZC53qxPP","kid":"a","alg":"ES256"}"#,
        "MIGbMBAGByqGSM49AgEGBSuBBAAjA4GGAAQA2Fc8QNTt6Q9RfQ4E1FaIK0KrHiT6CQYYDOu767Ij0h2lX5Rc/NqgSVJCw/ld+mPNQEdWv+Tj8BOda8CZERSLg+gAktefyEC0MVMcBWw8fDLiezbMqfbsr0g8NbE8+OZiJ8FXrjx13orHGJHdoB+hq1BalCEt5jHb2XI/eQBkLnerE88=",
    ),
    (
        r#"{"kty":"EC","crv":"secp256k1","x":"kVtEMxUy9ten7Od8EO4rDerLwWf08l0BovG0iLjrHgM","y":"MklmvLA-FKfrucMo18Wx_neQvlE0Xn1ca8mlGK0Pq0Y","kid":"a","alg":"ES256"}"#,
        "MFYwEAYHKoZIzj0CAQYFK4EEAAoDQgAEkVtEMxUy9ten7Od8EO4rDerLwWf08l0BovG0iLjrHgMySWa8sD4Up+u5wyjXxbH+d5C+UTRefVxryaUYrQ+rRg==",
    ),
    (
        r#"{"kty":"OKP","crv":"Ed25519","x":"iVIPe4xwxKxPG-V54KzPYtRb41meMKo3tvs8DLFByX4"}"#,
        "MCowBQYDK2VwAyEAiVIPe4xwxKxPG+V54KzPYtRb41meMKo3tvs8DLFByX4=",
    ),
    (
        r#"{"kty":"RSA","n":"siaGZYkPcYi1pjQgYHUGO8_f5DbbIzsG5DQulPBxik_iw9dgSuRF1f3iCmkm5QtM_BXWlshDgmJGbMTYH7Nb4T7tMDc900xVzcFdukAMDZVtBZoqDWULhuSAfuSPAUcb_E7W4J0zWSsfRjg5k2g05HXimn8QpPTm04RM95mwrKs5nPw4ItmaM21X1obUW_fwVenEup9w9ZIEv1a4brJeegVzytZaalDAHt_Ns_H5NOKadkDH7Y9m3LrdP6Nm8WJCxX_VN1vQdeV1HBYcxU0UQvRM_bL9WWdWHVc_TV7Ongf7Qj-GjhZrkGFHRAzyL5APNIL0uCRfTHU_bu96RwllnQ","e":"AQAB"}"#,
        "MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAsiaGZYkPcYi1pjQgYHUGO8/f5DbbIzsG5DQulPBxik/iw9dgSuRF1f3iCmkm5QtM/BXWlshDgmJGbMTYH7Nb4T7tMDc900xVzcFdukAMDZVtBZoqDWULhuSAfuSPAUcb/E7W4J0zWSsfRjg5k2g05HXimn8QpPTm04RM95mwrKs5nPw4ItmaM21X1obUW/fwVenEup9w9ZIEv1a4brJeegVzytZaalDAHt/Ns/H5NOKadkDH7Y9m3LrdP6Nm8WJCxX/VN1vQdeV1HBYcxU0UQvRM/bL9WWdWHVc/TV7Ongf7Qj+GjhZrkGFHRAzyL5APNIL0uCRfTHU/bu96RwllnQIDAQAB",
    ),
];
