//! A vault as it is configured, and why it may not do.

use std::path::PathBuf;
use std::time::Duration;

use super::certificate::CertificateError;
use crate::cloud::{Rate, Rates, Template, WebError};
use crate::secret_file::SecretFileError;

/// A vault or managed HSM to be reached.
#[derive(Debug)]
pub struct Connection {
    /// `https://NAME.vault.azure.net`, or `https://NAME.managedhsm.azure.net`.
    pub vault: String,
    /// How the names of this gateway's keys begin; a hyphen and the key-id follow.
    pub prefix: String,
    /// Who the gateway is.
    pub login: Login,
    /// What the access tokens are for: `https://vault.azure.net`, or `https://managedhsm.azure.net`.
    pub resource: String,
    /// Whether new keys are kept in an HSM: a vault of tier Premium, or a managed HSM.
    pub hsm: bool,
    /// Tags of new keys beside the gateway's own: names, and what they say.
    pub tags: Vec<(String, Template)>,
    /// Whether each signature is verified with the public half before it leaves. The answers carry nothing to check them by.
    pub verify: bool,
    /// How long after a key was made nobody else can have made it as early: a second, in which vaults count.
    pub settling: Duration,
    /// How long it is in doubt whether there will be a key whose making was not answered.
    pub doubt: Duration,
    /// Whether nobody asked for keys there before, so that only those which this connection asks for are in doubt.
    pub first: bool,
    /// How many calls the vault takes.
    pub rates: Rates,
    /// Who vouches for the vault, PEM; without it, whom the operating system trusts.
    pub ca: Option<PathBuf>,
    /// `http://HOST:PORT` of a proxy that everything but the machine's identity is reached through.
    pub proxy: Option<String>,
}

/// Who the gateway is at Microsoft Entra.
#[derive(Clone, Debug)]
pub enum Login {
    /// An application with a certificate, a secret, or a token of another identity provider's.
    Application {
        /// Where tokens are given out: `https://login.microsoftonline.com`.
        authority: String,
        /// The directory's id.
        tenant: String,
        /// The application's id.
        client: String,
        /// How it proves that it is this one.
        proof: Proof,
    },
    /// A managed identity: the machine's.
    Managed {
        /// The identity's client id, where the machine has several.
        client: Option<String>,
        /// Where the metadata service is: `http://169.254.169.254`.
        metadata: String,
    },
}

/// How an application proves who it is. Files are read anew for every access token.
#[derive(Clone, Debug)]
pub enum Proof {
    /// A certificate that Entra knows, and a file of mode 0600 with its key: both PEM, and possibly one file.
    Certificate {
        /// The certificate.
        certificate: PathBuf,
        /// Its key, of RSA.
        key: PathBuf,
    },
    /// A file with its secret, of mode 0600.
    Secret(PathBuf),
    /// A file with a token that another identity provider renews, such as Kubernetes's.
    Federated(PathBuf),
}

impl Connection {
    /// Vaults say in whole seconds when a version was made.
    pub const SETTLING: Duration = Duration::from_secs(1);

    /// What Azure takes of a vault by default: transactions in ten seconds, and fewer keys made.
    #[must_use]
    pub fn usual_rates(hsm: bool) -> Rates {
        let sign = if hsm { 100.0 } else { 200.0 };

        Rates {
            sign: Some(Rate { per_second: sign, burst: 200 }),
            read: Some(Rate { per_second: 200.0, burst: 200 }),
            manage: Some(Rate { per_second: 0.5, burst: 5 }),
        }
    }
}

/// Why a vault cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// No place where tokens are given out.
    #[error("`{0}` is no URL of an authority: write https://HOST")]
    Authority(String),
    /// The certificate proves nothing.
    #[error(transparent)]
    Certificate(#[from] CertificateError),
    /// The identity's names are none.
    #[error("the directory's and the application's ids are UUIDs or names, without slashes")]
    Identity,
    /// No place where a machine's identity is told.
    #[error("`metadata`: `{0}` is no URL: write http://169.254.169.254")]
    Metadata(String),
    /// No beginning of names.
    #[error("`{0}` cannot begin the names of keys: write 1 to 90 letters, digits and hyphens")]
    Prefix(String),
    /// The secret cannot be read.
    #[error(transparent)]
    Secret(#[from] SecretFileError),
    /// Too many tags, or one that is the gateway's own.
    #[error("tags: 12 at most, each of 1 to 256 bytes, and none that begins with `keyport`")]
    Tags,
    /// The vault is no URL.
    #[error("`vault` must be https://HOST; http:// is for addresses of this machine alone")]
    Vault,
    /// There is no client.
    #[error(transparent)]
    Web(#[from] WebError),
}
