//! The gateway's values as the WIT package has them, and back. Total both ways.

use std::time::Duration;

use keyport_core::custody::{KeyState, Mechanism};
use keyport_core::input::Input;
use keyport_core::name::TenantId;
use keyport_core::outbound::{Inbound, Method, Outbound};
use keyport_core::outside::Timestamp;
use keyport_core::provider::{CreateKey, Created, Descriptor, ImportKey, KeyRef, Sign};
use keyport_core::scheme::{Hash, KeyType, Scheme};
use keyport_core::{Failure, FailureKind};

use crate::bindings::{cloud_kms, http, import_key, pkcs11, provider, soft_token, types};
use crate::text;

pub(crate) fn create_request(tenant: &TenantId, request: CreateKey) -> provider::CreateRequest {
    provider::CreateRequest {
        key_id: request.id.to_string(),
        tenant: tenant.as_str().to_owned(),
        name: request.name.as_str().to_owned(),
        key_type: wit_key_type(request.key_type),
        usage: types::Usage::SIGN,
        labels: request.labels,
    }
}

pub(crate) fn import_request(tenant: &TenantId, request: ImportKey) -> import_key::ImportRequest {
    let ImportKey { key, reference } = request;

    import_key::ImportRequest {
        key_id: key.id.to_string(),
        tenant: tenant.as_str().to_owned(),
        name: key.name.as_str().to_owned(),
        key_type: wit_key_type(key.key_type),
        usage: types::Usage::SIGN,
        labels: key.labels,
        material: reference,
    }
}

pub(crate) fn sign_request(request: &Sign) -> provider::SignRequest {
    provider::SignRequest {
        key: key_ref(&request.key),
        scheme: wit_scheme(request.scheme),
        input: match &request.input {
            Input::Digest(digest) => types::Input::Digest(digest.bytes().to_vec()),
            Input::Message(message) => types::Input::Message(message.to_vec()),
        },
    }
}

pub(crate) fn key_ref(key: &KeyRef) -> types::KeyRef {
    types::KeyRef {
        key_id: key.id.to_string(),
        handle: key.handle.as_ref().map(|handle| handle.bytes().to_vec()),
    }
}

pub(crate) fn created(created: types::Created) -> Created {
    Created { handle: created.handle, public_key: created.public_key }
}

pub(crate) fn descriptor(descriptor: provider::Descriptor) -> Descriptor {
    let offer = |offer: provider::Offer| {
        (key_type(offer.key_type), offer.schemes.into_iter().map(scheme).collect::<Vec<_>>())
    };

    Descriptor {
        name: text::line(&descriptor.name, text::MESSAGE),
        version: text::line(&descriptor.version, text::MESSAGE),
        offers: descriptor.offers.into_iter().map(offer).collect(),
        max_message: usize::try_from(descriptor.max_message).unwrap_or(usize::MAX),
        properties: descriptor
            .properties
            .into_iter()
            .map(|(name, value)| (text::line(&name, text::MESSAGE), text::line(&value, text::MESSAGE)))
            .collect(),
    }
}

pub(crate) fn outbound(request: http::Request) -> Outbound {
    let method = match request.method {
        http::Method::Delete => Method::Delete,
        http::Method::Get => Method::Get,
        http::Method::Patch => Method::Patch,
        http::Method::Post => Method::Post,
        http::Method::Put => Method::Put,
    };

    Outbound { method, path: request.path, headers: request.headers, body: request.body }
}

pub(crate) fn response(answer: Inbound) -> http::Response {
    http::Response { status: answer.status, headers: answer.headers, body: answer.body }
}

/// What a guest said went wrong. Its words are for the operator's log only.
pub(crate) fn failure(error: &types::Error) -> Failure {
    Failure {
        kind: failure_kind(error.kind),
        code: error.code,
        message: text::line(&error.message, text::MESSAGE),
        retry_after: error.retry_after_ms.map(|after| Duration::from_millis(after.into())),
    }
}

