//! A service account's own word for who it is: a JWT that it signs, and that Google's services take as an access token.
//!
//! No server is asked for it (AIP-4111), so nothing of it fails but the clock.

use std::time::Duration;

use keyport_core::Failure;
use keyport_core::outside::Timestamp;
use serde_json::{Map, json};

use super::file::Account;
use super::refused;
use crate::cloud::jwt::{Algorithm, Signer};

impl Account {
    /// A token for Cloud KMS alone, that is taken for [`LIFE`] from `now` on.
    pub(super) fn token(&self, now: Timestamp) -> Result<String, Failure> {
        // Clocks are never quite alike, and a token of the future is refused.
        let issued = (now.0 / 1000).saturating_sub(FUDGE);
        let header = Map::from_iter([("kid".to_owned(), self.private_key_id.clone().into())]);
        let claims = json!({
            "iss": self.client_email,
            "sub": self.client_email,
            "aud": AUDIENCE,
            "iat": issued,
            "exp": issued + LIFE.as_secs() + FUDGE,
        });

        let signer = Signer::read(self.private_key.expose()).ok_or_else(|| refused(NO_KEY))?;
        signer.token(Algorithm::Rs256, header, &claims)
    }
}

/// How long a token is taken.
pub(super) const LIFE: Duration = Duration::from_secs(3500);

const FUDGE: u64 = 10;
const AUDIENCE: &str = "https://cloudkms.googleapis.com/";
const NO_KEY: &str = "`private_key` is no RSA key of 2048 bits or more in PEM";
