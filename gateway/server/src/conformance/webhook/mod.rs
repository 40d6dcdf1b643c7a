//! Cases of contract `webhook`: the SPIRL / Defakto Key Manager Extension.

mod keys;
mod sign;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use keyport_core::public_key::PublicKey;
use keyport_core::scheme::{Family, Hash, KeyType, Scheme};
use serde_json::{Value, json};

use super::answer::{Reply, list, text};
use super::case::{Verdict, ensure, skipped};
use super::server::{Server, key_path};
use super::signature::{Form, digest, public_key, standard_base64, verify};

pub(super) use keys::cases as key_cases;
pub(super) use sign::cases as sign_cases;

/// A key type by the contract's name; P-256 is the one that every server has.
type Kind = (&'static str, KeyType);

/// A key as it was answered.
#[derive(Clone, Debug)]
struct Key {
    name: String,
    public: PublicKey,
    fingerprint: String,
    answer: Value,
}

impl Key {
    fn read(name: &str, answer: &Value) -> Verdict<Self> {
        let public = public_key(text(answer, "public_key")?)?;

        let fingerprint = text(answer, "fingerprint")?.to_owned();
        Ok(Self { name: name.to_owned(), public, fingerprint, answer: answer.clone() })
    }

    fn is_same(&self, other: &Self) -> bool {
        self.public == other.public && self.fingerprint == other.fingerprint
    }
}

/// The key of a type, which is made by whoever needs it first.
async fn key(server: &Server, kind: Kind) -> Verdict<Key> {
    let name = server.name(kind.0);

    if let Some(answer) = server.kept(&name) {
        return Key::read(&name, &answer);
    }
    let key = create(server, &name, kind).await?;
    server.keep(&name, key.answer.clone());
    Ok(key)
}

/// Makes a key. A type that the server does not offer skips the case, unless every server must.
async fn create(server: &Server, name: &str, (named, key_type): Kind) -> Verdict<Key> {
    let created = server.create_patiently(&json!({ "key_id": name, "key_type": named })).await?;
    if key_type != KeyType::EcP256 && matches!(created.status(), 400 | 403 | 422) {
        return skipped(format!("no {named}: {}", created.came()));
    }

    let key = Key::read(name, &created.json_with(201)?)?;
    let came = key.public.key_type();
    ensure(came == key_type, &format!("a key of type {key_type}"), format!("one of type {came}"))?;
    Ok(key)
}

async fn ask_to_create(server: &Server, name: &str, key_type: &str) -> Verdict<Reply> {
    server.post("/keys", &json!({ "key_id": name, "key_type": key_type })).await
}

/// What the list has on a name, which it must not have twice.
async fn listed(server: &Server, name: &str) -> Verdict<Option<Key>> {
    let answer = server.get("/keys").await?.json_with(200)?;
    let keys: Vec<_> =
        list(&answer, "keys")?.iter().filter(|key| text(key, "key_id").is_ok_and(|id| id == name)).collect();

    ensure(keys.len() <= 1, "a key to be listed once", format!("{name} {} times", keys.len()))?;
    keys.first().map(|key| Key::read(name, key)).transpose()
}

async fn ask_to_sign(server: &Server, name: &str, digest: &[u8], hash: &str) -> Verdict<Reply> {
    let body = json!({ "digest": STANDARD.encode(digest), "hash_algorithm": hash });

    server.post(&format!("{}/sign", key_path(name)), &body).await
}

/// Has a digest signed, and verifies what came.
async fn sign(server: &Server, key: &Key, (hash, bytes): (Hash, &[u8])) -> Verdict<Vec<u8>> {
    let signed = ask_to_sign(server, &key.name, bytes, hash_name(hash)).await?.json_with(200)?;
    let signature = standard_base64(text(&signed, "signature")?)?;
    let fingerprint = text(&signed, "key_fingerprint")?;

    let scheme = match key.public.key_type().family() {
        Family::Rsa { .. } => Scheme::RsaPkcs1v15(hash),
        Family::Ecdsa { .. } | Family::EdDsa | Family::MlDsa { .. } => Scheme::Ecdsa(hash),
    };
    verify(&key.public, (scheme, Form::Der), &digest(hash, bytes)?, &signature)?;
    ensure(fingerprint == key.fingerprint, &format!("the fingerprint {}", key.fingerprint), fingerprint)?;
    Ok(signature)
}

fn hash_name(hash: Hash) -> &'static str {
    match hash {
        Hash::Sha256 => "SHA-256",
        Hash::Sha384 => "SHA-384",
        Hash::Sha512 => "SHA-512",
    }
}

const P256: Kind = ("EC-P256", KeyType::EcP256);
const KINDS: [Kind; 4] =
    [P256, ("EC-P384", KeyType::EcP384), ("RSA-2048", KeyType::Rsa2048), ("RSA-4096", KeyType::Rsa4096)];
