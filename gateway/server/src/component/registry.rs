//! Registries that components are pulled from and pushed to.

use std::net::IpAddr;
use std::time::Duration;

use futures_util::TryStreamExt;
use oci_client::client::{ClientConfig, ClientProtocol};
use oci_client::errors::{OciDistributionError, OciEnvelope, OciErrorCode};
use oci_client::manifest::OCI_IMAGE_MEDIA_TYPE;
use oci_client::secrets::RegistryAuth;
use oci_client::{Client, Reference};
use tokio::time::timeout;
use zeroize::Zeroizing;

use super::artifact::{Artifact, Destination, Manifest, NotIt, Packed, Pulled, sha256};

/// Who asks a registry.
#[derive(Debug)]
pub(crate) struct Credentials {
    /// The user's name.
    pub(crate) user: String,
    /// The password, or a token that stands for one.
    pub(crate) password: Zeroizing<String>,
}

/// Pulls `artifact`, whose component may have `limit` bytes.
pub(crate) async fn pull(
    artifact: &Artifact,
    credentials: Option<&Credentials>,
    limit: usize,
) -> Result<Pulled, RegistryError> {
    let refused = |reason| RegistryError { place: artifact.to_string(), reason };

    let pulled = timeout(LONGEST, try_pull(artifact, credentials, limit));
    pulled.await.unwrap_or(Err(Reason::Late)).map_err(refused)
}

/// Pushes `packed`; returns what it is named by.
pub(crate) async fn push(
    Destination(place): &Destination,
    packed: Packed,
    credentials: Option<&Credentials>,
) -> Result<Artifact, RegistryError> {
    let refused = |reason| RegistryError { place: format!("oci://{place}"), reason };

    let pushed = timeout(LONGEST, try_push(place, packed, credentials));
    pushed.await.unwrap_or(Err(Reason::Late)).map_err(refused)
}

/// Why a component is not pulled or pushed.
#[derive(Debug, thiserror::Error)]
#[error("{place}: {reason}")]
pub(crate) struct RegistryError {
    place: String,
    reason: Reason,
}

#[derive(Debug, thiserror::Error)]
enum Reason {
    #[error("{0}")]
    NotIt(#[from] NotIt),
    #[error("the registry does not let this be done without other credentials")]
    Denied,
    #[error("the registry has none such")]
    Missing,
    #[error("the registry sends more than it said")]
    TooMuch,
    #[error("the registry was not done within {LONGEST:?}")]
    Late,
    #[error("the registry cannot be used: {0}")]
    Other(Box<OciDistributionError>),
}

impl From<OciDistributionError> for Reason {
    fn from(error: OciDistributionError) -> Self {
        #[expect(clippy::wildcard_enum_match_arm, reason = "the others are for the operator to read")]
        match error {
            OciDistributionError::RegistryError { envelope, .. } if says(&envelope, &UNKNOWN) => {
                Self::Missing
            }
            OciDistributionError::RegistryError { envelope, .. } if says(&envelope, &DENIED) => Self::Denied,
            OciDistributionError::AuthenticationFailure(_)
            | OciDistributionError::UnauthorizedError { .. }
            | OciDistributionError::ServerError { code: 401 | 403, .. } => Self::Denied,
            OciDistributionError::ImageManifestNotFoundError(_)
            | OciDistributionError::ServerError { code: 404, .. } => Self::Missing,
            error => Self::Other(Box::new(error)),
        }
    }
}

fn says(envelope: &OciEnvelope, codes: &[OciErrorCode]) -> bool {
    envelope.errors.iter().any(|error| codes.contains(&error.code))
}

async fn try_pull(
    artifact: &Artifact,
    credentials: Option<&Credentials>,
    limit: usize,
) -> Result<Pulled, Reason> {
    let place = artifact.reference();
    let client = client(place)?;

    let manifest = client.pull_manifest_raw(place, &auth(credentials), &[OCI_IMAGE_MEDIA_TYPE]).await;
    let (manifest, _) = manifest?;
    let manifest = Manifest::new(artifact, manifest.into(), limit)?;

    let mut pieces = client.pull_blob_stream(place, manifest.layer()).await?.stream;
    let mut component = Vec::new();
    while let Some(piece) = pieces.try_next().await.map_err(OciDistributionError::from)? {
        component.extend_from_slice(&piece);
        if component.len() > limit {
            return Err(Reason::TooMuch);
        }
    }
    Ok(manifest.with(component)?)
}

async fn try_push(
    place: &Reference,
    Packed { component, configuration, manifest }: Packed,
    credentials: Option<&Credentials>,
) -> Result<Artifact, Reason> {
    let client = client(place)?;
    client.store_auth_if_needed(place.resolve_registry(), &auth(credentials)).await;

    for blob in [component, configuration] {
        let digest = sha256(&blob);
        client.push_blob(place, blob, &digest).await?;
    }

    let artifact = Artifact::of(place, &manifest);
    let media_type =
        OCI_IMAGE_MEDIA_TYPE.parse().map_err(|_text| OciDistributionError::GenericError(None))?;
    client.push_manifest_raw(place, manifest, media_type).await?;
    Ok(artifact)
}

fn client(place: &Reference) -> Result<Client, OciDistributionError> {
    // What never leaves the machine needs no TLS, and a digest is checked in any case.
    let protocol = if is_loopback(place.registry()) { ClientProtocol::Http } else { ClientProtocol::Https };

    Client::try_from(ClientConfig {
        protocol,
        platform_resolver: None,
        connect_timeout: Some(CONNECT),
        read_timeout: Some(READ),
        user_agent: concat!("keyport/", env!("CARGO_PKG_VERSION")),
        ..ClientConfig::default()
    })
}

fn auth(credentials: Option<&Credentials>) -> RegistryAuth {
    match credentials {
        Some(Credentials { user, password }) => RegistryAuth::Basic(user.clone(), password.to_string()),
        None => RegistryAuth::Anonymous,
    }
}

/// Whether a registry, a name or address with or without a port, is on this machine.
fn is_loopback(registry: &str) -> bool {
    let host = registry.rsplit_once(':').map_or(registry, |(host, _port)| host);

    host == "localhost" || host.trim_matches(['[', ']']).parse().is_ok_and(|ip: IpAddr| ip.is_loopback())
}

/// What registries call absent, and forbidden (OCI distribution specification, "Error Codes").
const UNKNOWN: [OciErrorCode; 3] =
    [OciErrorCode::BlobUnknown, OciErrorCode::ManifestUnknown, OciErrorCode::NameUnknown];
const DENIED: [OciErrorCode; 2] = [OciErrorCode::Denied, OciErrorCode::Unauthorized];

const CONNECT: Duration = Duration::from_secs(10);
/// Between two pieces of an answer.
const READ: Duration = Duration::from_secs(30);
/// All of it.
const LONGEST: Duration = Duration::from_secs(300);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_this_machine_is_spoken_to_without_tls() {
        for registry in ["localhost", "localhost:5000", "127.0.0.1:5000", "127.1.2.3"] {
            assert!(is_loopback(registry), "{registry}");
        }
        for registry in ["ghcr.io", "localhost.example:80", "127.0.0.1.example:5000", "10.0.0.1:5000", ""] {
            assert!(!is_loopback(registry), "{registry}");
        }
    }
}
