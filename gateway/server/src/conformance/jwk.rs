//! Public halves as JSON Web Keys (RFC 7517), and the signatures of JOSE that they verify.

use aws_lc_rs::encoding::{AsBigEndian, EcPrivateKeyBin};
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED,
    ECDSA_P521_SHA512_FIXED, ED25519, EcdsaKeyPair, KeyPair, RSA_PKCS1_2048_8192_SHA256,
    RSA_PKCS1_2048_8192_SHA384, RSA_PKCS1_2048_8192_SHA512, RSA_PSS_2048_8192_SHA256,
    RSA_PSS_2048_8192_SHA384, RSA_PSS_2048_8192_SHA512, RsaParameters, RsaPublicKeyComponents,
    UnparsedPublicKey, VerificationAlgorithm,
};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use super::answer::text;
use super::case::{Verdict, ensure, failed, skipped};

/// How the signatures of one `alg` are verified (RFC 7518, section 3.1; RFC 8037).
#[derive(Clone, Copy, Debug)]
pub(super) enum Algorithm {
    /// A curve, the bytes of a coordinate, and what verifies r and s.
    Ecdsa(&'static str, usize, &'static dyn VerificationAlgorithm),
    Ed25519,
    Rsa(&'static RsaParameters),
}

impl Algorithm {
    /// Every one that a server may offer, the one that every server has first.
    pub(super) const ALL: [(&'static str, Self); 10] = [
        ("ES256", Self::Ecdsa("P-256", 32, &ECDSA_P256_SHA256_FIXED)),
        ("ES384", Self::Ecdsa("P-384", 48, &ECDSA_P384_SHA384_FIXED)),
        ("ES512", Self::Ecdsa("P-521", 66, &ECDSA_P521_SHA512_FIXED)),
        ("EdDSA", Self::Ed25519),
        ("RS256", Self::Rsa(&RSA_PKCS1_2048_8192_SHA256)),
        ("RS384", Self::Rsa(&RSA_PKCS1_2048_8192_SHA384)),
        ("RS512", Self::Rsa(&RSA_PKCS1_2048_8192_SHA512)),
        ("PS256", Self::Rsa(&RSA_PSS_2048_8192_SHA256)),
        ("PS384", Self::Rsa(&RSA_PSS_2048_8192_SHA384)),
        ("PS512", Self::Rsa(&RSA_PSS_2048_8192_SHA512)),
    ];

    /// That `signature` is the one of `message` by the key `jwk`, and as long as JOSE wants it.
    pub(super) fn verify(self, jwk: &Value, message: &[u8], signature: &[u8]) -> Verdict {
        let verified = match self {
            Self::Ecdsa(curve, length, algorithm) => {
                let expected = format!("r and s of {length} bytes each");
                ensure(signature.len() == 2 * length, &expected, hex::encode(signature))?;
                let point = point(jwk, (curve, length))?;
                UnparsedPublicKey::new(algorithm, point).verify(message, signature)
            }
            Self::Ed25519 => {
                ensure(text(jwk, "crv")? == "Ed25519", "the curve Ed25519", jwk.to_string())?;
                UnparsedPublicKey::new(&ED25519, bytes(jwk, "x")?).verify(message, signature)
            }
            Self::Rsa(parameters) => RsaPublicKeyComponents { n: bytes(jwk, "n")?, e: bytes(jwk, "e")? }
                .verify(parameters, message, signature),
        };

        let expected = "a signature of the message that the public half verifies";
        ensure(verified.is_ok(), expected, hex::encode(signature))
    }

    /// That `jwk` is of the type that signs so.
    pub(super) fn fits(self, jwk: &Value) -> Verdict {
        let wanted = match self {
            Self::Ecdsa(..) => "EC",
            Self::Ed25519 => "OKP",
            Self::Rsa(_) => "RSA",
        };
        ensure(text(jwk, "kty")? == wanted, &format!("the kty {wanted}"), jwk.to_string())?;

        match self {
            Self::Ecdsa(curve, length, _) => point(jwk, (curve, length)).map(|_| ()),
            Self::Ed25519 => bytes(jwk, "x").map(|_| ()),
            Self::Rsa(_) => {
                let modulus = bytes(jwk, "n")?.len();
                ensure(modulus >= 256, "a modulus of 2048 bits at least", format!("{modulus} bytes"))
            }
        }
    }
}

/// A new private key on P-256 (RFC 7518, section 6.2.2), for a server to take over.
pub(super) fn new_private() -> Verdict<Value> {
    let made = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING);
    let Ok(pair) = made else { return skipped("no private key can be made here") };
    let private: Result<EcPrivateKeyBin<'_>, _> = pair.private_key().as_be_bytes();
    let Ok(private) = private else { return skipped("no private key can be written here") };

    // The form of the point, x, and y (SEC 1, section 2.3.3).
    let coordinates = pair.public_key().as_ref().get(1..).unwrap_or_default();
    let (x, y) = coordinates.split_at_checked(32).unwrap_or_default();
    let [x, y, d] = [x, y, private.as_ref()].map(|bytes| URL_SAFE_NO_PAD.encode(bytes));
    Ok(json!({ "kty": "EC", "crv": "P-256", "x": x, "y": y, "d": d }))
}

/// Members that no public half has (RFC 7518, sections 6.2.2 and 6.3.2).
pub(super) const PRIVATE: [&str; 8] = ["d", "p", "q", "dp", "dq", "qi", "oth", "k"];

/// Base64url without padding, the one base64 of JOSE.
pub(super) fn url_base64(text: &str) -> Verdict<Vec<u8>> {
    URL_SAFE_NO_PAD
        .decode(text)
        .or_else(|error| failed("base64url without padding", format!("{text} ({error})")))
}

/// An uncompressed point (SEC 1, section 2.3.3).
fn point(jwk: &Value, (curve, length): (&str, usize)) -> Verdict<Vec<u8>> {
    ensure(text(jwk, "crv")? == curve, &format!("the curve {curve}"), jwk.to_string())?;

    let mut point = vec![4];
    for name in ["x", "y"] {
        let coordinate = bytes(jwk, name)?;
        let expected = format!("{length} bytes of {name}");
        ensure(coordinate.len() == length, &expected, format!("{}", coordinate.len()))?;
        point.extend(coordinate);
    }
    Ok(point)
}

fn bytes(jwk: &Value, member: &str) -> Verdict<Vec<u8>> {
    url_base64(text(jwk, member)?)
}