/// What a guest is told went wrong.
pub(crate) fn wit_error(failure: &Failure) -> types::Error {
    types::Error {
        kind: wit_error_kind(failure.kind),
        code: failure.code,
        message: text::line(&failure.message, text::MESSAGE),
        retry_after_ms: failure.retry_after.map(|after| u32::try_from(after.as_millis()).unwrap_or(u32::MAX)),
    }
}

pub(crate) fn mechanism(mechanism: soft_token::Mechanism) -> Mechanism {
    match mechanism {
        soft_token::Mechanism::Ecdsa => Mechanism::Ecdsa,
        soft_token::Mechanism::Ed25519 => Mechanism::Ed25519,
        soft_token::Mechanism::RsaPkcs1v15(wit) => Mechanism::RsaPkcs1v15(hash(wit)),
        soft_token::Mechanism::RsaPss(wit) => Mechanism::RsaPss(hash(wit)),
    }
}

/// How a token behind PKCS#11 is asked to sign. Parameters that no scheme of the gateway has are refused.
pub(crate) fn pkcs11_mechanism(mechanism: &pkcs11::Mechanism) -> Result<Mechanism, Failure> {
    match mechanism {
        pkcs11::Mechanism::CkmEcdsa => Ok(Mechanism::Ecdsa),
        pkcs11::Mechanism::CkmEddsa(None) => Ok(Mechanism::Ed25519),
        pkcs11::Mechanism::CkmEddsa(Some(parameters)) => eddsa(parameters),
        pkcs11::Mechanism::CkmRsaPkcs => Ok(Mechanism::RsaPkcs1v15DigestInfo),
        pkcs11::Mechanism::CkmRsaPkcsPss(parameters) => rsa_pss(parameters),
        pkcs11::Mechanism::CkmMlDsa => Err(unsupported("CKM_ML_DSA")),
    }
}

/// Ed25519ph with an empty context; the token hashes, so it is handed the message.
fn eddsa(parameters: &pkcs11::CkEddsaParams) -> Result<Mechanism, Failure> {
    if parameters.ph_flag && parameters.context_data.is_empty() {
        return Ok(Mechanism::Ed25519phOfMessage);
    }

    Err(unsupported("CKM_EDDSA with a context, or with parameters that say nothing"))
}

/// MGF1 with the same hash and a salt as long as the digest, as everywhere in the gateway.
fn rsa_pss(parameters: &pkcs11::CkRsaPkcsPssParams) -> Result<Mechanism, Failure> {
    let hash = hash(parameters.hash_alg);
    let mgf1 = match parameters.mgf {
        pkcs11::CkRsaPkcsMgfType::CkgMgf1Sha256 => Hash::Sha256,
        pkcs11::CkRsaPkcsMgfType::CkgMgf1Sha384 => Hash::Sha384,
        pkcs11::CkRsaPkcsMgfType::CkgMgf1Sha512 => Hash::Sha512,
    };

    if mgf1 != hash || usize::try_from(parameters.s_len) != Ok(hash.digest_len()) {
        return Err(unsupported(
            "CKM_RSA_PKCS_PSS with another MGF than MGF1 of the same hash, or another salt",
        ));
    }
    Ok(Mechanism::RsaPss(hash))
}

