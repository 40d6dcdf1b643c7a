//! Components in registries: how they are named, and how they lie there.
//!
//! The layout is that of the CNCF's Wasm OCI artifacts: a manifest with one layer of type `application/wasm`, which is the
//! component, and a configuration of type `application/vnd.wasm.config.v0+json`. What is signed of a component stands in an
//! annotation of the manifest, as the text of the file that lies beside a component elsewhere.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use aws_lc_rs::digest::{SHA256, digest};
use oci_client::Reference;
use oci_client::client::{Config, ImageLayer};
use oci_client::manifest::{OCI_IMAGE_MEDIA_TYPE, OciDescriptor, OciImageManifest};
use serde_json::json;

/// A component in a registry, by the digest of its manifest: `oci://REGISTRY/REPOSITORY@sha256:DIGITS`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Artifact(Reference);

impl Artifact {
    /// The one at `place` that has this manifest.
    pub(super) fn of(place: &Reference, manifest: &[u8]) -> Self {
        Self(place.clone_with_digest(sha256(manifest)))
    }

    /// How registries are asked for it.
    pub(super) fn reference(&self) -> &Reference {
        &self.0
    }

    /// The 64 hexadecimal digits of its digest.
    pub(super) fn digits(&self) -> &str {
        self.digest().trim_start_matches(SHA256_PREFIX)
    }

    fn digest(&self) -> &str {
        self.0.digest().unwrap_or_default()
    }
}

impl FromStr for Artifact {
    type Err = BadArtifact;

    fn from_str(text: &str) -> Result<Self, BadArtifact> {
        let reference = text.strip_prefix(SCHEME).and_then(reference).ok_or(BadArtifact)?;
        // Some short names stand for longer ones.
        let is_whole = text.strip_prefix(SCHEME) == Some(reference.whole().as_str());
        let is_digest = |text: &str| {
            text.strip_prefix(SHA256_PREFIX).is_some_and(|digits| {
                digits.len() == 64 && digits.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
            })
        };

        // A tag beside the digest would say nothing, and could say something wrong.
        let is_right = is_whole && reference.tag().is_none() && reference.digest().is_some_and(is_digest);
        is_right.then_some(Self(reference)).ok_or(BadArtifact)
    }
}

impl fmt::Display for Artifact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{SCHEME}{}", self.0)
    }
}

/// A text that names no component in a registry.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("write oci://REGISTRY/REPOSITORY@sha256:DIGITS, as printed by: keyport provider push")]
pub(crate) struct BadArtifact;

/// Where a component is pushed to: `oci://REGISTRY/REPOSITORY:TAG`.
#[derive(Clone, Debug)]
pub(crate) struct Destination(pub(super) Reference);

impl FromStr for Destination {
    type Err = BadDestination;

    fn from_str(text: &str) -> Result<Self, BadDestination> {
        let reference = text.strip_prefix(SCHEME).and_then(reference);

        reference.filter(|reference| reference.digest().is_none()).map(Self).ok_or(BadDestination)
    }
}

/// A text that is no place to push to.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("write oci://REGISTRY/REPOSITORY:TAG")]
pub(crate) struct BadDestination;

/// A component as it is pushed.
#[derive(Debug)]
pub(crate) struct Packed {
    pub(super) component: Vec<u8>,
    pub(super) configuration: Vec<u8>,
    pub(super) manifest: Vec<u8>,
}

impl Packed {
    /// Packs a component that has these imports and exports, and the text of its file of signatures. The same gives the
    /// same bytes, so that its digest does not depend on when it is pushed.
    pub(crate) fn new(
        component: Vec<u8>,
        (imports, exports): (&[&str], &[String]),
        signatures: Option<String>,
    ) -> serde_json::Result<Self> {
        let configuration = json!({
            "architecture": "wasm",
            "component": { "exports": exports, "imports": imports },
            "created": "1970-01-01T00:00:00Z",
            "layerDigests": [sha256(&component)],
            "os": "wasip2",
        });
        let configuration = Config::new(serde_json::to_vec(&configuration)?, CONFIGURATION.to_owned(), None);
        let layer = ImageLayer::new(component, LAYER.to_owned(), None);
        let annotations = signatures.map(|text| BTreeMap::from([(SIGNATURES.to_owned(), text)]));

        let mut manifest = OciImageManifest::build(std::slice::from_ref(&layer), &configuration, annotations);
        manifest.media_type = Some(OCI_IMAGE_MEDIA_TYPE.to_owned());
        Ok(Self {
            component: layer.data.into(),
            configuration: configuration.data.into(),
            manifest: serde_json::to_vec(&manifest)?,
        })
    }
}

