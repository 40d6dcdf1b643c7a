//! A key ring as it is configured, and why it may not do.

use std::path::PathBuf;
use std::time::Duration;

use super::credentials::CredentialsError;
use crate::cloud::{Rate, Rates, Template, WebError};

/// A key ring to be reached.
#[derive(Debug)]
pub struct Connection {
    /// `projects/PROJECT/locations/LOCATION/keyRings/RING`.
    pub key_ring: String,
    /// How the names of this gateway's keys begin; a hyphen and the key-id follow.
    pub prefix: String,
    /// Where Google's service is: `https://cloudkms.googleapis.com`, or another way to it.
    pub endpoint: String,
    /// Who the gateway is.
    pub credentials: Credentials,
    /// The project whose quota is spent, where it is not that of the credentials.
    pub quota_project: Option<String>,
    /// Where new keys are kept.
    pub protection: Protection,
    /// How new RSA keys sign.
    pub rsa: Rsa,
    /// Labels of new keys beside the gateway's own: names, and what they say.
    pub labels: Vec<(String, Template)>,
    /// How long a destroyed key can be restored; without it, as long as Google says.
    pub destroy_after: Option<Duration>,
    /// Whether each signature is verified with the public half before it leaves.
    pub verify: bool,
    /// How long it is in doubt whether there will be a key whose making was not answered.
    pub doubt: Duration,
    /// Whether nobody asked for keys there before, so that only those which this connection asks for are in doubt.
    pub first: bool,
    /// How many calls the project's quota allows.
    pub rates: Rates,
    /// Who vouches for the service, PEM; without it, whom the operating system trusts.
    pub ca: Option<PathBuf>,
    /// `http://HOST:PORT` of a proxy that everything but the metadata server is reached through.
    pub proxy: Option<String>,
}

/// Who the gateway is at Google.
#[derive(Clone, Debug)]
pub enum Credentials {
    /// The application default credentials.
    Default {
        /// The file that the environment names.
        file: Option<PathBuf>,
        /// Without that, gcloud's folder: `gcloud auth application-default login` may have written one there.
        folder: Option<PathBuf>,
        /// Without either, the metadata server at this host, or at Google's.
        metadata: Option<String>,
    },
    /// A file of mode 0600: a service account's key, a workload identity federation's configuration, or what gcloud writes.
    File(PathBuf),
    /// The service account of the machine or pod, told by the metadata server at this host.
    Metadata(String),
}

/// Where a key is kept (Google's `ProtectionLevel`).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Protection {
    /// In an HSM.
    Hsm,
    /// In software.
    Software,
}

impl Protection {
    /// Every one.
    pub const ALL: [Self; 2] = [Self::Hsm, Self::Software];

    /// Its name in configuration.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Hsm => "hsm",
            Self::Software => "software",
        }
    }

    /// What Google calls it.
    pub(super) fn wire(self) -> &'static str {
        match self {
            Self::Hsm => "HSM",
            Self::Software => "SOFTWARE",
        }
    }

    /// What Google's default quotas allowed a project until February 2026, counted by the minute. Since then they follow what each
    /// project uses, and hardly any is enforced while Google has room.
    #[must_use]
    pub fn rates(self) -> Rates {
        let sign = match self {
            Self::Hsm => Rate { per_second: 50.0, burst: 50 },
            Self::Software => Rate { per_second: 1000.0, burst: 1000 },
        };

        Rates {
            sign: Some(sign),
            read: Some(Rate { per_second: 5.0, burst: 60 }),
            manage: Some(Rate { per_second: 1.0, burst: 20 }),
        }
    }
}

/// How an RSA key signs: each can do one of them, for good.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Rsa {
    /// RSASSA-PKCS1-v1_5 with every hash: the gateway hands over the DigestInfo.
    Pkcs1Raw,
    /// RSASSA-PKCS1-v1_5 with SHA-256.
    Pkcs1Sha256,
    /// RSASSA-PKCS1-v1_5 with SHA-512; only of 4096 bits.
    Pkcs1Sha512,
    /// RSASSA-PSS with SHA-256.
    PssSha256,
    /// RSASSA-PSS with SHA-512; only of 4096 bits.
    PssSha512,
}

impl Rsa {
    /// Every one.
    pub const ALL: [Self; 5] =
        [Self::Pkcs1Raw, Self::Pkcs1Sha256, Self::Pkcs1Sha512, Self::PssSha256, Self::PssSha512];

    /// Its name in configuration.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pkcs1Raw => "pkcs1-raw",
            Self::Pkcs1Sha256 => "pkcs1-sha256",
            Self::Pkcs1Sha512 => "pkcs1-sha512",
            Self::PssSha256 => "pss-sha256",
            Self::PssSha512 => "pss-sha512",
        }
    }
}

/// Why a key ring cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The credentials do not do.
    #[error(transparent)]
    Credentials(#[from] CredentialsError),
    /// No time that Google takes.
    #[error("`destroy-after`: Google takes 1 to 120 days")]
    DestroyAfter,
    /// The endpoint is no URL.
    #[error("`endpoint` must be https://HOST[:PORT]; http:// is for addresses of this machine alone")]
    Endpoint,
    /// No key ring's name.
    #[error("`{0}` is no key ring: write projects/PROJECT/locations/LOCATION/keyRings/RING")]
    KeyRing(String),
    /// No label's name.
    #[error(
        "`{0}` is no label of your own: write 1 to 63 of a-z, 0-9, _ and -, a letter first and not `keyport` before it"
    )]
    Label(String),
    /// No beginning of names.
    #[error("`{0}` cannot begin the names of keys: write 1 to 30 letters, digits, hyphens and underscores")]
    Prefix(String),
    /// The quota project cannot be sent.
    #[error("`quota-project` is no project's id")]
    QuotaProject,
    /// There is no client.
    #[error(transparent)]
    Web(#[from] WebError),
}
