//! Keys of the stand-in, which sign as Google's documentation says.

use std::sync::Arc;

use aws_lc_rs::digest::{Algorithm, Digest, SHA256, SHA384, SHA512};
use aws_lc_rs::encoding::AsDer;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1_SIGNING, ECDSA_P256K1_SHA256_ASN1_SIGNING, ECDSA_P384_SHA384_ASN1_SIGNING,
    EcdsaKeyPair, Ed25519KeyPair, KeyPair, ML_DSA_44_SIGNING, ML_DSA_65_SIGNING, ML_DSA_87_SIGNING,
    PqdsaKeyPair, RSA_PKCS1_SHA256, RSA_PKCS1_SHA384, RSA_PKCS1_SHA512, RSA_PSS_SHA256, RSA_PSS_SHA512,
    RsaEncoding, RsaKeyPair,
};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

/// A key with its one version.
#[derive(Clone, Debug)]
pub struct Key {
    /// As Google calls it.
    pub algorithm: String,
    /// As Google calls it.
    pub state: &'static str,
    /// As it was asked for.
    pub described: Value,
    /// How often it is still looked at before it is ready.
    pub pending: u32,
    pair: Arc<Pair>,
}

#[derive(Debug)]
enum Pair {
    Ec(EcdsaKeyPair),
    Ed25519(Ed25519KeyPair),
    MlDsa(PqdsaKeyPair),
    Rsa(RsaKeyPair),
}

impl Key {
    /// `None` where no key has such an algorithm.
    pub fn new(algorithm: &str, described: Value, pending: u32) -> Option<Self> {
        let state = if pending == 0 { "ENABLED" } else { "PENDING_GENERATION" };

        let (algorithm, pair) = (algorithm.to_owned(), Arc::new(pair(algorithm)?));
        Some(Self { algorithm, state, described, pending, pair })
    }

    /// A step towards being ready.
    pub(super) fn looked_at(&mut self) {
        self.pending = self.pending.saturating_sub(1);
        if self.state == "PENDING_GENERATION" && self.pending == 0 {
            self.state = "ENABLED";
        }
    }

    /// The public half in the fields that its form has; `None` where there is no such form of it.
    pub(super) fn public(&self, form: &str) -> Option<Value> {
        match (&*self.pair, form) {
            (Pair::MlDsa(pair), "3" | "NIST_PQC") => {
                let bytes = pair.public_key().as_ref();
                let data = json!({ "data": STANDARD.encode(bytes), "crc32cChecksum": crc32c(bytes) });
                Some(json!({ "publicKey": data, "publicKeyFormat": "NIST_PQC" }))
            }
            (Pair::Ec(_) | Pair::Ed25519(_) | Pair::Rsa(_), "") => {
                let pem = self.pem();
                let sum = crc32c(pem.as_bytes());
                Some(json!({ "pem": pem, "pemCrc32c": sum }))
            }
            (_, _) => None,
        }
    }

    fn pem(&self) -> String {
        let der = match &*self.pair {
            Pair::Ec(pair) => pair.public_key().as_der().unwrap().as_ref().to_vec(),
            Pair::Ed25519(pair) => pair.public_key().as_der().unwrap().as_ref().to_vec(),
            Pair::MlDsa(pair) => pair.public_key().as_der().unwrap().as_ref().to_vec(),
            Pair::Rsa(pair) => pair.public_key().as_der().unwrap().as_ref().to_vec(),
        };

        pem("PUBLIC KEY", &der)
    }

    /// The answer to a request to sign: the signature, and whether each checksum was there and right.
    pub(super) fn sign(&self, request: &Value) -> Result<Value, String> {
        let input = match self.digest_field() {
            Some(field) => {
                let digest = request["digest"].as_object().ok_or("digest is required for this algorithm")?;
                let wanted = digest.get(field).filter(|_| digest.len() == 1);
                bytes(wanted.ok_or("the digest is of another algorithm than the key")?)?
            }
            None => {
                // Empty bytes and none are the same to Google (proto3).
                let data = request.get("data").filter(|data| *data != "");
                bytes(data.ok_or("data is required for this algorithm")?)?
            }
        };
        let sum = if self.digest_field().is_some() { "digestCrc32c" } else { "dataCrc32c" };
        let is_verified = match request.get(sum).and_then(Value::as_str) {
            Some(told) if told == crc32c(&input) => true,
            Some(_) => return Err(format!("{sum} is another")),
            None => false,
        };

        let signature = self.signature(&input)?;
        let verified = if sum == "dataCrc32c" { "verifiedDataCrc32c" } else { "verifiedDigestCrc32c" };
        Ok(json!({
            "signature": STANDARD.encode(&signature),
            "signatureCrc32c": crc32c(&signature),
            verified: is_verified,
        }))
    }

    fn digest_field(&self) -> Option<&'static str> {
        let is_raw = self.algorithm.contains("_RAW_") || self.algorithm.contains("ED25519");
        let fields = [("SHA256", "sha256"), ("SHA384", "sha384"), ("SHA512", "sha512")];

