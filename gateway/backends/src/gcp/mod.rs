//! Google Cloud KMS: keys in one key ring, by its REST interface (`cloudkms.googleapis.com/v1`).
//!
//! Google's own crate, google-cloud-kms-v1, brings gRPC and more than thirty crates for six methods that are JSON over HTTPS as well, and a client
//! of HTTP of its own, which takes neither an operator's authorities nor a proxy. So the requests are worded here, and
//! everything that the service says for checking them is checked: names, and CRC32C of what is signed and of what comes
//! back.
//!
//! A key is named `PREFIX-KEY-ID`: made and found by one call each, and made once, as a name can never be used again. It has
//! one version, the first, which is what signs and what its native id names; rotation is a new key. Its algorithm is
//! fixed: an RSA key signs by one scheme, which [`Connection::rsa`] chooses for new keys. Destroyed keys are scheduled for
//! destruction, and can be restored until that time.

mod algorithm;
mod checksum;
mod connection;
mod credentials;
#[cfg(any(fuzzing, test))]
pub mod fuzz;
mod making;
mod methods;
mod name;
mod opening;
mod restore;
mod rsa;
mod state;
mod status;
mod wire;

use std::time::Instant;

use async_trait::async_trait;
use keyport_core::backend::{Backend, Generate, Generated, KeyState, Object};
use keyport_core::custody::Mechanism;
use keyport_core::key::{KeyId, NativeId};
use keyport_core::name::TenantId;
use keyport_core::public_key::PublicKey;
use keyport_core::scheme::{Family, KeyType};
use keyport_core::{Failure, FailureKind};

pub use connection::{Connection, Credentials, OpenError, Protection, Rsa};
pub use credentials::CredentialsError;

use crate::cloud::{Call, Doubts, Template, not_own, said};
use algorithm::Algorithm;
use methods::{Service, lie};
use rsa::Algorithms;
use wire::{Public, State};

/// The keys of a key ring.
#[derive(Debug)]
pub struct Gcp {
    service: Service,
    /// How the RSA keys sign that signed last.
    algorithms: Algorithms,
    doubts: Doubts,
    prefix: String,
    protection: Protection,
    rsa: Rsa,
    labels: Vec<(String, Template)>,
    destroy_after: Option<std::time::Duration>,
    verify: bool,
}

#[async_trait]
impl Backend for Gcp {
    fn acts_outside(&self) -> bool {
        true
    }

