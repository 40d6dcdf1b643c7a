//! Somebody who issues JWTs, as a cluster does for its service accounts.

use std::time::{Duration, SystemTime};

use anyhow::{Context, Result};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

/// An issuer with one key.
#[derive(Debug)]
pub(crate) struct Issuer(EcdsaKeyPair);

impl Issuer {
    /// One with a new key.
    pub(crate) fn new() -> Result<Self> {
        let pair =
            EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).context("cannot make a key pair")?;

        Ok(Self(pair))
    }

    /// Its keys, as a JSON Web Key Set.
    pub(crate) fn keys(&self) -> String {
        let point = self.0.public_key().as_ref();
        let digits = |range: &[u8]| URL_SAFE_NO_PAD.encode(range);

        json!({ "keys": [{
            "kty": "EC", "crv": "P-256", "kid": KID, "use": "sig", "alg": "ES256",
            "x": digits(&point[1..33]), "y": digits(&point[33..]),
        }] })
        .to_string()
    }

    /// The lines of configuration that let the last tenant's service account in, where the keys are in `jwks.json`.
    pub(crate) fn configuration() -> String {
        format!(
            "[[tenant.caller]]\nname = \"service-account\"\njwt = {{ issuer = \"cluster\", subject = \"{SUBJECT}\" }}\n\n\
             [[tenant.caller.right]]\nmay = [\"sign\"]\nkeys = [\"*\"]\n\n\
             [[issuer]]\nname = \"cluster\"\nissuer = \"{ISSUER}\"\naudiences = [\"{AUDIENCE}\"]\njwks-file = \"jwks.json\"\n"
        )
    }

    /// A token of the service account, good for an hour, with what a cluster says in one.
    pub(crate) fn token(&self) -> Result<String> {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?;
        let uid = |digit: &str| [8, 4, 4, 4, 12].map(|length| digit.repeat(length)).join("-");
        let claims = json!({
            "iss": ISSUER, "aud": [AUDIENCE], "sub": SUBJECT, "jti": uid("1"),
            "iat": now.as_secs(), "nbf": now.as_secs(), "exp": (now + HOUR).as_secs(),
            "kubernetes.io": {
                "namespace": "spirl-system",
                "node": { "name": "node-1.cluster.local", "uid": uid("2") },
                "pod": { "name": "trust-domain-server-7c9f8b6d5-abcde", "uid": uid("3") },
                "serviceaccount": { "name": "trust-domain-server", "uid": uid("4") },
                "warnafter": (now + HOUR).as_secs(),
            },
        });
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let input = format!("{}.{}", part(&json!({ "alg": "ES256", "kid": KID })), part(&claims));

        let signature = self.0.sign(&SystemRandom::new(), input.as_bytes()).context("cannot sign")?;
        Ok(format!("{input}.{}", URL_SAFE_NO_PAD.encode(signature)))
    }
}

const AUDIENCE: &str = "https://kubernetes.default.svc.cluster.local";
const HOUR: Duration = Duration::from_secs(60 * 60);
const ISSUER: &str = "https://oidc.cluster.test/id/0123456789abcdef";
const KID: &str = "of-the-cluster";
const SUBJECT: &str = "system:serviceaccount:spirl-system:trust-domain-server";