/// The kind of key pair that a token behind PKCS#11 is asked to generate.
pub(crate) fn generated_key_type(mechanism: pkcs11::KeyPairMechanism) -> Result<KeyType, Failure> {
    match mechanism {
        pkcs11::KeyPairMechanism::CkmEcKeyPairGen(curve) => Ok(match curve {
            pkcs11::EcCurve::Secp256r1 => KeyType::EcP256,
            pkcs11::EcCurve::Secp384r1 => KeyType::EcP384,
            pkcs11::EcCurve::Secp521r1 => KeyType::EcP521,
            pkcs11::EcCurve::Secp256k1 => KeyType::EcSecp256k1,
        }),
        pkcs11::KeyPairMechanism::CkmEcEdwardsKeyPairGen => Ok(KeyType::Ed25519),
        pkcs11::KeyPairMechanism::CkmRsaPkcsKeyPairGen(2048) => Ok(KeyType::Rsa2048),
        pkcs11::KeyPairMechanism::CkmRsaPkcsKeyPairGen(3072) => Ok(KeyType::Rsa3072),
        pkcs11::KeyPairMechanism::CkmRsaPkcsKeyPairGen(4096) => Ok(KeyType::Rsa4096),
        pkcs11::KeyPairMechanism::CkmRsaPkcsKeyPairGen(_) => {
            Err(unsupported("CKM_RSA_PKCS_KEY_PAIR_GEN with such a modulus"))
        }
        pkcs11::KeyPairMechanism::CkmMlDsaKeyPairGen(set) => Ok(match set {
            pkcs11::MlDsaParameterSet::CkpMlDsa44 => KeyType::MlDsa44,
            pkcs11::MlDsaParameterSet::CkpMlDsa65 => KeyType::MlDsa65,
            pkcs11::MlDsaParameterSet::CkpMlDsa87 => KeyType::MlDsa87,
        }),
    }
}

/// The kind of key that a key management service is asked to make.
pub(crate) fn key_spec(spec: cloud_kms::KeySpec) -> KeyType {
    match spec {
        cloud_kms::KeySpec::EccNistP256 => KeyType::EcP256,
        cloud_kms::KeySpec::EccNistP384 => KeyType::EcP384,
        cloud_kms::KeySpec::EccNistP521 => KeyType::EcP521,
        cloud_kms::KeySpec::EccSecgP256k1 => KeyType::EcSecp256k1,
        cloud_kms::KeySpec::EccNistEdwards25519 => KeyType::Ed25519,
        cloud_kms::KeySpec::Rsa2048 => KeyType::Rsa2048,
        cloud_kms::KeySpec::Rsa3072 => KeyType::Rsa3072,
        cloud_kms::KeySpec::Rsa4096 => KeyType::Rsa4096,
        cloud_kms::KeySpec::MlDsa44 => KeyType::MlDsa44,
        cloud_kms::KeySpec::MlDsa65 => KeyType::MlDsa65,
        cloud_kms::KeySpec::MlDsa87 => KeyType::MlDsa87,
    }
}

/// How a key stands at a key management service.
pub(crate) fn key_state(state: KeyState) -> cloud_kms::KeyState {
    match state {
        KeyState::Enabled => cloud_kms::KeyState::Enabled,
        KeyState::Disabled => cloud_kms::KeyState::Disabled,
        KeyState::Pending => cloud_kms::KeyState::Pending,
        KeyState::PendingDeletion(until) => {
            cloud_kms::KeyState::PendingDeletion(until.map(|Timestamp(millis)| millis))
        }
        KeyState::Gone => cloud_kms::KeyState::Gone,
        KeyState::Unavailable => cloud_kms::KeyState::Unavailable,
    }
}

