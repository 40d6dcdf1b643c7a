//! Components that were pulled from registries, kept so that a start needs no registry.
//!
//! Each is two files under the digest of its manifest: the manifest, and the component that it names. Both are checked
//! against the digest whenever they are read.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::artifact::{Artifact, Manifest, NotIt, Pulled};
use super::registry::{RegistryError, pull};
use crate::private_file;

/// Components from registries, in a folder.
#[derive(Debug)]
pub(crate) struct Kept {
    /// The folder.
    pub(crate) folder: PathBuf,
    /// Whether what is pulled is put there; otherwise the folder is only read.
    pub(crate) is_written: bool,
    /// Bytes of a component.
    pub(crate) limit: usize,
}

impl Kept {
    /// The component that is kept, or the registry's.
    pub(crate) async fn component(&self, artifact: &Artifact) -> Result<Pulled, RegistryError> {
        match self.read(artifact) {
            Ok(Some(kept)) => return Ok(kept),
            Ok(None) => {}
            Err(error) => tracing::warn!(%artifact, %error, "the component that was kept is not used"),
        }

        let pulled = pull(artifact, None, self.limit).await?;
        tracing::info!(%artifact, "component pulled");
        if self.is_written
            && let Err(error) = self.write(artifact, &pulled)
        {
            tracing::warn!(%artifact, %error, "the component cannot be kept: the next start pulls it again");
        }
        Ok(pulled)
    }

    fn read(&self, artifact: &Artifact) -> Result<Option<Pulled>, Unusable> {
        let (manifest, component) = self.files(artifact);
        let (Some(manifest), Some(component)) = (bytes_of(&manifest)?, bytes_of(&component)?) else {
            return Ok(None);
        };

        Ok(Some(Manifest::new(artifact, manifest, self.limit)?.with(component)?))
    }

    fn write(&self, artifact: &Artifact, pulled: &Pulled) -> io::Result<()> {
        private_file::folder(&self.folder)?;
        let (manifest, component) = self.files(artifact);
        private_file::replace(&component, &pulled.component)?;

        private_file::replace(&manifest, &pulled.manifest)
    }

    fn files(&self, artifact: &Artifact) -> (PathBuf, PathBuf) {
        let file = self.folder.join(artifact.digits());

        (file.with_extension("json"), file.with_extension("wasm"))
    }
}

#[derive(Debug, thiserror::Error)]
enum Unusable {
    #[error("{0}")]
    NotIt(#[from] NotIt),
    #[error("{0}")]
    Unreadable(#[from] io::Error),
}

/// What is in `file`, if it is there.
fn bytes_of(file: &Path) -> io::Result<Option<Vec<u8>>> {
    match fs::read(file) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        read => read.map(Some),
    }
}
