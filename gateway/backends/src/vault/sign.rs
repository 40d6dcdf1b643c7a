//! What the engine is asked for a signature, and what it answers.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use keyport_core::custody::Mechanism;
use keyport_core::scheme::{Family, Hash, KeyType};
use keyport_core::{Failure, FailureKind};
use serde::Deserialize;
use serde_json::{Value, json};

use super::key::Version;

/// What `sign` is asked. Nothing is left to the engine's defaults: it would sign a digest as if it were one of SHA-256, and an
/// input that is missing as if it were empty.
pub(super) fn request(
    version: &Version,
    key_type: KeyType,
    mechanism: Mechanism,
    input: &[u8],
) -> Result<Value, Failure> {
    let mut body = match (mechanism, key_type.family()) {
        // The engine asks for no hash's length here, and reduces the number as the standard has it. Of the two forms of an answer,
        // DER is in the base64 that all other signatures are in, and every version offers it.
        (Mechanism::Ecdsa, Family::Ecdsa { .. }) => {
            let hash = Hash::ALL.into_iter().find(|hash| hash.digest_len() == input.len());
            json!({
                "prehashed": true,
                "hash_algorithm": name(hash.ok_or_else(no_digest)?),
                "marshaling_algorithm": "asn1",
            })
        }
        // With `prehashed`, some servers would make it Ed25519ph.
        (Mechanism::Ed25519, Family::EdDsa) => json!({ "prehashed": false }),
        (Mechanism::RsaPkcs1v15(hash), Family::Rsa { .. }) if input.len() == hash.digest_len() => json!({
            "prehashed": true,
            "hash_algorithm": name(hash),
            "signature_algorithm": "pkcs1v15",
        }),
        (Mechanism::RsaPss(hash), Family::Rsa { .. }) if input.len() == hash.digest_len() => json!({
            "prehashed": true,
            "hash_algorithm": name(hash),
            "signature_algorithm": "pss",
            "salt_length": "hash",
        }),
        (Mechanism::RsaPkcs1v15(_) | Mechanism::RsaPss(_), Family::Rsa { .. }) => return Err(no_digest()),
        // OpenBao takes a request for Ed25519ph for one of the pure scheme over those 64 bytes, and says nothing.
        (
            Mechanism::Ecdsa
            | Mechanism::Ed25519
            | Mechanism::Ed25519ph
            | Mechanism::Ed25519phOfMessage
            | Mechanism::RsaPkcs1v15(_)
            | Mechanism::RsaPkcs1v15DigestInfo
            | Mechanism::RsaPss(_)
            | Mechanism::MlDsa,
            _,
        ) => {
            let message = format!("transit does not sign with {key_type} by {mechanism}");
            return Err(Failure::new(FailureKind::Unsupported, message));
        }
    };

    if let Value::Object(fields) = &mut body {
        fields.insert("input".to_owned(), BASE64_STANDARD.encode(input).into());
        fields.insert("key_version".to_owned(), version.number.into());
    }
    Ok(body)
}

/// The signature in an answer, if it is by the version that was asked: `vault:vVERSION:BASE64`.
pub(super) fn signature(version: &Version, body: &[u8]) -> Result<Vec<u8>, Failure> {
    let Answered { data: Signed { signature, key_version } } =
        serde_json::from_slice(body).map_err(|_bad| lie(version, "is no signature"))?;
    if key_version.is_some_and(|number| number != version.number) {
        return Err(lie(version, "is by another version"));
    }
    let encoded = signature
        .strip_prefix("vault:v")
        .and_then(|rest| rest.strip_prefix(&version.number.to_string())?.strip_prefix(':'))
        .ok_or_else(|| lie(version, "is by another version"))?;

    BASE64_STANDARD.decode(encoded).map_err(|_bad| lie(version, "is no base64"))
}

#[derive(Deserialize)]
struct Answered {
    data: Signed,
}

#[derive(Deserialize)]
struct Signed {
    signature: String,
    key_version: Option<u64>,
}

fn name(hash: Hash) -> &'static str {
    match hash {
        Hash::Sha256 => "sha2-256",
        Hash::Sha384 => "sha2-384",
        Hash::Sha512 => "sha2-512",
    }
}

fn no_digest() -> Failure {
    Failure::new(FailureKind::InvalidArgument, "the digest has another length than its hash")
}

fn lie(version: &Version, what: &str) -> Failure {
    let Version { name, number } = version;
    let message = format!("what the server answers for version {number} of {name} {what}");
    tracing::error!("{message}");

    Failure::new(FailureKind::Internal, message)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::vault::fuzz;

    fn version() -> Version {
        Version { name: "k".to_owned(), number: 2 }
    }

    #[test]
    fn every_request_names_the_version_and_has_an_input() {
        for (key_type, mechanism, input) in [
            (KeyType::EcP521, Mechanism::Ecdsa, vec![7; 64]),
            (KeyType::Ed25519, Mechanism::Ed25519, vec![]),
            (KeyType::Rsa2048, Mechanism::RsaPss(Hash::Sha384), vec![7; 48]),
        ] {
            let body = request(&version(), key_type, mechanism, &input).unwrap();

            assert_eq!(body["key_version"], 2);
            assert_eq!(body["input"], BASE64_STANDARD.encode(&input));
            assert!(body["prehashed"].is_boolean());
        }
    }

    #[test]
    fn an_answer_by_another_version_or_of_garbage_is_a_lie() {
        let answer = |signature: &str, number: u64| {
            json!({ "data": { "signature": signature, "key_version": number } }).to_string().into_bytes()
        };

        assert_eq!(signature(&version(), &answer("vault:v2:AQID", 2)).unwrap(), [1, 2, 3]);
        let without = br#"{"data":{"signature":"vault:v2:AQID"}}"#;
        assert_eq!(signature(&version(), without).unwrap(), [1, 2, 3]);
        for lie in [
            answer("vault:v1:AQID", 2),
            answer("vault:v2:AQID", 1),
            answer("vault:v22:AQID", 2),
            answer("vault:v2:***", 2),
            answer("AQID", 2),
            b"{}".to_vec(),
            b"<html>".to_vec(),
        ] {
            assert_eq!(signature(&version(), &lie).unwrap_err().kind, FailureKind::Internal);
        }
    }

    proptest! {
        #[test]
        fn a_signature_is_by_the_version_that_was_asked(
            bytes in any::<Vec<u8>>(),
            (asked, wrote, said) in (1..30_u64, 1..30_u64, proptest::option::of(1..30_u64)),
        ) {
            let encoded = format!("vault:v{wrote}:{}", BASE64_STANDARD.encode(&bytes));
            let body = json!({ "data": { "signature": encoded, "key_version": said } }).to_string().into_bytes();
            let version = Version { name: "k".to_owned(), number: asked };

            fuzz::answer(&body);
            let is_right = asked == wrote && said.is_none_or(|said| said == asked);
            prop_assert_eq!(signature(&version, &body).ok(), is_right.then_some(bytes));
        }
    }
}