/// The manifest of an artifact. It is the one that the artifact's digest names, and is that of a component.
#[derive(Debug)]
pub(super) struct Manifest {
    bytes: Vec<u8>,
    layer: OciDescriptor,
    signatures: Option<String>,
}

impl Manifest {
    /// Reads what is said to be the manifest of `artifact`, whose component may have `limit` bytes.
    pub(super) fn new(artifact: &Artifact, bytes: Vec<u8>, limit: usize) -> Result<Self, NotIt> {
        if sha256(&bytes) != artifact.digest() {
            return Err(NotIt::Manifest);
        }
        let OciImageManifest { config, layers, annotations, .. } =
            serde_json::from_slice(&bytes).map_err(NotIt::Json)?;
        let [layer] = <[OciDescriptor; 1]>::try_from(layers).map_err(|_others| NotIt::Layout)?;
        if config.media_type != CONFIGURATION || layer.media_type != LAYER {
            return Err(NotIt::Layout);
        }
        match usize::try_from(layer.size) {
            Ok(size) if size <= limit => {}
            Ok(_) | Err(_) => return Err(NotIt::TooLarge { size: layer.size, limit }),
        }

        Ok(Self { bytes, layer, signatures: annotations.and_then(|mut all| all.remove(SIGNATURES)) })
    }

    /// The layer that is the component.
    pub(super) fn layer(&self) -> &OciDescriptor {
        &self.layer
    }

    /// The whole, if `component` is what the manifest names.
    pub(super) fn with(self, component: Vec<u8>) -> Result<Pulled, NotIt> {
        if sha256(&component) != self.layer.digest {
            return Err(NotIt::Component);
        }

        Ok(Pulled { manifest: self.bytes, component, signatures: self.signatures })
    }
}

/// A component that came from a registry, and is what was asked for.
#[derive(Debug)]
pub(crate) struct Pulled {
    pub(super) manifest: Vec<u8>,
    /// The component's bytes.
    pub(crate) component: Vec<u8>,
    /// The text of its signatures, if its manifest has one.
    pub(crate) signatures: Option<String>,
}

/// Why something is not the component that was asked for.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NotIt {
    /// The manifest is another.
    #[error("its manifest is not the one of this digest")]
    Manifest,
    /// The manifest is none.
    #[error("its manifest cannot be read: {0}")]
    Json(serde_json::Error),
    /// Something else is packed there.
    #[error("it is no WebAssembly component: its manifest must have one layer, of type application/wasm")]
    Layout,
    /// The component is too large.
    #[error("its component has {size} bytes, and the limit is {limit}")]
    TooLarge {
        /// Its bytes, as the manifest says.
        size: i64,
        /// The most there may be.
        limit: usize,
    },
    /// The component is another.
    #[error("its component is not the one that its manifest names")]
    Component,
}

/// Reads what a registry says is the manifest that was asked for.
#[cfg(fuzzing)]
pub(crate) fn fuzz(bytes: &[u8]) {
    if let Ok(Destination(place)) = "oci://localhost/component".parse() {
        drop(Manifest::new(&Artifact::of(&place, bytes), bytes.to_vec(), 1 << 20));
    }
}

/// A reference that names its registry, and does not mean one by leaving it out.
fn reference(text: &str) -> Option<Reference> {
    let reference: Reference = text.parse().ok()?;

    text.strip_prefix(reference.registry())?.starts_with('/').then_some(reference)
}

/// The digest of something in a registry, as it is written there.
pub(super) fn sha256(bytes: &[u8]) -> String {
    format!("{SHA256_PREFIX}{}", hex::encode(digest(&SHA256, bytes)))
}

const SCHEME: &str = "oci://";
const SHA256_PREFIX: &str = "sha256:";
const CONFIGURATION: &str = "application/vnd.wasm.config.v0+json";
const LAYER: &str = "application/wasm";

