//! The transit engine of Vault or OpenBao.

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use keyport_core::secret::Secret;

use super::environment::secret_of;
use super::mistake::Problem;
use super::rates::Rates;
use super::section::Section;
use super::value::{Value, count, one, path, proxy, service, text, truth};

/// `[[connection]]` with `kind = "vault"`: one transit engine.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Vault {
    /// `address`: where the server is.
    pub(crate) address: String,
    /// `ca`: who vouches for it; without it, whom the operating system trusts.
    pub(crate) ca: Option<PathBuf>,
    /// `proxy`: what is on the way there.
    pub(crate) proxy: Option<String>,
    /// `namespace`: the namespace that engine and login are in.
    pub(crate) namespace: Option<String>,
    /// `mount`: where the engine is.
    pub(crate) mount: String,
    /// `create-mount`: whether it is mounted with the first key.
    pub(crate) create_mount: bool,
    /// `prefix`: what the names of this gateway's keys begin with.
    pub(crate) prefix: String,
    /// `verify`: whether each signature is verified.
    pub(crate) verify: bool,
    /// `in-flight`: how many requests are on their way at once.
    pub(crate) in_flight: NonZeroUsize,
    /// `[connection.rates]`.
    pub(crate) rates: Rates,
    /// `[connection.login]`: how the gateway proves who it is.
    pub(crate) login: VaultLogin,
}

/// `[connection.login]`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum VaultLogin {
    /// `method = "approle"`.
    AppRole {
        /// `mount`: where the method is.
        mount: String,
        /// `role-id`.
        role_id: String,
        /// `secret-id`: a file.
        secret_id: Option<PathBuf>,
    },
    /// `method = "cert"`.
    Certificate {
        /// `mount`: where the method is.
        mount: String,
        /// `role`: which role of it.
        role: Option<String>,
        /// `certificate`: a file.
        certificate: PathBuf,
        /// `key`: a file.
        key: PathBuf,
    },
    /// `method = "jwt"`, and `method = "kubernetes"`.
    Jwt {
        /// `mount`: where the method is.
        mount: String,
        /// `role`: which role of it.
        role: String,
        /// `file`: where the statement is.
        file: PathBuf,
    },
    /// `method = "token"` with `environment`.
    Token(Secret),
    /// `method = "token"` with `file`.
    TokenFile(PathBuf),
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Method {
    AppRole,
    Cert,
    Jwt,
    Kubernetes,
    Token,
}

impl Vault {
    pub(super) fn read(section: &mut Section<'_>, folder: &Path) -> Option<Self> {
        let address = section.required("address", "\"https://vault.example:8200\"", service);
        let ca = section.optional("ca", path(folder));
        let proxy = section.optional("proxy", proxy);
        let namespace = section.optional("namespace", mount);
        let mounted = section.or("mount", "transit".to_owned(), mount);
        let create_mount = section.or("create-mount", false, truth);
        let prefix = section.or("prefix", "keyport".to_owned(), prefix);
        let verify = section.or("verify", true, truth);
        let in_flight = section.or("in-flight", IN_FLIGHT, |value| {
            Ok(NonZeroUsize::new(count(value)?).unwrap_or(NonZeroUsize::MIN))
        });
        let rates = Rates::read(section);
        if !section.has("login") {
            section
                .missing("login", "[connection.login] with method = \"approle\", and role-id and secret-id");
        }
        let login = section.table("login").and_then(|section| VaultLogin::read(section, folder));

        Some(Self {
            address: address?,
            ca,
            proxy,
            namespace,
            mount: mounted,
            create_mount,
            prefix,
            verify,
            in_flight,
            rates,
            login: login?,
        })
    }
}

