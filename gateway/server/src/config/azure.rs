//! A vault of Azure Key Vault, or a managed HSM.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::mistake::Problem;
use super::rates::Rates;
use super::section::Section;
use super::value::{Value, is_template, one, path, proxy, service, text, truth};
use crate::assemble::service_url;

/// `[[connection]]` with `kind = "azure"`: one vault.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Azure {
    /// `vault`: where it is.
    pub(crate) vault: String,
    /// `prefix`: how the names of this gateway's keys begin.
    pub(crate) prefix: String,
    /// `hsm`: whether new keys are kept in an HSM.
    pub(crate) hsm: bool,
    /// `tags`: what new keys are tagged with, for people.
    pub(crate) tags: BTreeMap<String, String>,
    /// `verify`: whether each signature is verified.
    pub(crate) verify: bool,
    /// `[connection.rates]`.
    pub(crate) rates: Rates,
    /// `[connection.login]`: who the gateway is.
    pub(crate) login: AzureLogin,
    /// `resource`: what access tokens are for.
    pub(crate) resource: String,
    /// `ca`: who vouches for the vault; without it, whom the operating system trusts.
    pub(crate) ca: Option<PathBuf>,
    /// `proxy`: what is on the way there.
    pub(crate) proxy: Option<String>,
}

/// `[connection.login]`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum AzureLogin {
    /// `method = "certificate"`, `method = "federated"`, and `method = "secret"`.
    Application {
        /// `authority`: where tokens are given out.
        authority: String,
        /// `tenant`: the directory's id.
        tenant: String,
        /// `client`: the application's id.
        client: String,
        /// How it proves that it is this one.
        proof: AzureProof,
    },
    /// `method = "managed"`.
    Managed {
        /// `client`: which of the machine's identities.
        client: Option<String>,
        /// `metadata`: where the metadata service is.
        metadata: String,
    },
}

/// How an application proves that it is this one.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum AzureProof {
    /// `method = "certificate"`.
    Certificate {
        /// `certificate`: a file.
        certificate: PathBuf,
        /// `key`: the file of its key; without it, the certificate's.
        key: PathBuf,
    },
    /// `method = "federated"`; `file`: the token of another identity provider.
    Federated(PathBuf),
    /// `method = "secret"`; `file`: the secret.
    Secret(PathBuf),
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Method {
    Certificate,
    Federated,
    Managed,
    Secret,
}

impl Azure {
    pub(super) fn read(section: &mut Section<'_>, folder: &Path) -> Option<Self> {
        let vault = section.required("vault", "\"https://NAME.vault.azure.net\"", vault);
        let prefix = section.or("prefix", "keyport".to_owned(), prefix);
        let hsm = section.or("hsm", vault.as_deref().is_some_and(is_managed), truth);
        let tags = tags(section);
        let verify = section.or("verify", true, truth);
        let rates = Rates::read(section);
        if !section.has("login") {
            section.missing(
                "login",
                "[connection.login] with method = \"managed\", \"federated\", \"certificate\" or \"secret\"",
            );
        }
        let login = section.table("login").and_then(|section| AzureLogin::read(section, folder));
        let usual = if vault.as_deref().is_some_and(is_managed) { MANAGED } else { VAULT };
        let resource = section.or("resource", usual.to_owned(), service);
        let ca = section.optional("ca", path(folder));
        let proxy = section.optional("proxy", proxy);

        Some(Self { vault: vault?, prefix, hsm, tags, verify, rates, login: login?, resource, ca, proxy })
    }
}

impl AzureLogin {
    fn read(mut section: Section<'_>, folder: &Path) -> Option<Self> {
        let method =
            section.required("method", "\"managed\"", one("a way to log in", &METHODS, Method::name))?;
        let login = match method {
            Method::Managed => {
                let client = section.optional("client", id);
                let metadata = section.or("metadata", "http://169.254.169.254".to_owned(), text);
                Some(Self::Managed { client, metadata })
            }
            Method::Certificate | Method::Federated | Method::Secret => {
                let authority =
                    section.or("authority", "https://login.microsoftonline.com".to_owned(), service);
                let tenant = section.required("tenant", "\"the directory's id\"", id);
                let client = section.required("client", "\"the application's id\"", id);
                let proof = AzureProof::read(&mut section, method, folder);
                tenant.zip(client).zip(proof).map(|((tenant, client), proof)| Self::Application {
                    authority,
                    tenant,
                    client,
                    proof,
                })
            }
        };

        section.end();
        login
    }
}

