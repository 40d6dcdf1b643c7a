//! Tokens that must be refused, and issuers on bad days.

use std::time::Duration;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    Ed25519KeyPair, KeyPair, RSA_PKCS1_SHA256, RSA_PKCS1_SHA512, RSA_PSS_SHA256, RsaEncoding, RsaKeyPair,
};
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use jsonwebtoken::{EncodingKey, Header, encode};
use keyport_core::outside::Timestamp;
use proptest::prelude::*;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::runtime::Handle;

use super::super::testing::{
    ISSUER, PAUSE, SUBJECT, Server, Signer, TIMEOUT, caller, claims, claims_with, issuer, key_set, who,
};
use super::super::{Authenticator, Credentials, Parts};
use super::*;
use crate::outside::outside;
use crate::peer::Peer;

fn spire(claims: &[(&str, &str)]) -> Credentials {
    let claims = claims.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let subject = Subject { issuer: 0, subject: SUBJECT.to_owned(), claims };

    Credentials { jwt: Some(subject), ..Credentials::of_tokens(caller("spire"), Vec::new()) }
}

fn authenticator(issuers: Vec<Issuer>) -> Authenticator {
    let callers = vec![spire(&[("/kubernetes.io/namespace", "spire")])];

    Authenticator::new(Parts { callers, issuers, ..Parts::default() }, None, outside(Handle::current()))
}

/// With keys that are in a file of the folder.
async fn with_file(folder: &TempDir, keys: &str) -> Authenticator {
    let file = folder.path().join("keys.json");
    std::fs::write(&file, keys).unwrap();
    let authenticator = authenticator(vec![issuer(KeySource::File(file))]);
    fetched(&authenticator).await;
    authenticator
}

/// Waits until the first attempt to fetch keys is over.
async fn fetched(authenticator: &Authenticator) {
    let issuers = &authenticator.issuers;
    issuers.issuers[0].working.look_again(issuers.outside.clock.now() + Duration::from_secs(20)).await;
}

async fn ask(authenticator: &Authenticator, token: &str) -> Result<String, Denial> {
    who(authenticator, &[("authorization", &format!("Bearer {token}"))], Peer::default()).await
}

fn unsigned(header: &Value, claims: &Value, signature: &str) -> String {
    let part = |json: &Value| BASE64_URL_SAFE_NO_PAD.encode(json.to_string());

    format!("{}.{}.{signature}", part(header), part(claims))
}

#[tokio::test]
async fn a_good_token_is_its_subjects() {
    let (folder, signer) = (TempDir::new().unwrap(), Signer::new("a"));
    let authenticator = with_file(&folder, &key_set(&[&signer])).await;

    assert_eq!(ask(&authenticator, &signer.sign(&claims())).await.unwrap(), "spire");
    let without_key_id = signer.sign_as(None, &claims_with("aud", "keyport"));
    assert_eq!(ask(&authenticator, &without_key_id).await.unwrap(), "spire");
}