        fields.into_iter().find(|(hash, _)| !is_raw && self.algorithm.ends_with(hash)).map(|(_, field)| field)
    }

    fn signature(&self, input: &[u8]) -> Result<Vec<u8>, String> {
        let wrong = |_unspecified| "the digest has another length".to_owned();
        match &*self.pair {
            Pair::Ec(pair) => {
                let digest = Digest::import_less_safe(input, self.hash()).map_err(wrong)?;
                Ok(pair.sign_digest(&digest).unwrap().as_ref().to_vec())
            }
            Pair::Ed25519(pair) => Ok(pair.sign(input).as_ref().to_vec()),
            Pair::MlDsa(pair) => {
                let mut signature = vec![0; pair.algorithm().signature_len()];
                pair.sign(input, &mut signature).unwrap();
                Ok(signature)
            }
            Pair::Rsa(pair) => {
                let (encoding, hash, input) = self.encoding(input)?;
                let digest = Digest::import_less_safe(input, hash).map_err(wrong)?;
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign_digest(encoding, &digest, &mut signature).unwrap();
                Ok(signature)
            }
        }
    }

    fn hash(&self) -> &'static Algorithm {
        match self.digest_field() {
            Some("sha384") => &SHA384,
            Some("sha512") => &SHA512,
            _ => &SHA256,
        }
    }

    fn encoding<'a>(&self, input: &'a [u8]) -> Result<Encoding<'a>, String> {
        if !self.algorithm.contains("_RAW_") {
            let encoding: &dyn RsaEncoding = match (self.algorithm.contains("PSS"), self.digest_field()) {
                (true, Some("sha512")) => &RSA_PSS_SHA512,
                (true, _) => &RSA_PSS_SHA256,
                (false, Some("sha512")) => &RSA_PKCS1_SHA512,
                (false, _) => &RSA_PKCS1_SHA256,
            };
            return Ok((encoding, self.hash(), input));
        }

        // What is signed raw is padded and nothing else; aws-lc-rs signs digests, so the DigestInfo is taken apart again.
        let known: [(&str, &dyn RsaEncoding, &'static Algorithm); 3] = [
            ("3031300d060960864801650304020105000420", &RSA_PKCS1_SHA256, &SHA256),
            ("3041300d060960864801650304020205000430", &RSA_PKCS1_SHA384, &SHA384),
            ("3051300d060960864801650304020305000440", &RSA_PKCS1_SHA512, &SHA512),
        ];
        known
            .into_iter()
            .find_map(|(info, encoding, hash)| {
                Some((encoding, hash, input.strip_prefix(hex::decode(info).unwrap().as_slice())?))
            })
            .ok_or_else(|| "this stand-in signs DigestInfos alone".to_owned())
    }
}

type Encoding<'a> = (&'static dyn RsaEncoding, &'static Algorithm, &'a [u8]);

fn pair(algorithm: &str) -> Option<Pair> {
    let ec = |algorithm| Pair::Ec(EcdsaKeyPair::generate(algorithm).unwrap());
    let ml_dsa = |set| Pair::MlDsa(PqdsaKeyPair::generate(set).unwrap());
    let rsa = |size| Pair::Rsa(RsaKeyPair::generate(size).unwrap());

    Some(match algorithm {
        "EC_SIGN_P256_SHA256" => ec(&ECDSA_P256_SHA256_ASN1_SIGNING),
        "EC_SIGN_P384_SHA384" => ec(&ECDSA_P384_SHA384_ASN1_SIGNING),
        "EC_SIGN_SECP256K1_SHA256" => ec(&ECDSA_P256K1_SHA256_ASN1_SIGNING),
        "EC_SIGN_ED25519" => Pair::Ed25519(Ed25519KeyPair::generate().unwrap()),
        "PQ_SIGN_ML_DSA_44" => ml_dsa(&ML_DSA_44_SIGNING),
        "PQ_SIGN_ML_DSA_65" => ml_dsa(&ML_DSA_65_SIGNING),
        "PQ_SIGN_ML_DSA_87" => ml_dsa(&ML_DSA_87_SIGNING),
        _ if !algorithm.starts_with("RSA_SIGN_") => return None,
        _ if algorithm.contains("_2048") => rsa(KeySize::Rsa2048),
        _ if algorithm.contains("_3072") => rsa(KeySize::Rsa3072),
        _ if algorithm.contains("_4096") => rsa(KeySize::Rsa4096),
        _ => return None,
    })
}

fn bytes(value: &Value) -> Result<Vec<u8>, String> {
    STANDARD.decode(value.as_str().ok_or("bytes are text in JSON")?).map_err(|error| error.to_string())
}

/// PEM, in lines of 64 characters.
pub(super) fn pem(label: &str, der: &[u8]) -> String {
    let text = STANDARD.encode(der);
    let lines: Vec<_> = text.as_bytes().chunks(64).map(|line| std::str::from_utf8(line).unwrap()).collect();

    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", lines.join("\n"))
}

/// CRC-32C bit by bit: not how the backend does it.
pub(super) fn crc32c(bytes: &[u8]) -> String {
    let step = |sum: u32| if sum & 1 == 1 { sum >> 1 ^ 0x82f6_3b78 } else { sum >> 1 };
    let sum = bytes.iter().fold(!0_u32, |sum, byte| (0..8).fold(sum ^ u32::from(*byte), |sum, _| step(sum)));

    (!sum).to_string()
}