impl AzureProof {
    /// `None` where a field is missing or wrong, and for what needs no proof.
    fn read(section: &mut Section<'_>, method: Method, folder: &Path) -> Option<Self> {
        match method {
            Method::Certificate => {
                let certificate = section.required("certificate", "\"azure.pem\"", path(folder));
                let key = section.optional("key", path(folder));
                let certificate = certificate?;
                Some(Self::Certificate { key: key.unwrap_or_else(|| certificate.clone()), certificate })
            }
            Method::Federated => section
                .required("file", "\"/var/run/secrets/azure/tokens/azure-identity-token\"", path(folder))
                .map(Self::Federated),
            Method::Managed => None,
            Method::Secret => section.required("file", "\"azure-secret\"", path(folder)).map(Self::Secret),
        }
    }
}

impl Method {
    fn name(&self) -> &'static str {
        match self {
            Self::Certificate => "certificate",
            Self::Federated => "federated",
            Self::Managed => "managed",
            Self::Secret => "secret",
        }
    }
}

fn is_managed(vault: &str) -> bool {
    vault.contains(".managedhsm.")
}

fn vault(value: &Value<'_>) -> Result<String, Problem> {
    let text = text(value)?;
    let is_vault = service_url(&text).is_ok_and(|url| url.path() == "/");

    if is_vault { Ok(text) } else { Err(Problem::new(format!("{} is no vault", value.shown()), VAULTS)) }
}

fn prefix(value: &Value<'_>) -> Result<String, Problem> {
    let text = text(value)?;
    let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    if (1..=90).contains(&text.len()) && text.bytes().all(is_allowed) {
        return Ok(text);
    }

    let what = format!("{} cannot begin the names of keys", value.shown());
    Err(Problem::new(what, "write 1 to 90 letters, digits and hyphens"))
}

/// The id of a directory or an application: a UUID, or a directory's name.
fn id(value: &Value<'_>) -> Result<String, Problem> {
    let text = text(value)?;
    let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_');
    if !text.is_empty() && text.bytes().all(is_allowed) {
        return Ok(text);
    }

    Err(Problem::new(format!("{} is no id", value.shown()), "write the UUID that Entra shows"))
}

fn tags(section: &mut Section<'_>) -> BTreeMap<String, String> {
    if !section.has("tags") {
        let usual = [("tenant", "{tenant}"), ("key", "{key}")];
        return usual.map(|(name, text)| (name.to_owned(), text.to_owned())).into();
    }

    let tags = section.texts("tags");
    for (name, text) in &tags {
        if name.is_empty() || name.len() > 256 || name.starts_with("keyport") || !is_template(text) {
            let problem = Problem::new(
                format!("`{name}` cannot be a tag that says `{text}`"),
                "write 1 to 255 bytes of text under a name that does not begin with `keyport`; {tenant} and {key} stand for \
                 the key's own",
            );
            section.mistake_at("tags", problem);
        }
    }
    if tags.len() > MOST_TAGS {
        let what = format!("{} are too many tags", tags.len());
        section.mistake_at("tags", Problem::new(what, format!("write at most {MOST_TAGS}")));
    }
    tags
}

const METHODS: [Method; 4] = [Method::Certificate, Method::Federated, Method::Managed, Method::Secret];
const VAULT: &str = "https://vault.azure.net";
const MANAGED: &str = "https://managedhsm.azure.net";
const VAULTS: &str = "write https://NAME.vault.azure.net or https://NAME.managedhsm.azure.net";
/// A key has 15, and the gateway wants some for itself.
const MOST_TAGS: usize = 12;