#[tokio::test(start_paused = true)]
async fn issuers_sign_with_rsa_and_ed25519_too_but_only_as_they_may() {
    let (folder, random) = (TempDir::new().unwrap(), SystemRandom::new());
    let rsa = RsaKeyPair::generate(KeySize::Rsa2048).unwrap();
    let ed25519 = Ed25519KeyPair::generate().unwrap();
    let digits = |bytes: &[u8]| BASE64_URL_SAFE_NO_PAD.encode(bytes);
    let keys = json!({ "keys": [
        { "kty": "RSA", "kid": "rsa", "n": digits(rsa.public_key().modulus().big_endian_without_leading_zero()),
          "e": digits(rsa.public_key().exponent().big_endian_without_leading_zero()) },
        { "kty": "OKP", "crv": "Ed25519", "kid": "ed25519", "x": digits(ed25519.public_key().as_ref()) },
    ] });
    let authenticator = with_file(&folder, &keys.to_string()).await;
    let by_rsa = |algorithm: &str, key: &str, padding: &'static dyn RsaEncoding| {
        let message = unsigned(&json!({ "alg": algorithm, "kid": key }), &claims(), "");
        let message = message.trim_end_matches('.');
        let mut signature = vec![0; rsa.public_modulus_len()];
        rsa.sign(padding, &random, message.as_bytes(), &mut signature).unwrap();
        format!("{message}.{}", digits(&signature))
    };

    assert_eq!(ask(&authenticator, &by_rsa("RS256", "rsa", &RSA_PKCS1_SHA256)).await.unwrap(), "spire");
    let message = unsigned(&json!({ "alg": "EdDSA", "kid": "ed25519" }), &claims(), "");
    let message = message.trim_end_matches('.');
    let signature = digits(ed25519.sign(message.as_bytes()).as_ref());
    assert_eq!(ask(&authenticator, &format!("{message}.{signature}")).await.unwrap(), "spire");
    for (token, denial) in [
        (by_rsa("RS512", "rsa", &RSA_PKCS1_SHA512), Denial::WrongAlgorithm),
        (by_rsa("RS256", "rsa", &RSA_PSS_SHA256), Denial::BadSignature),
        (by_rsa("RS256", "ed25519", &RSA_PKCS1_SHA256), Denial::UnknownKey),
        (by_rsa("EdDSA", "rsa", &RSA_PKCS1_SHA256), Denial::UnknownKey),
    ] {
        assert_eq!(ask(&authenticator, &token).await, Err(denial), "{token}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_token_that_says_something_else_is_refused_for_it() {
    let (folder, signer) = (TempDir::new().unwrap(), Signer::new("a"));
    let authenticator = with_file(&folder, &key_set(&[&signer])).await;
    let now = claims()["iat"].as_u64().unwrap();

    for (claims, denial) in [
        (claims_with("iss", "https://other.test"), Denial::UnknownIssuer),
        (claims_with("aud", "somebody-else"), Denial::WrongAudience),
        (claims_with("aud", json!([])), Denial::WrongAudience),
        (claims_with("aud", Value::Null), Denial::WrongAudience),
        (claims_with("exp", now - 60), Denial::Expired),
        (claims_with("exp", Value::Null), Denial::Malformed),
        (claims_with("nbf", now + 60), Denial::NotYetValid),
        (claims_with("iat", now + 3600), Denial::NotYetValid),
        (claims_with("sub", "system:serviceaccount:spire:agent"), Denial::UnknownSubject),
        (claims_with("sub", 7), Denial::Malformed),
        (claims_with("kubernetes.io", json!({ "namespace": "other" })), Denial::UnknownSubject),
        (claims_with("padding", "x".repeat(8 * 1024)), Denial::TooLong),
        (claims_with("iss", Value::Null), Denial::Malformed),
    ] {
        assert_eq!(ask(&authenticator, &signer.sign(&claims)).await, Err(denial), "{claims}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_token_that_is_not_the_issuers_is_refused() {
    let (folder, signer, stranger) = (TempDir::new().unwrap(), Signer::new("a"), Signer::new("a"));
    let authenticator = with_file(&folder, &key_set(&[&signer])).await;
    let good = signer.sign(&claims());
    let (signed, signature) = good.rsplit_once('.').unwrap();
    let es256 = json!({ "alg": "ES256", "kid": "a" });
    let hs256 = Header { kid: Some("a".to_owned()), ..Header::new(Algorithm::HS256) };
    let with_public_key = encode(&hs256, &claims(), &EncodingKey::from_secret(signer.public())).unwrap();

    for (token, denial) in [
        (stranger.sign(&claims()), Denial::BadSignature),
        (signer.sign_as(Some("b"), &claims()), Denial::UnknownKey),
        (unsigned(&json!({ "alg": "none" }), &claims(), ""), Denial::WrongAlgorithm),
        (unsigned(&json!({ "alg": "None", "kid": "a" }), &claims(), signature), Denial::WrongAlgorithm),
        (with_public_key, Denial::WrongAlgorithm),
        (unsigned(&json!({ "alg": "ES384", "kid": "a" }), &claims(), signature), Denial::WrongAlgorithm),
        (unsigned(&json!({ "alg": "RS256", "kid": "a" }), &claims(), signature), Denial::UnknownKey),
        (unsigned(&es256, &claims_with("sub", "root"), signature), Denial::BadSignature),
        (unsigned(&es256, &claims(), ""), Denial::BadSignature),
        (unsigned(&json!({ "alg": "ES256", "crit": ["b64"] }), &claims(), signature), Denial::Malformed),
        (format!("{signed}.!"), Denial::BadSignature),
        ("eyJ..".to_owned(), Denial::Malformed),
        (format!("{good}.more"), Denial::UnknownToken),
    ] {
        assert_eq!(ask(&authenticator, &token).await, Err(denial), "{token}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_token_must_name_its_key_where_there_are_several() {
    let (folder, one, other) = (TempDir::new().unwrap(), Signer::new("a"), Signer::new("b"));
    let authenticator = with_file(&folder, &key_set(&[&one, &other])).await;

    assert_eq!(ask(&authenticator, &other.sign(&claims())).await.unwrap(), "spire");
    assert_eq!(ask(&authenticator, &other.sign_as(None, &claims())).await, Err(Denial::KeyNotNamed));
}

#[tokio::test(start_paused = true)]
async fn a_key_for_something_else_signs_nothing() {
    let (folder, signer) = (TempDir::new().unwrap(), Signer::new("a"));
    let spoiled = |name: &str, value: Value| {
        let mut key = signer.jwk();
        key[name] = value;
        key
    };
    let other = Signer::new("other").jwk();

    for key in [spoiled("use", json!("enc")), spoiled("alg", json!("ES512")), spoiled("kty", json!("XY"))] {
        let authenticator = with_file(&folder, &json!({ "keys": [key, other] }).to_string()).await;
        assert_eq!(ask(&authenticator, &signer.sign(&claims())).await, Err(Denial::UnknownKey), "{key}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_token_that_was_seen_is_good_no_longer_than_it_says() {
    let (folder, signer) = (TempDir::new().unwrap(), Signer::new("a"));
    let authenticator = with_file(&folder, &key_set(&[&signer])).await;
    let token = signer.sign(&claims());
    let until = Timestamp(claims()["exp"].as_u64().unwrap() * 1000);

    ask(&authenticator, &token).await.unwrap();
    ask(&authenticator, &token).await.unwrap();
    let (issuers, digest) = (&authenticator.issuers, super::super::tests::hash(&token));
    assert_eq!(issuers.seen.len(), 1);
    assert!(issuers.seen.get(&digest, Timestamp(until.0 - 1)).is_some());
    assert!(issuers.seen.get(&digest, until).is_none());
    assert_eq!(issuers.seen.len(), 0);
}

#[tokio::test]
async fn what_was_seen_is_bounded() {
    let seen = SeenTokens::new(NonZeroUsize::new(4).unwrap());
    let known = Arc::new(Known { caller: caller("a"), require: Default::default() });
    for token in 0..100 {
        let entry = Seen {
            known: Arc::clone(&known),
            issuer: 0,
            generation: Default::default(),
            until: Timestamp(1),
        };
        seen.remember([token; 32], entry);
    }

    assert_eq!(seen.len(), 4);
}

#[tokio::test]
async fn a_new_key_is_fetched_once_and_a_key_that_is_gone_signs_no_more() {
    let (old, new) = (Signer::new("old"), Signer::new("new"));
    let server = Server::new(&key_set(&[&old])).await;
    let authenticator = authenticator(vec![issuer(KeySource::Url(server.remote()))]);
    fetched(&authenticator).await;
    let (before, after) = (old.sign(&claims()), new.sign(&claims()));
    ask(&authenticator, &before).await.unwrap();

    server.publish(&key_set(&[&new]));
    assert_eq!(ask(&authenticator, &after).await, Err(Denial::UnknownKey), "asked a moment ago");
    assert_eq!(server.asked(), 1);
    tokio::time::sleep(PAUSE).await;
    assert_eq!(ask(&authenticator, &after).await.unwrap(), "spire");
    assert_eq!(server.asked(), 2);
    assert_eq!(ask(&authenticator, &before).await, Err(Denial::UnknownKey), "though it was seen");
}

#[tokio::test]
async fn a_flood_of_unknown_keys_is_one_request_now_and_then() {
    let signer = Signer::new("a");
    let server = Server::new(&key_set(&[&signer])).await;
    let authenticator = authenticator(vec![issuer(KeySource::Url(server.remote()))]);
    fetched(&authenticator).await;
    tokio::time::sleep(PAUSE).await;

    let begin = authenticator.outside.clock.now();
    for id in 0..15 {
        let token = signer.sign_as(Some(&format!("unknown-{id}")), &claims());
        assert_eq!(ask(&authenticator, &token).await, Err(Denial::UnknownKey));
    }
    let took = authenticator.outside.clock.now().duration_since(begin);
    let most = took.as_millis() / PAUSE.as_millis() + 3;
    assert!(server.asked() <= usize::try_from(most).unwrap(), "{} in {took:?}", server.asked());
    assert_eq!(ask(&authenticator, &signer.sign(&claims())).await.unwrap(), "spire");
}

#[tokio::test]
async fn keys_that_cannot_be_fetched_stay_good_for_a_while() {
    let signer = Signer::new("a");
    let server = Server::new(&key_set(&[&signer])).await;
    let stale = 5 * PAUSE;
    let settings = Issuer { refresh: PAUSE, stale, ..issuer(KeySource::Url(server.remote())) };
    let authenticator = authenticator(vec![settings]);
    fetched(&authenticator).await;
    let token = signer.sign(&claims());
    ask(&authenticator, &token).await.unwrap();

    server.say(Some("HTTP/1.1 500 Oh\r\nContent-Length: 0\r\n\r\n".to_owned()));
    tokio::time::sleep(2 * PAUSE).await;
    assert_eq!(ask(&authenticator, &token).await.unwrap(), "spire");
    assert!(server.asked() > 1);
    tokio::time::sleep(stale).await;
    assert_eq!(ask(&authenticator, &token).await, Err(Denial::KeysUnavailable));
}

#[tokio::test]
async fn an_endpoint_that_misbehaves_gives_no_keys_and_takes_no_more_than_its_time() {
    let signer = Signer::new("a");
    let elsewhere = Server::new(&key_set(&[&signer])).await;
    let location = format!("http://{}/keys", elsewhere.remote());
    let server = Server::new("").await;

    for answer in [
        None,
        Some(String::new()),
        Some(format!("HTTP/1.1 302 Found\r\nLocation: {location}\r\nContent-Length: 0\r\n\r\n")),
        Some("HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\ngarbage".to_owned()),
        Some("HTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\n{\"keys\":[]}".to_owned()),
        Some("HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{\"keys\":[".to_owned()),
        Some(format!("HTTP/1.1 200 OK\r\n\r\n{}", " ".repeat(1024 * 1024))),
        Some("SSH-2.0-OpenSSH_9.9\r\n".to_owned()),
    ] {
        server.say(answer.clone());
        let authenticator = authenticator(vec![issuer(KeySource::Url(server.remote()))]);
        let begin = authenticator.outside.clock.now();

        let denied = ask(&authenticator, &signer.sign(&claims())).await;
        assert_eq!(denied, Err(Denial::KeysUnavailable), "{answer:?}");
        let took = authenticator.outside.clock.now().duration_since(begin);
        assert!(took <= 3 * TIMEOUT, "{took:?} for {answer:?}");
    }
    assert_eq!(elsewhere.asked(), 0, "a redirect was followed");
}

#[tokio::test]
async fn an_issuer_that_stays_the_same_keeps_its_keys() {
    let signer = Signer::new("a");
    let server = Server::new(&key_set(&[&signer])).await;
    let settings = issuer(KeySource::Url(server.remote()));
    let before = authenticator(vec![settings.clone()]);
    fetched(&before).await;
    server.say(None);
    let after = |settings: Issuer| {
        let parts = Parts { callers: vec![spire(&[])], issuers: vec![settings], ..Parts::default() };
        Authenticator::new(parts, Some(&before), outside(Handle::current()))
    };
    let (same, changed) =
        (after(settings.clone()), after(Issuer { audiences: vec!["other".to_owned()], ..settings }));
    drop(before);

    let token = signer.sign(&claims());
    assert_eq!(ask(&same, &token).await.unwrap(), "spire");
    assert_eq!(ask(&changed, &token).await, Err(Denial::KeysUnavailable));
}

#[tokio::test]
async fn a_cluster_says_itself_who_it_is() {
    let signer = Signer::new("a");
    let document = json!({
        "issuer": ISSUER,
        "jwks_uri": "https://10.0.0.1:6443/openid/v1/jwks",
        "keys": [signer.jwk()],
    });
    let server = Server::new(&document.to_string()).await;
    let cluster = |name: Option<&str>| Issuer {
        issuer: name.map(str::to_owned),
        ..issuer(KeySource::Kubernetes(server.remote()))
    };
    let token = signer.sign(&claims());

    assert_eq!(ask(&authenticator(vec![cluster(None)]), &token).await.unwrap(), "spire");
    assert_eq!(ask(&authenticator(vec![cluster(Some(ISSUER))]), &token).await.unwrap(), "spire");
    let another = authenticator(vec![cluster(Some("https://other.test"))]);
    assert_eq!(ask(&another, &token).await, Err(Denial::UnknownIssuer));
    let misnamed = signer.sign(&claims_with("iss", "https://other.test"));
    assert_eq!(ask(&another, &misnamed).await, Err(Denial::KeysUnavailable));
}

#[tokio::test]
async fn clusters_of_one_name_are_told_apart_by_their_keys() {
    let (one, other) = (Signer::new("a"), Signer::new("a"));
    let servers = [Server::new(&key_set(&[&one])).await, Server::new(&key_set(&[&other])).await];
    let settings = |server: &Server| Issuer { refresh: PAUSE, ..issuer(KeySource::Url(server.remote())) };
    let authenticator = authenticator(servers.each_ref().map(settings).into());
    fetched(&authenticator).await;
    let (ours, theirs) = (one.sign(&claims()), other.sign(&claims()));

    assert_eq!(ask(&authenticator, &ours).await.unwrap(), "spire");
    assert_eq!(ask(&authenticator, &theirs).await, Err(Denial::UnknownSubject), "of the other cluster");
    servers[1].publish(&key_set(&[&one]));
    tokio::time::sleep(3 * PAUSE).await;
    let fresh = one.sign(&claims_with("jti", "another"));
    assert_eq!(ask(&authenticator, &fresh).await, Err(Denial::Ambiguous), "one key, two issuers");
}

proptest! {
    #[test]
    fn no_token_panics(token in "eyJ[A-Za-z0-9_-]{0,60}[.][A-Za-z0-9_-]{0,60}[.][A-Za-z0-9_-]{0,20}") {
        prop_assert!(Token::is_likely(token.as_bytes()));
        prop_assert!(Token::read(token.as_bytes()).is_err());
    }

    #[test]
    fn no_document_panics(document in proptest::collection::vec(any::<u8>(), 0..200)) {
        prop_assert!(keys::KeySet::parse(&document).is_err());
    }
}
