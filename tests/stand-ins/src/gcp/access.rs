//! Who may call the stand-in: a service account by what it signs, and whoever has a token that its own endpoints gave out.

use std::collections::HashSet;
use std::sync::{Mutex, OnceLock};
use std::time::{Duration, SystemTime};

use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{KeyPair, RSA_PKCS1_2048_8192_SHA256, RsaKeyPair, UnparsedPublicKey};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use super::key::pem;
use crate::{Asked, wall};

/// Tokens that were given out, and what new ones are.
#[derive(Debug)]
pub struct Access {
    given: Mutex<HashSet<String>>,
    next: Mutex<u32>,
    /// How long the next one lives.
    pub life: Mutex<Duration>,
}

impl Default for Access {
    fn default() -> Self {
        Self { given: Mutex::default(), next: Mutex::default(), life: Mutex::new(Duration::from_secs(3600)) }
    }
}

impl Access {
    /// Whether this may call the service.
    pub(super) fn admits(&self, asked: &Asked) -> bool {
        let Some(token) = asked.header("authorization").strip_prefix("Bearer ") else { return false };

        self.given.lock().unwrap().contains(token) || is_signed(token).is_some()
    }

    /// From now on nothing that was given out is taken.
    pub fn revoke(&self) {
        self.given.lock().unwrap().clear();
    }

    /// From now on this is taken, too, which somebody else gave out.
    pub fn admit(&self, token: &str) {
        self.given.lock().unwrap().insert(token.to_owned());
    }

    /// The answer of an endpoint that gives out tokens; `None` where it is none.
    pub(super) fn endpoint(&self, asked: &Asked) -> Option<Result<Value, (u16, Value)>> {
        let right = match (asked.method.as_str(), asked.path.as_str()) {
            ("GET", "/computeMetadata/v1/instance/service-accounts/default/token") => {
                asked.header("metadata-flavor") == "Google"
            }
            ("POST", "/token") => {
                asked.form("grant_type") == "refresh_token"
                    && asked.form("client_id") == "client"
                    && asked.form("client_secret") == "s3cr3t"
                    && asked.form("refresh_token") == "r3fresh"
            }
            ("POST", "/sts") => {
                asked.form("grant_type") == "urn:ietf:params:oauth:grant-type:token-exchange"
                    && asked.form("subject_token") == SUBJECT
                    && asked.form("audience") == "//iam.googleapis.com/pool"
            }
            ("POST", "/impersonate:generateAccessToken") => return Some(self.impersonate(asked)),
            ("GET", "/subject") => return Some(Ok(json!({ "value": SUBJECT }))),
            _ => return None,
        };

        Some(if right {
            let life = self.life.lock().unwrap().as_secs();
            Ok(json!({ "access_token": self.give(), "expires_in": life, "token_type": "Bearer" }))
        } else {
            Err((400, json!({ "error": "invalid_grant", "error_description": "s3cr3t is wrong" })))
        })
    }

    fn impersonate(&self, asked: &Asked) -> Result<Value, (u16, Value)> {
        let body: Value = serde_json::from_slice(&asked.body).unwrap_or_default();
        if !self.admits(asked) || body["scope"][0] != "https://www.googleapis.com/auth/cloudkms" {
            return Err((403, json!({ "error": { "code": 403, "status": "PERMISSION_DENIED" } })));
        }

        // The token that it was had for is no token for the service.
        self.revoke();
        Ok(json!({ "accessToken": self.give(), "expireTime": "2100-01-01T00:00:00Z" }))
    }

    fn give(&self) -> String {
        let mut next = self.next.lock().unwrap();
        *next += 1;
        let token = format!("ya29.a0AS3H6N{next}");
        self.given.lock().unwrap().insert(token.clone());

        token
    }
}

/// What a service account's own JWT claims, if it is one and its time is now (AIP-4111).
fn is_signed(token: &str) -> Option<Value> {
    let (signed, signature) = token.rsplit_once('.')?;
    let (header, claims) = signed.split_once('.')?;
    let part = |text: &str| -> Option<Value> {
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(text.trim_end_matches('=')).ok()?).ok()
    };
    let (header, claims) = (part(header)?, part(claims)?);

    let public = account().public_key().as_ref();
    let signature = URL_SAFE_NO_PAD.decode(signature.trim_end_matches('=')).ok()?;
    UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, public).verify(signed.as_bytes(), &signature).ok()?;
    let (issued, expires) = (claims["iat"].as_u64()?, claims["exp"].as_u64()?);
    let is_now = issued <= seconds() && seconds() < expires && expires - issued <= 3600;
    let is_its =
        header["alg"] == "RS256" && header["kid"] == "k1" && claims["iss"] == EMAIL && claims["sub"] == EMAIL;
    let is_ours = claims["aud"] == "https://cloudkms.googleapis.com/";

    (is_now && is_its && is_ours).then_some(claims)
}

fn seconds() -> u64 {
    wall().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs()
}

/// The key file of the service account.
#[must_use]
pub fn key_file() -> Value {
    let der: Pkcs8V1Der<'_> = account().as_der().unwrap();

    json!({
        "type": "service_account",
        "project_id": "acme",
        "client_email": EMAIL,
        "client_id": "1",
        "private_key_id": "k1",
        "private_key": pem("PRIVATE KEY", der.as_ref()),
        "token_uri": "https://oauth2.googleapis.com/token",
    })
}

fn account() -> &'static RsaKeyPair {
    static ACCOUNT: OnceLock<RsaKeyPair> = OnceLock::new();

    ACCOUNT.get_or_init(|| RsaKeyPair::generate(KeySize::Rsa2048).unwrap())
}

const EMAIL: &str = "gateway@acme.iam.gserviceaccount.com";
/// What another identity provider gave a workload.
pub const SUBJECT: &str = "subj3ct";
