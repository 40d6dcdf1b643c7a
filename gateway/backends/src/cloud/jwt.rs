//! JSON Web Tokens (RFC 7519) by which the gateway says who it is.

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{KeyPair, RSA_PKCS1_SHA256, RSA_PSS_SHA256, RsaEncoding, RsaKeyPair};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use keyport_core::{Failure, FailureKind};
use rustls_pki_types::PrivateKeyDer;
use rustls_pki_types::pem::PemObject;
use serde_json::{Map, Value};

/// What signs them: a private key of RSA.
#[derive(Debug)]
pub(crate) struct Signer(RsaKeyPair);

/// How they are signed (RFC 7518, section 3.1).
#[derive(Clone, Copy, Debug)]
pub(crate) enum Algorithm {
    /// RSASSA-PSS.
    Ps256,
    /// RSASSA-PKCS1-v1_5.
    Rs256,
}

impl Signer {
    /// The private key in `pem`; `None` where there is none, or it is not one of RSA of 2048 bits or more, unencrypted.
    pub(crate) fn read(pem: &[u8]) -> Option<Self> {
        let pair = match PrivateKeyDer::from_pem_slice(pem).ok()? {
            PrivateKeyDer::Pkcs1(key) => RsaKeyPair::from_der(key.secret_pkcs1_der()),
            PrivateKeyDer::Pkcs8(key) => RsaKeyPair::from_pkcs8(key.secret_pkcs8_der()),
            PrivateKeyDer::Sec1(_) | _ => return None,
        };

        pair.ok().map(Self)
    }

    /// Its public half, an RSAPublicKey (RFC 8017, appendix A.1.1).
    pub(crate) fn public(&self) -> &[u8] {
        self.0.public_key().as_ref()
    }

    /// A token that says `claims`, and in its header `header` beside what it is.
    pub(crate) fn token(
        &self,
        algorithm: Algorithm,
        header: Map<String, Value>,
        claims: &Value,
    ) -> Result<String, Failure> {
        let (name, encoding) = algorithm.named();
        let own = [("typ", "JWT"), ("alg", name)].map(|(field, text)| (field.to_owned(), text.into()));
        let header: Map<_, _> = header.into_iter().chain(own).collect();
        let signed = format!("{}.{}", part(&header.into()), part(claims));

        let mut signature = vec![0; self.0.public_modulus_len()];
        self.0
            .sign(encoding, &SystemRandom::new(), signed.as_bytes(), &mut signature)
            .map_err(|_unspecified| Failure::new(FailureKind::Internal, "a token could not be signed"))?;
        Ok(format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature)))
    }
}

impl Algorithm {
    fn named(self) -> (&'static str, &'static dyn RsaEncoding) {
        match self {
            Self::Ps256 => ("PS256", &RSA_PSS_SHA256),
            Self::Rs256 => ("RS256", &RSA_PKCS1_SHA256),
        }
    }
}

fn part(value: &Value) -> String {
    URL_SAFE_NO_PAD.encode(value.to_string())
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
    use aws_lc_rs::rsa::KeySize;
    use aws_lc_rs::signature::{
        ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, RSA_PKCS1_2048_8192_SHA256, RSA_PSS_2048_8192_SHA256,
        RsaParameters, UnparsedPublicKey,
    };
    use base64::prelude::BASE64_STANDARD;
    use serde_json::json;

    use super::*;

    fn pem(kind: &str, der: &[u8]) -> String {
        format!("-----BEGIN {kind}-----\n{}\n-----END {kind}-----\n", BASE64_STANDARD.encode(der))
    }

    #[test]
    fn a_token_says_how_it_is_signed_and_is() {
        let pair = RsaKeyPair::generate(KeySize::Rsa2048).unwrap();
        let der: Pkcs8V1Der<'_> = pair.as_der().unwrap();
        let signer = Signer::read(pem("PRIVATE KEY", der.as_ref()).as_bytes()).unwrap();
        let header = Map::from_iter([("kid".to_owned(), "k".into()), ("alg".to_owned(), "none".into())]);

        let cases: [(_, _, &RsaParameters); 2] = [
            (Algorithm::Ps256, "PS256", &RSA_PSS_2048_8192_SHA256),
            (Algorithm::Rs256, "RS256", &RSA_PKCS1_2048_8192_SHA256),
        ];
        for (algorithm, name, parameters) in cases {
            let token = signer.token(algorithm, header.clone(), &json!({ "iss": "me" })).unwrap();

            let (signed, signature) = token.rsplit_once('.').unwrap();
            let signature = URL_SAFE_NO_PAD.decode(signature).unwrap();
            let public = UnparsedPublicKey::new(parameters, signer.public());
            public.verify(signed.as_bytes(), &signature).unwrap();
            let parts = signed.split('.').map(|part| URL_SAFE_NO_PAD.decode(part).unwrap());
            let parts: Vec<Value> = parts.map(|part| serde_json::from_slice(&part).unwrap()).collect();
            assert_eq!(parts, [json!({ "alg": name, "kid": "k", "typ": "JWT" }), json!({ "iss": "me" })]);
        }
    }

    #[test]
    fn what_is_no_rsa_key_signs_nothing() {
        let random = SystemRandom::new();
        let curve = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &random).unwrap();

        for text in ["", "PRIVATE KEY", &pem("PRIVATE KEY", curve.as_ref()), &pem("PRIVATE KEY", b"junk")] {
            assert!(Signer::read(text.as_bytes()).is_none(), "{text}");
        }
    }
}