/// How a key management service is asked to sign, and of what.
pub(crate) fn signing_algorithm(
    algorithm: cloud_kms::SigningAlgorithm,
    message_type: cloud_kms::MessageType,
) -> Result<Mechanism, Failure> {
    use cloud_kms::{MessageType, SigningAlgorithm};

    match (algorithm, message_type) {
        (SigningAlgorithm::Ecdsa, MessageType::Digest) => Ok(Mechanism::Ecdsa),
        (SigningAlgorithm::Ed25519, MessageType::Raw) => Ok(Mechanism::Ed25519),
        (SigningAlgorithm::RsassaPkcs1V15(wit), MessageType::Digest) => Ok(Mechanism::RsaPkcs1v15(hash(wit))),
        (SigningAlgorithm::RsassaPss(wit), MessageType::Digest) => Ok(Mechanism::RsaPss(hash(wit))),
        (SigningAlgorithm::Ed25519, MessageType::Digest) => Err(unsupported("a digest for pure Ed25519")),
        (SigningAlgorithm::Ed25519ph, MessageType::Digest) => Ok(Mechanism::Ed25519ph),
        (SigningAlgorithm::MlDsa, MessageType::Raw) => Ok(Mechanism::MlDsa),
        (SigningAlgorithm::MlDsa, MessageType::Digest) => Err(unsupported("a digest for ML-DSA")),
        (
            SigningAlgorithm::Ecdsa
            | SigningAlgorithm::Ed25519ph
            | SigningAlgorithm::RsassaPkcs1V15(_)
            | SigningAlgorithm::RsassaPss(_),
            MessageType::Raw,
        ) => Err(unsupported("messages that the service hashes")),
    }
}

fn unsupported(what: &str) -> Failure {
    Failure::new(FailureKind::Unsupported, format!("the gateway does not use {what}"))
}

pub(crate) fn key_type(key_type: types::KeyType) -> KeyType {
    match key_type {
        types::KeyType::EcP256 => KeyType::EcP256,
        types::KeyType::EcP384 => KeyType::EcP384,
        types::KeyType::EcP521 => KeyType::EcP521,
        types::KeyType::EcSecp256k1 => KeyType::EcSecp256k1,
        types::KeyType::Ed25519 => KeyType::Ed25519,
        types::KeyType::Rsa2048 => KeyType::Rsa2048,
        types::KeyType::Rsa3072 => KeyType::Rsa3072,
        types::KeyType::Rsa4096 => KeyType::Rsa4096,
        types::KeyType::MlDsa44 => KeyType::MlDsa44,
        types::KeyType::MlDsa65 => KeyType::MlDsa65,
        types::KeyType::MlDsa87 => KeyType::MlDsa87,
    }
}

fn wit_key_type(key_type: KeyType) -> types::KeyType {
    match key_type {
        KeyType::EcP256 => types::KeyType::EcP256,
        KeyType::EcP384 => types::KeyType::EcP384,
        KeyType::EcP521 => types::KeyType::EcP521,
        KeyType::EcSecp256k1 => types::KeyType::EcSecp256k1,
        KeyType::Ed25519 => types::KeyType::Ed25519,
        KeyType::Rsa2048 => types::KeyType::Rsa2048,
        KeyType::Rsa3072 => types::KeyType::Rsa3072,
        KeyType::Rsa4096 => types::KeyType::Rsa4096,
        KeyType::MlDsa44 => types::KeyType::MlDsa44,
        KeyType::MlDsa65 => types::KeyType::MlDsa65,
        KeyType::MlDsa87 => types::KeyType::MlDsa87,
    }
}

fn hash(hash: types::Hash) -> Hash {
    match hash {
        types::Hash::Sha256 => Hash::Sha256,
        types::Hash::Sha384 => Hash::Sha384,
        types::Hash::Sha512 => Hash::Sha512,
    }
}

fn wit_hash(hash: Hash) -> types::Hash {
    match hash {
        Hash::Sha256 => types::Hash::Sha256,
        Hash::Sha384 => types::Hash::Sha384,
        Hash::Sha512 => types::Hash::Sha512,
    }
}

fn scheme(scheme: types::Scheme) -> Scheme {
    match scheme {
        types::Scheme::Ecdsa(wit) => Scheme::Ecdsa(hash(wit)),
        types::Scheme::Ed25519 => Scheme::Ed25519,
        types::Scheme::Ed25519ph => Scheme::Ed25519ph,
        types::Scheme::RsaPkcs1v15(wit) => Scheme::RsaPkcs1v15(hash(wit)),
        types::Scheme::RsaPss(wit) => Scheme::RsaPss(hash(wit)),
        types::Scheme::MlDsa => Scheme::MlDsa,
    }
}

