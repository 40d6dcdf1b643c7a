//! Bearer tokens: random, shown once, and known to the gateway only by their SHA-256.

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use keyport_core::outside::Random;
use zeroize::Zeroizing;

/// A bearer token. Never printed, but by [`Token::expose`].
pub(crate) struct Token(Zeroizing<String>);

impl Token {
    /// A new one: `kp_` and 32 random bytes in base64url, so that a scanner for secrets knows it.
    pub(crate) fn random(random: &dyn Random) -> Self {
        let mut bytes = Zeroizing::new([0; 32]);
        random.fill(bytes.as_mut_slice());

        Self(Zeroizing::new(format!("{PREFIX}{}", BASE64_URL_SAFE_NO_PAD.encode(bytes.as_slice()))))
    }

    /// One that was made before: `kp_` and 43 base64url digits, white space around it aside.
    pub(crate) fn from_text(text: &str) -> Option<Self> {
        let token = text.trim();
        let bytes = BASE64_URL_SAFE_NO_PAD.decode(token.strip_prefix(PREFIX)?).map(Zeroizing::new).ok()?;

        (bytes.len() == 32).then(|| Self(Zeroizing::new(token.to_owned())))
    }

    /// The token, for the one who is to use it.
    pub(crate) fn expose(&self) -> &str {
        &self.0
    }

    /// What the configuration has of it: `sha256:` and 64 hexadecimal digits.
    pub(crate) fn fingerprint(&self) -> String {
        format!("sha256:{}", hex::encode(digest(&SHA256, self.0.as_bytes())))
    }
}

impl std::fmt::Debug for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Token(…)")
    }
}

const PREFIX: &str = "kp_";

#[cfg(test)]
mod tests {
    use keyport_core::outside::Random;

    use super::*;

    #[derive(Debug)]
    struct Fixed(u8);

    impl Random for Fixed {
        fn fill(&self, bytes: &mut [u8]) {
            bytes.fill(self.0);
        }
    }

    #[test]
    fn a_token_is_read_back_and_never_printed() {
        let token = Token::random(&Fixed(7));

        assert_eq!(token.expose().len(), 46);
        assert_eq!(Token::from_text(&format!("{}\n", token.expose())).unwrap().expose(), token.expose());
        assert!(!format!("{token:?}").contains("Bwc"));
    }

    #[test]
    fn a_fingerprint_is_what_sha256sum_prints() {
        // printf %s kp_BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc | sha256sum
        let token = Token::random(&Fixed(7));

        assert_eq!(token.expose(), "kp_BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc");
        assert_eq!(
            token.fingerprint(),
            "sha256:c9c2119eedf50a381f100577df4ce627107ef1d4841e92c25e3bf92d99652af3"
        );
    }

    #[test]
    fn what_is_no_token_is_refused() {
        for text in ["", "kp_", "hunter2", "kp_short", "kp_BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBw="] {
            assert!(Token::from_text(text).is_none(), "{text}");
        }
    }
}