    fn code_name(&self, code: u32) -> Option<&'static str> {
        status::name_of(code)
    }

    fn leaves(&self) -> Option<String> {
        let time = match self.destroy_after {
            Some(time) => format!("{} hours", time.as_secs() / 3600),
            None => "as long as Google's default is".to_owned(),
        };

        Some(format!(
            "destroyed keys are scheduled for that at Google, where they can be restored for {time}; their names stay"
        ))
    }

    async fn offers(&self, key_type: KeyType, _deadline: Instant) -> Option<Result<(), Failure>> {
        Some(Algorithm::of_new(key_type, self.protection, self.rsa).map(drop))
    }

    async fn generate(&self, request: Generate, deadline: Instant) -> Result<Generated, Failure> {
        let algorithm = Algorithm::of_new(request.key_type, self.protection, self.rsa)?;

        let raised = self.doubts.raise(request.key_id, now());
        let made = self.make(&request, algorithm, deadline).await;
        self.doubts.note(&raised, &made, now());
        made
    }

    async fn find(
        &self,
        _tenant: &TenantId,
        key_id: KeyId,
        deadline: Instant,
    ) -> Result<Option<NativeId>, Failure> {
        let name = self.service.names.made(key_id);
        let version = match self.service.version(Call::read(deadline), &name).await {
            Err(failure) if failure.kind == FailureKind::NotFound => {
                return self.doubts.check(key_id, now()).map(|()| None);
            }
            version => version?,
        };

        Ok(match version.state {
            State::Destroyed | State::DestroyScheduled | State::GenerationFailed => None,
            State::Enabled | State::Disabled | State::PendingGeneration | State::Other => {
                Some(NativeId::new(name))
            }
        })
    }

    async fn locate(&self, reference: &str, deadline: Instant) -> Result<Generated, Failure> {
        let name = self.service.names.version(reference).ok_or_else(|| self.no_reference(reference))?;
        let version = self.service.version(Call::read(deadline), &name).await?;
        if version.state != State::Enabled {
            let message = format!("`{name}` is not enabled: {:?}", version.state);
            return Err(Failure::new(FailureKind::KeyGone, message));
        }
        let Some(algorithm) = Algorithm::named(&version.algorithm) else {
            let message = format!("`{name}` is of {}, which signs nothing here", said(&version.algorithm));
            return Err(Failure::new(FailureKind::Unsupported, message));
        };

        let public = self.public(&name, algorithm.key_type, deadline).await?.1;
        Ok(Generated { native_id: NativeId::new(name), public })
    }

    async fn identity(&self, _deadline: Instant) -> Result<Option<String>, Failure> {
        Ok(Some(self.service.names.ring().to_owned()))
    }

    /// A key that was imported into both rings has the same name in each, and its version the same number.
    fn counterpart(&self, native_id: &NativeId) -> NativeId {
        let name = self.service.names.here(native_id.as_str());

        name.map_or_else(|| native_id.clone(), NativeId::new)
    }

    async fn public_key(&self, object: &Object, deadline: Instant) -> Result<PublicKey, Failure> {
        let name = self.name(object)?;

        Ok(self.public(&name, object.key_type, deadline).await?.1)
    }

    async fn state(&self, object: &Object, deadline: Instant) -> Result<KeyState, Failure> {
        let Some(name) = self.service.names.of(object) else { return Ok(KeyState::Gone) };

        match self.service.version(Call::read(deadline), &name).await {
            Err(failure) if failure.kind == FailureKind::NotFound => {
                self.doubts.check_gone(object, now()).map(|()| KeyState::Gone)
            }
            version => Ok(version?.standing()),
        }
    }

    async fn sign(
        &self,
        object: &Object,
        mechanism: Mechanism,
        input: &[u8],
        deadline: Instant,
    ) -> Result<Vec<u8>, Failure> {
        let name = self.name(object)?;
        let algorithm = match object.key_type.family() {
            Family::Rsa { .. } => self.algorithm(&name, object.key_type, deadline).await?,
            Family::Ecdsa { .. } | Family::EdDsa | Family::MlDsa { .. } => {
                Algorithm::of_new(object.key_type, Protection::Hsm, self.rsa)?
            }
        };

        let payload = algorithm.payload(mechanism, input)?;
        self.service.sign(Call::sign(deadline), &name, &payload).await
    }

    fn is_verified(&self) -> bool {
        self.verify
    }

    async fn forget(&self, object: &Object) {
        if let Some(name) = self.service.names.of(object) {
            self.algorithms.forget(&name);
        }
    }

    async fn destroy(&self, object: &Object, deadline: Instant) -> Result<(), Failure> {
        // What is no version in this ring is not there.
        let Some(name) = self.service.names.of(object) else { return Ok(()) };
        if name != self.service.names.made(object.key_id) {
            return Err(not_own(&name));
        }
        self.algorithms.forget(&name);

        match self.destroyed(&name, deadline).await {
            Err(failure) if failure.kind == FailureKind::NotFound => self.doubts.check_gone(object, now()),
            outcome => outcome,
        }
    }

    fn restores(&self) -> bool {
        true
    }

    async fn restore(&self, object: &Object, deadline: Instant) -> Result<(), Failure> {
        let name = self.name(object)?;

        self.restored(&name, deadline).await
    }

    async fn health(&self, deadline: Instant) -> Result<(), Failure> {
        if self.service.may(Call::read(deadline), TO_SIGN).await? {
            return Ok(());
        }

        let message = format!(
            "the gateway lacks {TO_SIGN} on {}: grant it a role with that permission on the key ring",
            self.service.names.ring()
        );
        Err(Failure::new(FailureKind::Denied, message))
    }
}

impl Gcp {
    fn name(&self, object: &Object) -> Result<String, Failure> {
        self.service.names.of(object).ok_or_else(|| {
            let message = format!("`{}` is no version of a key in this ring", object.native_id.as_str());
            Failure::new(FailureKind::NotFound, message)
        })
    }

    /// How an RSA key signs: the service says it with the public half.
    async fn algorithm(
        &self,
        name: &str,
        key_type: KeyType,
        deadline: Instant,
    ) -> Result<Algorithm, Failure> {
        match self.algorithms.get(name) {
            Some(algorithm) => Ok(algorithm),
            None => Ok(self.public(name, key_type, deadline).await?.0),
        }
    }

