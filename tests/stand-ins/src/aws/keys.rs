//! Keys, with their real halves.

use std::collections::BTreeMap;
use std::sync::Arc;

use aws_lc_rs::digest::{Algorithm, Digest, SHA256, SHA384, SHA512};
use aws_lc_rs::encoding::{AsDer, PublicKeyX509Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeyPair as RsaKeyPair, KeySize};
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1_SIGNING, ECDSA_P256K1_SHA256_ASN1_SIGNING, ECDSA_P384_SHA384_ASN1_SIGNING,
    ECDSA_P521_SHA512_ASN1_SIGNING, EcdsaKeyPair, EcdsaSigningAlgorithm, Ed25519KeyPair, KeyPair,
    ML_DSA_44_SIGNING, ML_DSA_65_SIGNING, ML_DSA_87_SIGNING, PqdsaKeyPair, PqdsaSigningAlgorithm,
    RSA_PKCS1_SHA256, RSA_PKCS1_SHA384, RSA_PKCS1_SHA512, RSA_PSS_SHA256, RSA_PSS_SHA384, RSA_PSS_SHA512,
    RsaEncoding,
};

use super::{ACCOUNT, prehashed};

/// Whether a key can be used.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum State {
    /// It is still being made.
    Creating,
    /// Its owner switched it off.
    Disabled,
    /// It signs.
    Enabled,
    /// It is scheduled for deletion.
    PendingDeletion,
}

impl State {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Creating => "Creating",
            Self::Disabled => "Disabled",
            Self::Enabled => "Enabled",
            Self::PendingDeletion => "PendingDeletion",
        }
    }
}

/// A key of the account.
#[derive(Clone, Debug)]
pub struct Key {
    /// `mrk-…` where it is multi-Region.
    pub id: String,
    /// What it is called everywhere.
    pub arn: String,
    /// Its type, as the service calls it.
    pub spec: String,
    /// What it is for, as the service calls it.
    pub usage: String,
    /// Whether it can be used.
    pub state: State,
    /// As it was asked for.
    pub description: String,
    /// Names and values, as they were asked for.
    pub tags: Vec<(String, String)>,
    /// Whether other regions may have it too.
    pub multi_region: bool,
    /// The ARN of the key that this one is a replica of.
    pub primary: Option<String>,
    /// In how many days it is deleted, if that was asked for.
    pub window: Option<i64>,
    /// How often it is asked for until it is there for everybody.
    pub unseen: u32,
    pub(super) pair: Arc<Pair>,
}

impl Key {
    /// One in this region that signs, and that no gateway made.
    #[must_use]
    pub fn new(region: &str, spec: &str, multi_region: bool) -> Self {
        let id = random_id();
        let id = if multi_region { format!("mrk-{}", id.replace('-', "")) } else { id };

        Self {
            arn: arn(region, &id),
            id,
            spec: spec.to_owned(),
            usage: "SIGN_VERIFY".to_owned(),
            state: State::Enabled,
            description: String::new(),
            tags: Vec::new(),
            multi_region,
            primary: None,
            window: None,
            unseen: 0,
            pair: Arc::new(Pair::of(spec)),
        }
    }

    /// The same key in another region, where it is to be added: of the same id and pair, which is all that they share.
    #[must_use]
    pub fn replica(&self, region: &str) -> Self {
        let (description, tags, primary) = (String::new(), Vec::new(), Some(self.arn.clone()));

        Self { arn: arn(region, &self.id), description, tags, primary, ..self.clone() }
    }
}

/// All keys and aliases of the account.
#[derive(Debug, Default)]
pub struct Keys {
    keys: Vec<Key>,
    aliases: BTreeMap<String, String>,
    /// How often each new key is asked for until it is there for everybody.
    pub unseen: u32,
}

impl Keys {
    /// In the order in which they were made.
    pub fn all(&self) -> &[Key] {
        &self.keys
    }

    /// Those that are not about to be deleted.
    pub fn alive(&self) -> usize {
        self.keys.iter().filter(|key| key.state != State::PendingDeletion).count()
    }

    /// One more.
    pub fn add(&mut self, key: Key) {
        self.keys.push(Key { unseen: self.unseen, ..key });
    }

    /// The key of this id is not there any more.
    pub fn remove(&mut self, id: &str) {
        self.keys.retain(|key| key.id != id);
    }

    /// Gives the key of this id an alias; whether nothing had it.
    pub fn alias(&mut self, alias: &str, id: &str) -> bool {
        self.aliases.insert(alias.to_owned(), id.to_owned()).is_none()
    }

    pub(super) fn has_alias(&self, alias: &str) -> bool {
        self.aliases.contains_key(alias)
    }

    /// The key of this ARN, id or alias.
    pub fn get(&mut self, name: &str) -> Option<&mut Key> {
        let name = self.aliases.get(name).map_or(name, String::as_str).to_owned();

        self.keys.iter_mut().find(|key| key.id == name || key.arn == name)
    }
}

/// Both halves of a key.
#[derive(Debug)]
pub(super) enum Pair {
    Ec(EcdsaKeyPair, Vec<u8>),
    Ed25519(Ed25519KeyPair),
    MlDsa(PqdsaKeyPair),
    Rsa(Box<RsaKeyPair>),
    /// What signs nothing.
    None,
}

