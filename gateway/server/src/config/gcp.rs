//! A key ring of Google Cloud KMS.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::environment::Environment;
use super::mistake::Problem;
use super::rates::Rates;
use super::section::Section;
use super::value::{Value, duration, is_template, one, path, proxy, service, text, truth};

/// `[[connection]]` with `kind = "gcp"`: one key ring.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Gcp {
    /// `key-ring`: its name, project and location included.
    pub(crate) key_ring: String,
    /// `prefix`: how the names of this gateway's keys begin.
    pub(crate) prefix: String,
    /// `protection`: where new keys are kept.
    pub(crate) protection: GcpProtection,
    /// `rsa-algorithm`: how new RSA keys sign.
    pub(crate) rsa: GcpRsa,
    /// `labels`: what new keys are labelled with, for people.
    pub(crate) labels: BTreeMap<String, String>,
    /// `destroy-after`: how long a destroyed key can be restored at Google.
    pub(crate) destroy_after: Option<Duration>,
    /// `verify`: whether each signature is verified.
    pub(crate) verify: bool,
    /// `[connection.rates]`.
    pub(crate) rates: Rates,
    /// `[connection.credentials]`: who the gateway is there.
    pub(crate) credentials: GcpCredentials,
    /// `quota-project`: whose quota is spent.
    pub(crate) quota_project: Option<String>,
    /// `endpoint`: another way to the service.
    pub(crate) endpoint: String,
    /// `ca`: who vouches for it; without it, whom the operating system trusts.
    pub(crate) ca: Option<PathBuf>,
    /// `proxy`: what is on the way there.
    pub(crate) proxy: Option<String>,
}

/// `protection`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum GcpProtection {
    /// `"hsm"`.
    Hsm,
    /// `"software"`.
    Software,
}

/// `rsa-algorithm`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum GcpRsa {
    /// `"pkcs1-raw"`.
    Pkcs1Raw,
    /// `"pkcs1-sha256"`.
    Pkcs1Sha256,
    /// `"pkcs1-sha512"`.
    Pkcs1Sha512,
    /// `"pss-sha256"`.
    PssSha256,
    /// `"pss-sha512"`.
    PssSha512,
}

/// `[connection.credentials]`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum GcpCredentials {
    /// It is not there: the application default credentials, where the environment says.
    Default {
        /// `GOOGLE_APPLICATION_CREDENTIALS`: a file.
        file: Option<PathBuf>,
        /// `CLOUDSDK_CONFIG`: gcloud's folder; without it, its usual place in `HOME`.
        folder: Option<PathBuf>,
        /// `GCE_METADATA_HOST`: the host of the metadata server.
        metadata: Option<String>,
    },
    /// `file`: a file of mode 0600.
    File(PathBuf),
    /// `metadata`: the host of the metadata server.
    Metadata(String),
}

impl Gcp {
    pub(super) fn read(section: &mut Section<'_>, folder: &Path) -> Option<Self> {
        let key_ring = section.required("key-ring", RING, key_ring);
        let prefix = section.or("prefix", "keyport".to_owned(), prefix);
        let protection = one("a protection level", &PROTECTIONS, GcpProtection::name);
        let protection = section.or("protection", GcpProtection::Software, protection);
        let rsa = section.or("rsa-algorithm", GcpRsa::Pkcs1Raw, one("an algorithm", &RSA, GcpRsa::name));
        let labels = labels(section);
        let destroy_after = section.optional("destroy-after", days);
        let verify = section.or("verify", false, truth);
        let rates = Rates::read(section);
        let credentials = match section.table("credentials") {
            Some(section) => GcpCredentials::read(section, folder),
            None => Some(GcpCredentials::by_default(section.source().environment())),
        };
        let quota_project = section.optional("quota-project", text);
        let endpoint = section.or("endpoint", "https://cloudkms.googleapis.com".to_owned(), service);
        let ca = section.optional("ca", path(folder));
        let proxy = section.optional("proxy", proxy);

        Some(Self {
            key_ring: key_ring?,
            prefix,
            protection,
            rsa,
            labels,
            destroy_after,
            verify,
            rates,
            credentials: credentials?,
            quota_project,
            endpoint,
            ca,
            proxy,
        })
    }
}

impl GcpCredentials {
    /// Where Google's own tools look.
    fn by_default(environment: &Environment) -> Self {
        let variable = |name: &str| environment.variable(name).filter(|value| !value.is_empty());
        let home = || variable("HOME").map(|home| Path::new(&home).join(".config/gcloud"));

        Self::Default {
            file: variable("GOOGLE_APPLICATION_CREDENTIALS").map(PathBuf::from),
            folder: variable("CLOUDSDK_CONFIG").map(PathBuf::from).or_else(home),
            metadata: variable("GCE_METADATA_HOST"),
        }
    }

