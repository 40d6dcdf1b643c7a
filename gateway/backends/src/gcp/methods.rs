//! Google's service: one function for each of its methods that is called, and the checks of what comes back.

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use keyport_core::outside::Clock;
use keyport_core::scheme::{Family, KeyType};
use keyport_core::{Failure, FailureKind};
use reqwest::{Method, Url};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::algorithm::Payload;
use super::checksum;
use super::name::Names;
use super::status;
use super::wire::{Checksummed, Permissions, Public, Signed, Version};
use crate::cloud::{Call, Rest};

/// The way to the service.
#[derive(Debug)]
pub(super) struct Service {
    pub(super) rest: Rest,
    /// For what the service says of the time.
    pub(super) clock: Arc<dyn Clock>,
    pub(super) endpoint: Url,
    pub(super) names: Names,
}

impl Service {
    /// `cryptoKeys.create`, which makes the first version, too. A name that is taken is `Exists`.
    pub(super) async fn create(&self, call: Call, id: &str, key: &Value) -> Result<(), Failure> {
        let path = format!("{}/cryptoKeys?cryptoKeyId={id}", self.names.ring());
        self.ask::<Value>(call, Method::POST, &path, Some(key)).await?;

        Ok(())
    }

    /// `cryptoKeyVersions.get`.
    pub(super) async fn version(&self, call: Call, name: &str) -> Result<Version, Failure> {
        let version: Version = self.ask(call, Method::GET, name, None).await?;
        self.check_name(name, &version.name)?;

        Ok(version)
    }

    /// `cryptoKeyVersions.getPublicKey`. Those of ML-DSA the service has only as FIPS 204 does, and only if it is told so.
    pub(super) async fn public_key(
        &self,
        call: Call,
        name: &str,
        key_type: KeyType,
    ) -> Result<Public, Failure> {
        let form = match key_type.family() {
            Family::MlDsa { .. } => "?publicKeyFormat=NIST_PQC",
            Family::Ecdsa { .. } | Family::EdDsa | Family::Rsa { .. } => "",
        };
        let public: Public = self.ask(call, Method::GET, &format!("{name}/publicKey{form}"), None).await?;
        self.check_name(name, &public.name)?;
        let (told, sum) = match &public.public_key {
            Some(bare) => (&bare.crc32c_checksum, checksum::of(&bare.bytes()?)),
            None => (&public.pem_crc32c, checksum::of(public.pem.as_bytes())),
        };
        if *told != sum {
            return Err(lie("the checksum of a public half is another"));
        }

        Ok(public)
    }

    /// `cryptoKeyVersions.asymmetricSign`. An ECDSA signature is DER.
    pub(super) async fn sign(&self, call: Call, name: &str, payload: &Payload) -> Result<Vec<u8>, Failure> {
        let body = match payload {
            Payload::Digest(hash, digest) => {
                json!({ "digest": { *hash: STANDARD.encode(digest) }, "digestCrc32c": checksum::of(digest) })
            }
            Payload::Data(data) => json!({ "data": STANDARD.encode(data), "dataCrc32c": checksum::of(data) }),
        };
        let signed: Signed =
            self.ask(call, Method::POST, &format!("{name}:asymmetricSign"), Some(&body)).await?;

        self.check_name(name, &signed.name)?;
        let arrived = match payload {
            Payload::Digest(..) => signed.verified_digest_crc32c,
            Payload::Data(_) => signed.verified_data_crc32c,
        };
        if !arrived {
            return Err(lie("the service did not check what it signed against its checksum"));
        }
        let signature = STANDARD.decode(&signed.signature).map_err(|_bad| lie("a signature is no base64"))?;
        if signed.signature_crc32c != checksum::of(&signature) {
            return Err(lie("the checksum of a signature is another"));
        }
        Ok(signature)
    }

    /// `cryptoKeyVersions.destroy`.
    pub(super) async fn destroy(&self, call: Call, name: &str) -> Result<(), Failure> {
        let path = format!("{name}:destroy");
        let version: Version = self.ask(call, Method::POST, &path, Some(&json!({}))).await?;

        self.check_name(name, &version.name)
    }

    /// `cryptoKeyVersions.restore`: it is disabled then.
    pub(super) async fn restore(&self, call: Call, name: &str) -> Result<(), Failure> {
        let path = format!("{name}:restore");
        let version: Version = self.ask(call, Method::POST, &path, Some(&json!({}))).await?;

        self.check_name(name, &version.name)
    }

    /// `cryptoKeyVersions.patch`, which enables it.
    pub(super) async fn enable(&self, call: Call, name: &str) -> Result<(), Failure> {
        let path = format!("{name}?updateMask=state");
        let version: Version =
            self.ask(call, Method::PATCH, &path, Some(&json!({ "state": "ENABLED" }))).await?;

        self.check_name(name, &version.name)
    }

    /// `keyRings.testIamPermissions`: whether the gateway may do this in the key ring. Asking needs no permission.
    pub(super) async fn may(&self, call: Call, permission: &str) -> Result<bool, Failure> {
        let path = format!("{}:testIamPermissions", self.names.ring());
        let body = json!({ "permissions": [permission] });
        let held: Permissions = self.ask(call, Method::POST, &path, Some(&body)).await?;

        Ok(held.permissions.iter().any(|held| held == permission))
    }

    async fn ask<T: DeserializeOwned>(
        &self,
        call: Call,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<T, Failure> {
        let url = format!("{}/v1/{path}", self.endpoint.as_str().trim_end_matches('/'));
        let refusal = |answer: &_| status::failure(answer, self.clock.wall());
        let answer = self.rest.ask(call, (method, &url), body, refusal).await?;

        serde_json::from_slice(&answer).map_err(|error| lie(&format!("not what Google answers: {error}")))
    }

    fn check_name(&self, asked: &str, answered: &str) -> Result<(), Failure> {
        if self.names.is_same(asked, answered) {
            return Ok(());
        }

        Err(lie(&format!("`{asked}` was asked, and another version answered")))
    }
}

impl Checksummed {
    /// The bytes, whatever their checksum says.
    pub(super) fn bytes(&self) -> Result<Vec<u8>, Failure> {
        STANDARD.decode(&self.data).map_err(|_bad| lie("a public half is no base64"))
    }
}

/// What cannot be believed.
pub(super) fn lie(message: &str) -> Failure {
    tracing::error!(message, "an answer of Google Cloud KMS cannot be believed");

    Failure::new(FailureKind::Internal, message)
}