/// The annotation with the text of the file of signatures.
pub(super) const SIGNATURES: &str = "keyport.component.signatures";

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn packed(component: &[u8], signatures: Option<&str>) -> (Artifact, Packed) {
        let exports = ["keyport:provider/provider@0.1.0".to_owned()];
        let packed =
            Packed::new(component.to_vec(), (&["a:b/c"], &exports), signatures.map(str::to_owned)).unwrap();
        let Destination(place) = "oci://localhost:5000/mine:1".parse().unwrap();

        (Artifact::of(&place, &packed.manifest), packed)
    }

    #[test]
    fn what_is_packed_is_found_again_and_has_the_same_digest_every_time() {
        let (artifact, one) = packed(b"component", Some("signatures"));
        let (same, _) = packed(b"component", Some("signatures"));
        assert_eq!(artifact, same);

        let manifest = Manifest::new(&artifact, one.manifest.clone(), 9).unwrap();
        assert_eq!(manifest.layer().media_type, "application/wasm");
        let pulled = manifest.with(b"component".to_vec()).unwrap();
        assert_eq!(pulled.signatures.as_deref(), Some("signatures"));
        assert_eq!(pulled.manifest, one.manifest);
    }

    #[test]
    fn whatever_is_not_what_was_asked_for_is_refused() {
        let (artifact, packed_one) = packed(b"component", None);
        let (_, other) = packed(b"another", None);
        let manifest = || Manifest::new(&artifact, packed_one.manifest.clone(), 100).unwrap();

        assert!(matches!(Manifest::new(&artifact, other.manifest, 100), Err(NotIt::Manifest)));
        assert!(matches!(manifest().with(b"another".to_vec()), Err(NotIt::Component)));
        let too_large = Manifest::new(&artifact, packed_one.manifest.clone(), 8).unwrap_err();
        assert_eq!(too_large.to_string(), "its component has 9 bytes, and the limit is 8");
    }

    #[test]
    fn an_image_of_something_else_is_refused() {
        let (_, Packed { manifest, .. }) = packed(b"component", None);
        let manifest = String::from_utf8(manifest).unwrap();
        let Destination(place) = "oci://localhost:5000/mine".parse().unwrap();

        for other in [
            manifest.replace("application/wasm", "application/vnd.oci.image.layer.v1.tar"),
            manifest
                .replace("application/vnd.wasm.config.v0+json", "application/vnd.oci.image.config.v1+json"),
            manifest.replace("\"size\":9", "\"size\":-9"),
            "{}".to_owned(),
            String::new(),
        ] {
            assert_ne!(other, manifest);
            let artifact = Artifact::of(&place, other.as_bytes());
            assert!(Manifest::new(&artifact, other.into_bytes(), 100).is_err());
        }
    }

    #[test]
    fn an_artifact_names_its_registry_and_its_digest_and_nothing_else() {
        let digest = format!("sha256:{}", "0a".repeat(32));
        let right = format!("oci://ghcr.io/acme/provider@{digest}");
        assert_eq!(right.parse::<Artifact>().unwrap().to_string(), right);
        assert_eq!(right.parse::<Artifact>().unwrap().digits(), "0a".repeat(32));

        for text in [
            String::new(),
            format!("ghcr.io/acme/provider@{digest}"),
            format!("oci://acme/provider@{digest}"),
            format!("oci://provider@{digest}"),
            format!("oci://ghcr.io/acme/provider:1@{digest}"),
            format!("oci://ghcr.io/acme/provider@{}", digest.to_uppercase()),
            format!("oci://ghcr.io/acme/provider@sha512:{}", "0a".repeat(64)),
            "oci://ghcr.io/acme/provider:1".to_owned(),
            "oci://ghcr.io/acme/provider".to_owned(),
            format!("oci://ghcr.io/../provider@{digest}"),
            format!("oci://docker.io/provider@{digest}"),
            format!("oci://index.docker.io/acme/provider@{digest}"),
        ] {
            assert_eq!(text.parse::<Artifact>(), Err(BadArtifact), "{text}");
        }
        for text in [&right, "ghcr.io/acme/provider:1", "oci://provider:1", "oci://"] {
            assert_eq!(text.parse::<Destination>().unwrap_err(), BadDestination, "{text}");
        }
    }

    proptest! {
        #[test]
        fn nothing_panics(text: String, bytes: Vec<u8>) {
            prop_assert!(text.parse::<Artifact>().is_err());
            let Destination(place) = "oci://localhost:5000/mine".parse().unwrap();
            prop_assert!(Manifest::new(&Artifact::of(&place, &bytes), bytes, 100).is_err());
        }
    }
}