impl Pair {
    pub(super) fn of(spec: &str) -> Self {
        match spec {
            "ECC_NIST_P256" => ec(&ECDSA_P256_SHA256_ASN1_SIGNING),
            "ECC_NIST_P384" => ec(&ECDSA_P384_SHA384_ASN1_SIGNING),
            "ECC_NIST_P521" => ec(&ECDSA_P521_SHA512_ASN1_SIGNING),
            "ECC_SECG_P256K1" => ec(&ECDSA_P256K1_SHA256_ASN1_SIGNING),
            "ECC_NIST_EDWARDS25519" => Self::Ed25519(Ed25519KeyPair::generate().unwrap()),
            "RSA_2048" => Self::Rsa(RsaKeyPair::generate(KeySize::Rsa2048).unwrap().into()),
            "RSA_3072" => Self::Rsa(RsaKeyPair::generate(KeySize::Rsa3072).unwrap().into()),
            "RSA_4096" => Self::Rsa(RsaKeyPair::generate(KeySize::Rsa4096).unwrap().into()),
            "ML_DSA_44" => ml_dsa(&ML_DSA_44_SIGNING),
            "ML_DSA_65" => ml_dsa(&ML_DSA_65_SIGNING),
            "ML_DSA_87" => ml_dsa(&ML_DSA_87_SIGNING),
            _ => Self::None,
        }
    }

    /// SubjectPublicKeyInfo, DER.
    pub(super) fn public(&self) -> Vec<u8> {
        let der = |der: PublicKeyX509Der<'_>| der.as_ref().to_vec();
        match self {
            Self::Ec(_, public) => public.clone(),
            Self::Ed25519(pair) => der(pair.public_key().as_der().unwrap()),
            Self::MlDsa(pair) => der(pair.public_key().as_der().unwrap()),
            Self::Rsa(pair) => der(pair.public_key().as_der().unwrap()),
            Self::None => Vec::new(),
        }
    }

    /// Signs a digest, or, by pure Ed25519 and ML-DSA, a message.
    pub(super) fn sign(&self, algorithm: &str, input: &[u8]) -> Vec<u8> {
        match self {
            Self::Ec(pair, _) => pair.sign_digest(&imported(algorithm, input)).unwrap().as_ref().to_vec(),
            Self::Ed25519(pair) if algorithm == "ED25519_PH_SHA_512" => prehashed::sign(pair, input),
            Self::Ed25519(pair) => pair.sign(input).as_ref().to_vec(),
            Self::MlDsa(pair) => {
                let mut signature = vec![0; pair.algorithm().signature_len()];
                pair.sign(input, &mut signature).unwrap();
                signature
            }
            Self::Rsa(pair) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign_digest(padding(algorithm), &imported(algorithm, input), &mut signature).unwrap();
                signature
            }
            Self::None => Vec::new(),
        }
    }
}

/// The algorithms that keys of a type sign by.
pub(super) fn algorithms(spec: &str) -> &'static [&'static str] {
    match spec {
        "ECC_NIST_P256" | "ECC_SECG_P256K1" => &["ECDSA_SHA_256"],
        "ECC_NIST_P384" => &["ECDSA_SHA_384"],
        "ECC_NIST_P521" => &["ECDSA_SHA_512"],
        "ML_DSA_44" | "ML_DSA_65" | "ML_DSA_87" => &["ML_DSA_SHAKE_256"],
        "ECC_NIST_EDWARDS25519" => &["ED25519_SHA_512", "ED25519_PH_SHA_512"],
        "RSA_2048" | "RSA_3072" | "RSA_4096" => &[
            "RSASSA_PKCS1_V1_5_SHA_256",
            "RSASSA_PKCS1_V1_5_SHA_384",
            "RSASSA_PKCS1_V1_5_SHA_512",
            "RSASSA_PSS_SHA_256",
            "RSASSA_PSS_SHA_384",
            "RSASSA_PSS_SHA_512",
        ],
        _ => &[],
    }
}

/// The hash in an algorithm's name.
pub(super) fn hash(algorithm: &str) -> &'static Algorithm {
    match algorithm.rsplit('_').next() {
        Some("256") => &SHA256,
        Some("384") => &SHA384,
        _ => &SHA512,
    }
}

fn imported(algorithm: &str, input: &[u8]) -> Digest {
    Digest::import_less_safe(input, hash(algorithm)).unwrap()
}

fn padding(algorithm: &str) -> &'static dyn RsaEncoding {
    match algorithm {
        "RSASSA_PKCS1_V1_5_SHA_256" => &RSA_PKCS1_SHA256,
        "RSASSA_PKCS1_V1_5_SHA_384" => &RSA_PKCS1_SHA384,
        "RSASSA_PKCS1_V1_5_SHA_512" => &RSA_PKCS1_SHA512,
        "RSASSA_PSS_SHA_256" => &RSA_PSS_SHA256,
        "RSASSA_PSS_SHA_384" => &RSA_PSS_SHA384,
        _ => &RSA_PSS_SHA512,
    }
}

fn ec(algorithm: &'static EcdsaSigningAlgorithm) -> Pair {
    let pair = EcdsaKeyPair::generate(algorithm).unwrap();
    let der: PublicKeyX509Der<'_> = pair.public_key().as_der().unwrap();
    let public = der.as_ref().to_vec();

    Pair::Ec(pair, public)
}

fn ml_dsa(algorithm: &'static PqdsaSigningAlgorithm) -> Pair {
    Pair::MlDsa(PqdsaKeyPair::generate(algorithm).unwrap())
}

/// What a key is called everywhere.
fn arn(region: &str, id: &str) -> String {
    format!("arn:aws:kms:{region}:{ACCOUNT}:key/{id}")
}

/// Random digits of a key's id.
fn random_id() -> String {
    let mut bytes = [0; 16];
    aws_lc_rs::rand::SecureRandom::fill(&SystemRandom::new(), &mut bytes).unwrap();
    let digits = hex::encode(bytes);

    format!("{}-{}-{}-{}-{}", &digits[..8], &digits[8..12], &digits[12..16], &digits[16..20], &digits[20..])
}