fn wit_scheme(scheme: Scheme) -> types::Scheme {
    match scheme {
        Scheme::Ecdsa(hash) => types::Scheme::Ecdsa(wit_hash(hash)),
        Scheme::Ed25519 => types::Scheme::Ed25519,
        Scheme::Ed25519ph => types::Scheme::Ed25519ph,
        Scheme::RsaPkcs1v15(hash) => types::Scheme::RsaPkcs1v15(wit_hash(hash)),
        Scheme::RsaPss(hash) => types::Scheme::RsaPss(wit_hash(hash)),
        Scheme::MlDsa => types::Scheme::MlDsa,
    }
}

fn failure_kind(kind: types::ErrorKind) -> FailureKind {
    match kind {
        types::ErrorKind::InvalidArgument => FailureKind::InvalidArgument,
        types::ErrorKind::NotFound => FailureKind::NotFound,
        types::ErrorKind::KeyGone => FailureKind::KeyGone,
        types::ErrorKind::Exists => FailureKind::Exists,
        types::ErrorKind::Denied => FailureKind::Denied,
        types::ErrorKind::Credentials => FailureKind::Credentials,
        types::ErrorKind::OperatorNeeded => FailureKind::OperatorNeeded,
        types::ErrorKind::Unsupported => FailureKind::Unsupported,
        types::ErrorKind::Throttled => FailureKind::Throttled,
        types::ErrorKind::Unavailable => FailureKind::Unavailable,
        types::ErrorKind::Internal => FailureKind::Internal,
        types::ErrorKind::Other => FailureKind::Other,
    }
}

