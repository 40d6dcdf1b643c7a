//! Keys as JSON Web Keys: every type, and the thumbprints of the standards' examples.

use aws_lc_rs::encoding::{AsDer, PublicKeyX509Der};
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, ECDSA_P521_SHA512_FIXED_SIGNING,
    EcdsaKeyPair, EcdsaSigningAlgorithm, Ed25519KeyPair, KeyPair,
};
use serde_json::{Value, json};

use super::*;

fn jwk(spki: &[u8]) -> Jwk {
    Jwk::of(&PublicKey::from_der(spki).unwrap()).unwrap()
}

fn decoded(jwk: &Jwk, member: &str) -> Vec<u8> {
    let value = serde_json::to_value(jwk).unwrap();
    URL_SAFE_NO_PAD.decode(value[member].as_str().unwrap()).unwrap()
}

#[test]
fn an_elliptic_curve_key_has_its_point_in_two_full_coordinates() {
    let suites: [(&'static EcdsaSigningAlgorithm, &str, usize); 3] = [
        (&ECDSA_P256_SHA256_FIXED_SIGNING, "P-256", 32),
        (&ECDSA_P384_SHA384_FIXED_SIGNING, "P-384", 48),
        (&ECDSA_P521_SHA512_FIXED_SIGNING, "P-521", 66),
    ];

    for (algorithm, crv, length) in suites {
        let pair = EcdsaKeyPair::generate(algorithm).unwrap();
        let spki: PublicKeyX509Der<'_> = pair.public_key().as_der().unwrap();
        let jwk = jwk(spki.as_ref());

        let value = serde_json::to_value(&jwk).unwrap();
        assert_eq!((&value["kty"], &value["crv"]), (&json!("EC"), &json!(crv)));
        let (x, y) = (decoded(&jwk, "x"), decoded(&jwk, "y"));
        assert_eq!((x.len(), y.len()), (length, length), "{crv}");
        assert_eq!([&[4][..], &x, &y].concat(), pair.public_key().as_ref(), "{crv}");
    }
}

#[test]
fn an_ed25519_key_is_an_octet_key_pair() {
    let pair = Ed25519KeyPair::generate().unwrap();
    let spki: PublicKeyX509Der<'_> = pair.public_key().as_der().unwrap();
    let jwk = jwk(spki.as_ref());

    assert_eq!(decoded(&jwk, "x"), pair.public_key().as_ref());
    assert_eq!(serde_json::to_value(&jwk).unwrap()["crv"], "Ed25519");
}

#[test]
fn an_rsa_key_has_its_numbers_without_leading_zeros() {
    let pair = aws_lc_rs::rsa::KeyPair::generate(KeySize::Rsa2048).unwrap();
    let spki: PublicKeyX509Der<'_> = pair.public_key().as_der().unwrap();
    let jwk = jwk(spki.as_ref());

    assert_eq!(decoded(&jwk, "e"), [1, 0, 1]);
    let n = decoded(&jwk, "n");
    assert!(n.len() == 256 && n[0] >= 0x80);
}

#[test]
fn thumbprints_are_those_of_the_standards_examples() {
    // RFC 7638, section 3.1.
    let rsa = Jwk::Rsa {
        e: "AQAB".to_owned(),
        n: concat!(
            "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3okn",
            "jhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qM",
            "QvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJz",
            "KnqDKgw"
        )
        .to_owned(),
    };
    assert_eq!(rsa.thumbprint(), "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs");

    // RFC 8037, appendix A.3.
    let x = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo".to_owned();
    assert_eq!(Jwk::Okp { crv: "Ed25519", x }.thumbprint(), "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
}

#[test]
fn a_thumbprint_is_over_the_required_members_in_order() {
    let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
    let spki: PublicKeyX509Der<'_> = pair.public_key().as_der().unwrap();
    let jwk = jwk(spki.as_ref());

    // serde_json orders the members of a value by name.
    let members: Value = serde_json::to_value(&jwk).unwrap();
    let expected = base64(digest(&SHA256, members.to_string().as_bytes()).as_ref());
    assert_eq!(jwk.thumbprint(), expected);
}