    fn read(mut section: Section<'_>, folder: &Path) -> Option<Self> {
        let file = section.optional("file", path(folder)).map(Self::File);
        let metadata = section.optional("metadata", text).map(Self::Metadata);
        if section.has("file") == section.has("metadata") {
            section.mistake(Problem::new(
                "[connection.credentials] wants one of `file` and `metadata`",
                "write file = \"key.json\" (a file of mode 0600), or metadata = \"metadata.google.internal\"; without \
                 [connection.credentials] they are the application default ones",
            ));
        }

        section.end();
        file.or(metadata)
    }
}

impl GcpProtection {
    fn name(&self) -> &'static str {
        match self {
            Self::Hsm => "hsm",
            Self::Software => "software",
        }
    }
}

impl GcpRsa {
    fn name(&self) -> &'static str {
        match self {
            Self::Pkcs1Raw => "pkcs1-raw",
            Self::Pkcs1Sha256 => "pkcs1-sha256",
            Self::Pkcs1Sha512 => "pkcs1-sha512",
            Self::PssSha256 => "pss-sha256",
            Self::PssSha512 => "pss-sha512",
        }
    }
}

fn key_ring(value: &Value<'_>) -> Result<String, Problem> {
    let text = text(value)?;
    let segments: Vec<_> = text.split('/').collect();
    let is_word = |word: &&str| {
        let is_allowed = |char: char| char.is_ascii_alphanumeric() || "-_.:".contains(char);
        !word.is_empty() && !word.starts_with('.') && word.chars().all(is_allowed)
    };

    let is_ring = matches!(segments.as_slice(), ["projects", _, "locations", _, "keyRings", _]);
    if is_ring && segments.iter().all(is_word) {
        return Ok(text);
    }
    Err(Problem::new(format!("{} is no key ring", value.shown()), format!("write {RING}")))
}

fn prefix(value: &Value<'_>) -> Result<String, Problem> {
    let text = text(value)?;
    let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    if (1..=LONGEST_PREFIX).contains(&text.len()) && text.bytes().all(is_allowed) {
        return Ok(text);
    }

    let fix = format!("write 1 to {LONGEST_PREFIX} letters, digits, hyphens and underscores");
    Err(Problem::new(format!("{} cannot begin the names of keys", value.shown()), fix))
}

fn labels(section: &mut Section<'_>) -> BTreeMap<String, String> {
    let usual = || {
        BTreeMap::from(
            [("tenant", "{tenant}"), ("key", "{key}")].map(|(name, text)| (name.to_owned(), text.to_owned())),
        )
    };
    if !section.has("labels") {
        return usual();
    }

    let labels = section.texts("labels");
    for (name, text) in &labels {
        if !is_label(name) || !is_template(text) {
            let problem = Problem::new(
                format!("`{name}` cannot be a label that says `{text}`"),
                "write 1 to 63 of a-z, 0-9, _ and -, a letter first and not `keyport`; in what it says, {tenant} and {key} \
                 stand for the key's own",
            );
            section.mistake_at("labels", problem);
        }
    }
    labels
}

fn is_label(name: &str) -> bool {
    let is_allowed = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-');

    name.len() <= 63
        && name.starts_with(|first: char| first.is_ascii_lowercase())
        && name.bytes().all(is_allowed)
        && !name.starts_with("keyport")
}

fn days(value: &Value<'_>) -> Result<Duration, Problem> {
    let time = duration(value)?;
    if (DAY..=120 * DAY).contains(&time) {
        return Ok(time);
    }

    Err(Problem::new(format!("{} is not what Google takes", value.shown()), "write 1d to 120d"))
}

const PROTECTIONS: [GcpProtection; 2] = [GcpProtection::Hsm, GcpProtection::Software];
const RSA: [GcpRsa; 5] =
    [GcpRsa::Pkcs1Raw, GcpRsa::Pkcs1Sha256, GcpRsa::Pkcs1Sha512, GcpRsa::PssSha256, GcpRsa::PssSha512];
const RING: &str = "\"projects/PROJECT/locations/LOCATION/keyRings/RING\"";
/// The key-id follows, and a name has no more than 63 characters.
const LONGEST_PREFIX: usize = 30;
const DAY: Duration = Duration::from_secs(24 * 3600);
