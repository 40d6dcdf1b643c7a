//! Components from outside: where they come from, and by whom they are signed.

mod artifact;
mod kept;
mod key;
mod registry;
mod signature;
#[cfg(test)]
mod tests;

#[cfg(fuzzing)]
pub(crate) use artifact::fuzz as fuzz_manifest;
pub(crate) use artifact::{Artifact, BadArtifact, Destination, Packed};
pub(crate) use kept::Kept;
pub(crate) use key::{Signer, SigningKey};
pub(crate) use registry::{Credentials, pull, push};
pub(crate) use signature::{Signatures, Unsigned, file_beside};
