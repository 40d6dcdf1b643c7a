//! Who the gateway is at Google: access tokens, from wherever the credentials say.
//!
//! Google's own crate for this, google-cloud-auth, brings clients of HTTP of its own, which take no authorities and no proxy
//! but the environment's, and ends for good with the first credential that is refused: a key file that is exchanged after that would need
//! a restart. What it does on the wire is little, and here.

mod file;
mod jwt;
mod source;

use std::path::PathBuf;

use keyport_core::{Failure, FailureKind};

#[cfg(any(fuzzing, test))]
pub(super) use file::fuzz as fuzz_file;
pub(super) use source::Source;
#[cfg(any(fuzzing, test))]
pub(super) use source::fuzz as fuzz_answer;

use crate::secret_file::SecretFileError;

/// Why credentials do not do.
#[derive(Debug, thiserror::Error)]
pub enum CredentialsError {
    /// Of a kind that is not taken.
    #[error("the credentials in {file} are {kind}, which is not taken: {mend}")]
    Kind {
        /// Which file.
        file: PathBuf,
        /// What they are.
        kind: &'static str,
        /// What to use instead.
        mend: &'static str,
    },
    /// The file is not one of Google's.
    #[error("{file} holds no credentials of Google's: {cause}")]
    Malformed {
        /// Which file.
        file: PathBuf,
        /// What is wrong with it, and nothing of what is in it.
        cause: String,
    },
    /// The metadata server has no such name.
    #[error("`{0}` is no host of a metadata server")]
    Metadata(String),
    /// The file cannot be read.
    #[error(transparent)]
    Secret(#[from] SecretFileError),
    /// Somebody else could read a subject token on its way.
    #[error(
        "`credential_source.url` in {0} must be https://HOST[:PORT][/PATH]; http:// is for addresses of this machine and for its \
         metadata service, at a link-local address or metadata.google.internal"
    )]
    SubjectUrl(PathBuf),
    /// Somebody else could read a secret on its way.
    #[error(
        "`{field}` in {file} must be https://HOST[:PORT][/PATH]; http:// is for addresses of this machine alone"
    )]
    Url {
        /// Which file.
        file: PathBuf,
        /// Whose URL it is.
        field: &'static str,
    },
}

/// Credentials that were not taken.
fn refused(message: impl Into<String>) -> Failure {
    Failure { code: UNAUTHENTICATED, ..Failure::new(FailureKind::Credentials, message) }
}

/// Google's code, as `google.rpc.Code` has it.
const UNAUTHENTICATED: u32 = 16;
