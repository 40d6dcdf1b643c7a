//! Keys of ML-DSA, from a caller's request to the service and back.

use aws_lc_rs::signature::{ML_DSA_44, ML_DSA_65, ML_DSA_87, PqdsaVerificationAlgorithm, UnparsedPublicKey};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use rustls_pki_types::SubjectPublicKeyInfoDer;
use rustls_pki_types::pem::PemObject;
use serde_json::json;

use super::{SECRET, Stage, client};
use crate::harness::{
    Hash,
    api::{Api, pem, text},
    entries, signature, token_of,
};

#[tokio::test(flavor = "multi_thread")]
async fn a_key_of_each_parameter_set_signs_a_message_that_others_verify() {
    let stage = Stage::set();
    let gateway = stage.start(SECRET).await;
    let api = Api(client(&gateway));

    for (key_type, alg, algorithm, length) in SETS {
        let key = api.create(key_type, key_type).await;
        let spki = SubjectPublicKeyInfoDer::from_pem_slice(pem(&key).as_bytes()).unwrap();
        assert_eq!(text(&key, "type"), key_type);

        for scheme in ["ml-dsa", alg] {
            let signed = api.ask_to_sign_with(key_type, scheme, b"hello").await;
            let signature = signature(signed.expect(200));

            assert_eq!(signature.len(), length);
            UnparsedPublicKey::new(algorithm, spki.as_ref()).verify(b"hello", &signature).unwrap();
            assert!(is_valid(&api, key_type, (scheme, b"hello"), &signature).await, "{scheme}");
            assert!(!is_valid(&api, key_type, (scheme, b"hullo"), &signature).await, "{scheme}");
        }
    }
    gateway.stop().await;

    let signed = entries(&stage.site.path("keyport-data"));
    let signed = signed.iter().filter(|entry| entry.is("sign", "ok") && entry.text("scheme") == "ml-dsa");
    assert_eq!(signed.count(), 2 * SETS.len());
    stage.every_call_is_in_the_policy();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_ml_dsa_does_not_sign_is_refused_in_words_that_help() {
    let stage = Stage::set();
    let gateway = stage.start(SECRET).await;
    let api = Api(client(&gateway));
    api.create("a", "ml-dsa-65").await;
    let heard = stage.service.count("Sign");

    let (message, long) = (BASE64_STANDARD.encode("hello"), BASE64_STANDARD.encode([7; 4097]));
    let digest = Hash::Sha512.base64(b"hello");
    for (body, word) in [
        (json!({ "digest": digest }), "a key of type ml-dsa-65 signs messages"),
        (json!({ "digest": digest, "scheme": "ml-dsa" }), "ml-dsa signs a message"),
        (json!({ "digest": digest, "scheme": "ML-DSA-65" }), "ml-dsa signs a message"),
        (json!({ "message": message, "scheme": "ES256" }), "this one is of type ml-dsa-65"),
        (json!({ "message": message, "scheme": "ML-DSA-87" }), "is for keys of type ml-dsa-87"),
        (json!({ "message": message, "scheme": "rsa-pss-sha256" }), "does not sign with rsa-pss(sha-256)"),
        (json!({ "message": long, "scheme": "ml-dsa" }), "has 4097 bytes, the provider signs at most 4096"),
    ] {
        let refused = api.0.post("/keys/a/sign", body.to_string()).await.expect(400).json();
        assert!(text(&refused, "error").contains(word), "{word}: {refused}");
    }
    assert_eq!(stage.service.count("Sign"), heard);

    let empty = json!({ "message": "", "scheme": "ml-dsa" }).to_string();
    let refused = api.0.post("/keys/a/sign", empty).await.expect(400).json();
    assert!(text(&refused, "error").contains("is empty, and this key's custodian signs none"), "{refused}");

    // Contract webhook signs digests alone: it makes no such keys, and says of one that is there what it is.
    let webhook = gateway.webhook(&token_of("acme"));
    let refused = webhook.ask_to_create("b", "ML-DSA-65").await.expect(400).text();
    assert!(refused.contains("must be one of EC-P256, EC-P384"), "{refused}");
    let refused = webhook.ask_to_sign("a", Hash::Sha256, b"hello").await.expect(400).text();
    assert!(refused.contains("a key of type ml-dsa-65 signs messages"), "{refused}");
}

/// What the gateway says of a signature.
async fn is_valid(api: &Api, name: &str, (scheme, message): (&str, &[u8]), signature: &[u8]) -> bool {
    let [message, signature] = [message, signature].map(|bytes| BASE64_STANDARD.encode(bytes));
    let what = json!({ "message": message, "scheme": scheme, "signature": signature });
    let answer = api.0.post(&format!("/keys/{name}/verify"), what.to_string()).await;

    answer.expect(200).json()["valid"] == true
}

/// Each set's name as a type of key and in JOSE, how it is verified, and the bytes of a signature (FIPS 204, table 2).
const SETS: [(&str, &str, &PqdsaVerificationAlgorithm, usize); 3] = [
    ("ml-dsa-44", "ML-DSA-44", &ML_DSA_44, 2420),
    ("ml-dsa-65", "ML-DSA-65", &ML_DSA_65, 3309),
    ("ml-dsa-87", "ML-DSA-87", &ML_DSA_87, 4627),
];
