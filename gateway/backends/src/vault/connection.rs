//! A transit engine as it is configured, and why it cannot be used.

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

use keyport_core::secret::Secret;

use crate::cloud::Rates;
use crate::http::{self, TrustError};
use crate::secret_file::SecretFileError;

/// One transit engine of a Vault or OpenBao.
#[derive(Debug)]
pub struct Connection {
    /// Where the server is: `https://HOST[:PORT]`. `http` is for addresses of this machine alone, such as an agent's.
    pub address: String,
    /// Who vouches for it, PEM; without it, whom the operating system trusts.
    pub ca: Option<PathBuf>,
    /// The proxy on the way there: `http://HOST:PORT`.
    pub proxy: Option<String>,
    /// The namespace that engine and login are in (`X-Vault-Namespace`).
    pub namespace: Option<String>,
    /// Where the engine is mounted.
    pub mount: String,
    /// Whether the engine is mounted when a key is made and it is not there.
    pub create_mount: bool,
    /// What this gateway's keys begin with: `PREFIX-KEYID`.
    pub prefix: String,
    /// How the gateway proves who it is.
    pub login: Login,
    /// The engine that it must be, as [`Backend::identity`](keyport_core::backend::Backend::identity) said it once; nothing is shown
    /// to another one.
    pub identity: Option<String>,
    /// Whether each signature is verified with the key's public half.
    pub verify: bool,
    /// How long it is in doubt whether there will be a key whose making was not answered.
    pub doubt: Duration,
    /// Whether nobody asked for keys there before, so that only those which this connection asks for are in doubt.
    pub first: bool,
    /// How many requests are on their way at once; others wait.
    pub in_flight: NonZeroUsize,
    /// How many requests the server takes. It has no quotas but those that its operators set.
    pub rates: Rates,
}

/// How the gateway proves who it is. Files are read again at each login.
#[derive(Debug)]
pub enum Login {
    /// Role id and secret id (`auth/approle`).
    AppRole {
        /// Where the method is mounted.
        mount: String,
        /// Which role.
        role_id: String,
        /// A file of mode 0600 with the secret id; `None` where the role is bound to addresses alone.
        secret_id: Option<PathBuf>,
    },
    /// A client's certificate (`auth/cert`).
    Certificate {
        /// Where the method is mounted.
        mount: String,
        /// Which role; without it, whichever fits.
        role: Option<String>,
        /// The certificate and those that lead to its authority, PEM.
        certificate: PathBuf,
        /// Its private key, PEM, in a file of mode 0600.
        key: PathBuf,
    },
    /// A signed statement of who this is (`auth/jwt`, and `auth/kubernetes` with a service account's token).
    Jwt {
        /// Where the method is mounted.
        mount: String,
        /// Which role.
        role: String,
        /// The file with it. Whoever puts it there, often a platform, says who may read it.
        token: PathBuf,
    },
    /// A token.
    Token(Secret),
    /// A file of mode 0600 with a token, such as an agent keeps.
    TokenFile(PathBuf),
}

/// Why an engine cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The address is none that can be called.
    #[error("the address must be https://HOST[:PORT]; http:// is for addresses of this machine alone")]
    Address(#[source] http::OpenError),
    /// A certificate or its key cannot be read.
    #[error("cannot read {path}")]
    Certificate {
        /// Which file.
        path: PathBuf,
        /// Why.
        #[source]
        cause: rustls_pki_types::pem::Error,
    },
    /// The client cannot be made.
    #[error("a client of HTTP cannot be made")]
    Client(#[source] reqwest::Error),
    /// What the gateway proves with who it is cannot be sent.
    #[error("{0} is empty, or no text in ASCII")]
    Credential(String),
    /// A file that a platform puts there cannot be read.
    #[error("cannot read {path}")]
    File {
        /// Which file.
        path: PathBuf,
        /// Why.
        #[source]
        cause: std::io::Error,
    },
    /// A name is none that the server would take.
    #[error(
        "`{0}` is no name there: write letters, digits, `-`, `_` and `.`; `/` stands between the parts of a path"
    )]
    Name(String),
    /// The proxy is none.
    #[error("the proxy must be http://HOST:PORT")]
    Proxy(#[source] reqwest::Error),
    /// A secret cannot be read.
    #[error(transparent)]
    Secret(#[from] SecretFileError),
    /// Nobody can be believed.
    #[error(transparent)]
    Trust(#[from] TrustError),
}

impl Connection {
    /// Refuses names that would be other paths than they look like.
    pub(super) fn check(&self) -> Result<(), OpenError> {
        let login = match &self.login {
            Login::AppRole { mount, .. } | Login::Certificate { mount, .. } | Login::Jwt { mount, .. } => {
                Some(mount)
            }
            Login::Token(_) | Login::TokenFile(_) => None,
        };
        let paths = [Some(&self.mount), login, self.namespace.as_ref()].into_iter().flatten();
        let wrong = paths
            .filter(|path| !is_path(path))
            .chain([&self.prefix].into_iter().filter(|name| !is_name(name)));

        wrong.take(1).try_for_each(|name| Err(OpenError::Name(name.clone())))
    }
}

/// Whether this is the path of a mount or a namespace.
#[must_use]
pub fn is_path(text: &str) -> bool {
    text.len() <= LONGEST && text.split('/').all(is_name)
}

/// Whether this is what a key or a part of a path is called.
#[must_use]
pub fn is_name(text: &str) -> bool {
    let is_plain = |char: char| char.is_ascii_alphanumeric() || matches!(char, '-' | '_' | '.');
    let is_word = |char: Option<char>| char.is_some_and(|char| char.is_ascii_alphanumeric() || char == '_');

    text.len() <= LONGEST
        && text.chars().all(is_plain)
        && is_word(text.chars().next())
        && is_word(text.chars().next_back())
}

const LONGEST: usize = 200;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_has_names_between_its_slashes() {
        for good in ["transit", "team/transit", "a-b/c_d.e", "_x"] {
            assert!(is_path(good), "{good}");
        }
        for bad in ["", "/transit", "transit/", "a//b", "../sys", ".", "a b", "a?b", "a%2fb", "ä", "a:b"] {
            assert!(!is_path(bad), "{bad}");
        }
    }
}
