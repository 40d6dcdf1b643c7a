//! A service account's own word for who it is: a JWT that it signs, and that Google's services take as an access token.
//!
//! No server is asked for it (AIP-4111), so nothing of it fails but the clock.

use std::time::Duration;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{RSA_PKCS1_SHA256, RsaKeyPair};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use keyport_core::outside::Timestamp;
use rustls_pki_types::PrivatePkcs8KeyDer;
use rustls_pki_types::pem::PemObject;
use serde_json::{Value, json};

/// What signs for a service account.
pub(super) struct Signer<'a> {
    /// Its name.
    pub(super) email: &'a str,
    /// Which of its keys it is.
    pub(super) key_id: &'a str,
    /// The key: PKCS#8, PEM.
    pub(super) key: &'a [u8],
}

impl Signer<'_> {
    /// A token for Cloud KMS alone, that is taken for [`LIFE`] from `now` on.
    pub(super) fn token(&self, now: Timestamp) -> Result<String, &'static str> {
        // Clocks are never quite alike, and a token of the future is refused.
        let issued = (now.0 / 1000).saturating_sub(FUDGE);
        let header = json!({ "alg": "RS256", "typ": "JWT", "kid": self.key_id });
        let claims = json!({
            "iss": self.email,
            "sub": self.email,
            "aud": AUDIENCE,
            "iat": issued,
            "exp": issued + LIFE.as_secs() + FUDGE,
        });
        let signed = format!("{}.{}", part(&header), part(&claims));

        let key = PrivatePkcs8KeyDer::from_pem_slice(self.key).map_err(|_bad| NO_KEY)?;
        let key = RsaKeyPair::from_pkcs8(key.secret_pkcs8_der()).map_err(|_bad| NO_KEY)?;
        let mut signature = vec![0; key.public_modulus_len()];
        key.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), signed.as_bytes(), &mut signature)
            .map_err(|_unspecified| "the service account's key does not sign")?;
        Ok(format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature)))
    }
}

fn part(value: &Value) -> String {
    URL_SAFE_NO_PAD.encode(value.to_string())
}

/// How long a token is taken.
pub(super) const LIFE: Duration = Duration::from_secs(3500);

const FUDGE: u64 = 10;
const AUDIENCE: &str = "https://cloudkms.googleapis.com/";
const NO_KEY: &str = "`private_key` is no RSA key in PKCS#8, PEM";