impl VaultLogin {
    fn read(mut section: Section<'_>, folder: &Path) -> Option<Self> {
        let method =
            section.required("method", "\"approle\"", one("a way to log in", &METHODS, Method::name))?;
        let mount = match method {
            Method::Token => String::new(),
            Method::AppRole | Method::Cert | Method::Jwt | Method::Kubernetes => {
                section.or("mount", method.name().to_owned(), mount)
            }
        };
        let login = match method {
            Method::AppRole => {
                let role_id = section.required(
                    "role-id",
                    "\"…\", as `bao read auth/approle/role/NAME/role-id` says",
                    text,
                );
                let secret_id = section.optional("secret-id", path(folder));
                role_id.map(|role_id| Self::AppRole { mount, role_id, secret_id })
            }
            Method::Cert => {
                let role = section.optional("role", text);
                let certificate = section.required("certificate", "\"gateway.pem\"", path(folder));
                let key = section.required("key", "\"gateway.key\"", path(folder));
                certificate.zip(key).map(|(certificate, key)| Self::Certificate {
                    mount,
                    role,
                    certificate,
                    key,
                })
            }
            Method::Jwt => {
                let role = section.required("role", "\"keyport\"", text);
                let file = section.required("file", "\"/run/identity/token.jwt\"", path(folder));
                role.zip(file).map(|(role, file)| Self::Jwt { mount, role, file })
            }
            Method::Kubernetes => {
                let role = section.required("role", "\"keyport\"", text);
                let file = section.or("file", SERVICE_ACCOUNT.into(), path(folder));
                role.map(|role| Self::Jwt { mount, role, file })
            }
            Method::Token => Self::read_token(&mut section, folder),
        };

        section.end();
        login
    }

    fn read_token(section: &mut Section<'_>, folder: &Path) -> Option<Self> {
        let file = section.optional("file", path(folder)).map(Self::TokenFile);
        let variable = section.optional("environment", text);
        if section.has("file") == section.has("environment") {
            section.mistake(Problem::new(
                "[connection.login] with method = \"token\" wants one of `file` and `environment`",
                "write file = \"vault-token\" (a file of mode 0600, such as an agent keeps), or environment = \"NAME\"",
            ));
        }

        file.or_else(|| secret_of(section, &variable?, "the token").map(Self::Token))
    }
}

impl Method {
    fn name(&self) -> &'static str {
        match self {
            Self::AppRole => "approle",
            Self::Cert => "cert",
            Self::Jwt => "jwt",
            Self::Kubernetes => "kubernetes",
            Self::Token => "token",
        }
    }
}

/// The path of a mount or a namespace.
fn mount(value: &Value<'_>) -> Result<String, Problem> {
    let text = text(value)?;
    if text.split('/').all(is_name) {
        Ok(text)
    } else {
        Err(Problem::new(format!("{} is no path there", value.shown()), PATHS))
    }
}

fn prefix(value: &Value<'_>) -> Result<String, Problem> {
    let text = text(value)?;
    if is_name(&text) {
        Ok(text)
    } else {
        Err(Problem::new(format!("{} begins no name", value.shown()), NAMES))
    }
}

/// Whether the server takes this as a name, or a part of a path.
fn is_name(text: &str) -> bool {
    let is_word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    let ends = [text.bytes().next(), text.bytes().next_back()];

    text.len() <= LONGEST
        && text.bytes().all(|byte| is_word(byte) || matches!(byte, b'-' | b'.'))
        && ends.into_iter().all(|end| end.is_some_and(is_word))
}

const METHODS: [Method; 5] = [Method::AppRole, Method::Cert, Method::Jwt, Method::Kubernetes, Method::Token];
const IN_FLIGHT: NonZeroUsize = NonZeroUsize::new(64).unwrap();
/// Where Kubernetes puts a pod's own token.
const SERVICE_ACCOUNT: &str = "/var/run/secrets/kubernetes.io/serviceaccount/token";
const NAMES: &str = "write letters, digits, `-`, `_` and `.`";
const PATHS: &str =
    "write letters, digits, `-`, `_` and `.`, and `/` between the parts, as in \"team/transit\"";
const LONGEST: usize = 200;