fn wit_error_kind(kind: FailureKind) -> types::ErrorKind {
    match kind {
        FailureKind::InvalidArgument => types::ErrorKind::InvalidArgument,
        FailureKind::NotFound => types::ErrorKind::NotFound,
        FailureKind::KeyGone => types::ErrorKind::KeyGone,
        FailureKind::Exists => types::ErrorKind::Exists,
        FailureKind::Denied => types::ErrorKind::Denied,
        FailureKind::Credentials => types::ErrorKind::Credentials,
        FailureKind::OperatorNeeded => types::ErrorKind::OperatorNeeded,
        FailureKind::Unsupported => types::ErrorKind::Unsupported,
        FailureKind::Throttled => types::ErrorKind::Throttled,
        FailureKind::Unavailable => types::ErrorKind::Unavailable,
        FailureKind::Internal => types::ErrorKind::Internal,
        FailureKind::Other => types::ErrorKind::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn key_types_come_back_as_they_went() {
        for sent in KeyType::ALL {
            assert_eq!(key_type(wit_key_type(sent)), sent);
        }
    }

    #[test]
    fn schemes_come_back_as_they_went() {
        let of_hash = |hash| [Scheme::Ecdsa(hash), Scheme::RsaPkcs1v15(hash), Scheme::RsaPss(hash)];
        let plain = [Scheme::Ed25519, Scheme::Ed25519ph, Scheme::MlDsa];

        for sent in Hash::ALL.into_iter().flat_map(of_hash).chain(plain) {
            assert_eq!(scheme(wit_scheme(sent)), sent);
        }
    }

    #[test]
    fn each_key_type_is_generated_by_one_mechanism_of_pkcs11() {
        use pkcs11::{EcCurve, KeyPairMechanism, MlDsaParameterSet};

        let curves = [EcCurve::Secp256r1, EcCurve::Secp384r1, EcCurve::Secp521r1, EcCurve::Secp256k1]
            .map(KeyPairMechanism::CkmEcKeyPairGen);
        let moduli = [2048, 3072, 4096].map(KeyPairMechanism::CkmRsaPkcsKeyPairGen);
        let sets =
            [MlDsaParameterSet::CkpMlDsa44, MlDsaParameterSet::CkpMlDsa65, MlDsaParameterSet::CkpMlDsa87]
                .map(KeyPairMechanism::CkmMlDsaKeyPairGen);
        let edwards = [KeyPairMechanism::CkmEcEdwardsKeyPairGen];

        let generated = curves.into_iter().chain(edwards).chain(moduli).chain(sets);
        assert!(generated.map(|mechanism| generated_key_type(mechanism).unwrap()).eq(KeyType::ALL));
        for bits in [0, 1024, 2047, 2049, 8192, u32::MAX] {
            let refused = generated_key_type(KeyPairMechanism::CkmRsaPkcsKeyPairGen(bits)).unwrap_err();
            assert_eq!(refused.kind, FailureKind::Unsupported, "{bits}");
        }
    }

    #[test]
    fn pss_is_refused_unless_everything_in_it_is_of_one_hash() {
        let pss = |hash_alg, mgf, s_len| {
            let parameters = pkcs11::CkRsaPkcsPssParams { hash_alg, mgf, s_len };
            pkcs11_mechanism(&pkcs11::Mechanism::CkmRsaPkcsPss(parameters)).map_err(|failure| failure.kind)
        };
        let mgfs = [
            pkcs11::CkRsaPkcsMgfType::CkgMgf1Sha256,
            pkcs11::CkRsaPkcsMgfType::CkgMgf1Sha384,
            pkcs11::CkRsaPkcsMgfType::CkgMgf1Sha512,
        ];

        for (hash, hash_mgf) in Hash::ALL.into_iter().zip(mgfs) {
            for (other, mgf) in Hash::ALL.into_iter().zip(mgfs) {
                let s_len = u32::try_from(hash.digest_len()).unwrap();
                let expected = (other == hash).then_some(Mechanism::RsaPss(hash));
                assert_eq!(pss(wit_hash(hash), mgf, s_len), expected.ok_or(FailureKind::Unsupported));
            }
            for s_len in [0, 20, u32::MAX] {
                assert_eq!(pss(wit_hash(hash), hash_mgf, s_len), UNSUPPORTED);
            }
        }
    }

    #[test]
    fn eddsa_has_no_parameters_but_those_of_ed25519ph() {
        let eddsa = |parameters| pkcs11_mechanism(&pkcs11::Mechanism::CkmEddsa(parameters));
        let of = |ph_flag, context: &[u8]| {
            let parameters = pkcs11::CkEddsaParams { ph_flag, context_data: context.to_vec() };
            eddsa(Some(parameters)).map_err(|failure| failure.kind)
        };

        assert_eq!(eddsa(None).unwrap(), Mechanism::Ed25519);
        assert_eq!(of(true, b""), Ok(Mechanism::Ed25519phOfMessage));
        // Ed25519ctx, of which an empty context makes nothing else (RFC 8032, section 5.1).
        for (ph_flag, context) in [(true, b"x".as_slice()), (false, b"x"), (false, b"")] {
            assert_eq!(of(ph_flag, context), UNSUPPORTED, "{ph_flag} {context:?}");
        }
    }

    #[test]
    fn rsa_pkcs_is_handed_the_digest_info() {
        assert_eq!(
            pkcs11_mechanism(&pkcs11::Mechanism::CkmRsaPkcs).unwrap(),
            Mechanism::RsaPkcs1v15DigestInfo
        );
    }

    const UNSUPPORTED: Result<Mechanism, FailureKind> = Err(FailureKind::Unsupported);

    #[test]
    fn failures_come_back_as_they_went_but_for_their_words() {
        for kind in FailureKind::ALL {
            let retry_after = Some(Duration::from_millis(1500));
            let sent = Failure { kind, code: 0x30, message: "a\nb".repeat(999), retry_after };
            let back = failure(&wit_error(&sent));

            assert_eq!((back.kind, back.code, back.retry_after), (kind, 0x30, retry_after));
            assert!(back.message.len() <= text::MESSAGE + '…'.len_utf8());
            assert!(!back.message.contains('\n'));
        }
    }
}