    /// A public half, and how its key signs.
    async fn public(
        &self,
        name: &str,
        key_type: KeyType,
        deadline: Instant,
    ) -> Result<(Algorithm, PublicKey), Failure> {
        let read = self.service.public_key(Call::read(deadline), name, key_type).await?;
        let (algorithm, public) = parsed(&read)?;
        if let Family::Rsa { .. } = algorithm.key_type.family() {
            self.algorithms.put(name, algorithm);
        }

        Ok((algorithm, public))
    }

    fn no_reference(&self, reference: &str) -> Failure {
        let message = format!(
            "`{reference}` is no version of a key in this connection's ring: write \
             {}/cryptoKeys/KEY/cryptoKeyVersions/NUMBER",
            self.service.names.ring()
        );

        Failure::new(FailureKind::InvalidArgument, message)
    }
}

fn parsed(read: &Public) -> Result<(Algorithm, PublicKey), Failure> {
    use rustls_pki_types::SubjectPublicKeyInfoDer;
    use rustls_pki_types::pem::PemObject;

    let Some(algorithm) = Algorithm::named(&read.algorithm) else {
        let message = format!("a key of {}, which signs nothing here", said(&read.algorithm));
        return Err(Failure::new(FailureKind::Unsupported, message));
    };
    let public = match &read.public_key {
        Some(bare) => PublicKey::from_ml_dsa(algorithm.key_type, &bare.bytes()?),
        None => SubjectPublicKeyInfoDer::from_pem_slice(read.pem.as_bytes())
            .map_err(|_bad| lie("a public half is no PEM"))
            .map(|der| PublicKey::from_der(&der))?,
    };
    let public = public.map_err(|bad| lie(&format!("a public half is {bad}")))?;

    if public.key_type() == algorithm.key_type {
        Ok((algorithm, public))
    } else {
        Err(lie("a public half is of another type than its key's algorithm"))
    }
}

fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

/// What signing takes.
const TO_SIGN: &str = "cloudkms.cryptoKeyVersions.useToSign";

#[cfg(test)]
mod tests {
    use base64::Engine;
    use base64::engine::general_purpose::STANDARD;
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn read(algorithm: &str, pem: &str) -> String {
        json!({ "name": "k", "pem": pem, "pemCrc32c": "0", "algorithm": algorithm }).to_string()
    }

    #[test]
    fn an_algorithm_of_many_lines_is_cut_to_one() {
        let public = serde_json::from_str(&read("RSA\nDECRYPT\u{1b}", "")).unwrap();

        assert_eq!(parsed(&public).unwrap_err().message, "a key of RSA DECRYPT, which signs nothing here");
    }

    #[test]
    fn a_public_half_without_a_frame_is_one_of_ml_dsa_and_as_long_as_its_set_says() {
        let kind = |algorithm: &str, length: usize| {
            let data = json!({ "data": STANDARD.encode(vec![7; length]), "crc32cChecksum": "0" });
            let read = json!({ "name": "k", "publicKey": data, "algorithm": algorithm });
            fuzz::public_key(read.to_string().as_bytes());
            parsed(&serde_json::from_value(read).unwrap())
                .map(|(_, public)| public.key_type())
                .map_err(|failure| failure.kind)
        };

        assert_eq!(kind("PQ_SIGN_ML_DSA_65", 1952), Ok(KeyType::MlDsa65));
        for (algorithm, length) in
            [("PQ_SIGN_ML_DSA_65", 1951), ("PQ_SIGN_ML_DSA_44", 1952), ("EC_SIGN_ED25519", 32)]
        {
            assert_eq!(kind(algorithm, length), Err(FailureKind::Internal), "{algorithm}");
        }
    }

    proptest! {
        #[test]
        fn no_public_half_panics_and_one_is_of_its_algorithms_type(
            algorithm in "EC_SIGN_(P256_SHA256|P384_SHA384)|RSA_SIGN_PKCS1_2048_SHA256|(\\PC|\\s){0,9}",
            (at, change) in (0..PEM.len(), "[A-Za-z0-9+/=\n]{0,2}"),
        ) {
            for pem in [PEM.to_owned(), format!("{}{change}{}", &PEM[..at], &PEM[at + 1..])] {
                fuzz::public_key(read(&algorithm, &pem).as_bytes());
            }
        }
    }

    /// Of P-256.
    const PEM: &str = "-----BEGIN PUBLIC KEY-----\nMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEaxfR8uEsQkf4vOblY6RA8ncDfYEt\n6zOg9KE5RdiYwpZP40Li/hp/m47n60p8D54WK84zV2sxXs7LtkBoN79R9Q==\n-----END PUBLIC KEY-----\n";
}
