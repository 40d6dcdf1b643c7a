//! An account's keys in one region of AWS KMS.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::environment::secret_of;
use super::http::SecretSource;
use super::mistake::Problem;
use super::rates::Rates;
use super::section::Section;
use super::value::{Value, duration, duration_or_none, is_template, path, proxy, service, text, truth};

/// `[[connection]]` with `kind = "aws"`: an account's keys in one region.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Aws {
    /// `region`.
    pub(crate) region: String,
    /// `prefix`: what the aliases of this gateway's keys begin with.
    pub(crate) prefix: String,
    /// `endpoint`, `sts-endpoint`, `tagging-endpoint`, `fips` and `dual-stack`: where the services are.
    pub(crate) endpoints: AwsEndpoints,
    /// `[connection.credentials]`: who the gateway is there.
    pub(crate) credentials: AwsCredentials,
    /// `[connection.role]`: the role that it assumes.
    pub(crate) role: Option<AwsRole>,
    /// `ca`: who vouches for the services; without it, whom the operating system trusts.
    pub(crate) ca: Option<PathBuf>,
    /// `proxy`: what is on the way there.
    pub(crate) proxy: Option<String>,
    /// `multi-region`: whether new keys can be replicated into other regions.
    pub(crate) multi_region: bool,
    /// `deletion-window`: for how many days keys can be saved that are to be deleted.
    pub(crate) deletion_days: u8,
    /// `verify`: whether each signature is verified.
    pub(crate) verify: bool,
    /// `description`: what new keys say of themselves.
    pub(crate) description: String,
    /// `tags`: what new keys are tagged with besides, for people and bills.
    pub(crate) tags: BTreeMap<String, String>,
    /// `settling`: how long new keys may take to be found by their tags.
    pub(crate) settling: Duration,
    /// `[connection.rates]`.
    pub(crate) rates: Rates,
}

/// Where the services are.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct AwsEndpoints {
    /// `endpoint`.
    pub(crate) kms: Option<String>,
    /// `sts-endpoint`.
    pub(crate) sts: Option<String>,
    /// `tagging-endpoint`.
    pub(crate) tagging: Option<String>,
    /// `fips`.
    pub(crate) fips: bool,
    /// `dual-stack`.
    pub(crate) dual_stack: bool,
}

/// `[connection.credentials]`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum AwsCredentials {
    /// It is not there: wherever the vendor's own tools look.
    Chain,
    /// `access-key-id`, and `file` or `environment`.
    Key {
        /// `access-key-id`.
        id: String,
        /// `file` or `environment`: where the secret is.
        secret: SecretSource,
    },
    /// `profile`.
    Profile(String),
    /// `web-identity` and `role-arn`.
    WebIdentity {
        /// `role-arn`.
        role_arn: String,
        /// `web-identity`: a file.
        token: PathBuf,
    },
}

/// `[connection.role]`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct AwsRole {
    /// `arn`.
    pub(crate) arn: String,
    /// `external-id`.
    pub(crate) external_id: Option<String>,
}

impl Aws {
    pub(super) fn read(section: &mut Section<'_>, folder: &Path) -> Option<Self> {
        let region = section.required("region", "\"eu-central-1\"", region);
        let endpoints = AwsEndpoints::read(section);
        let credentials = match section.table("credentials") {
            Some(section) => AwsCredentials::read(section, folder),
            None => Some(AwsCredentials::Chain),
        };
        let role = section.table("role").map(AwsRole::read);
        let rates = Rates::read(section);

        Some(Self {
            prefix: section.or("prefix", "keyport".to_owned(), prefix),
            endpoints,
            ca: section.optional("ca", path(folder)),
            proxy: section.optional("proxy", proxy),
            multi_region: section.or("multi-region", false, truth),
            deletion_days: section.or("deletion-window", WEEK, days),
            verify: section.or("verify", true, truth),
            description: section.or("description", DESCRIPTION.to_owned(), template),
            tags: tags(section),
            settling: section.or("settling", SETTLING, duration_or_none),
            rates,
            region: region?,
            credentials: credentials?,
            role: match role {
                Some(read) => Some(read?),
                None => None,
            },
        })
    }
}

impl AwsEndpoints {
    fn read(section: &mut Section<'_>) -> Self {
        Self {
            kms: section.optional("endpoint", service),
            sts: section.optional("sts-endpoint", service),
            tagging: section.optional("tagging-endpoint", service),
            fips: section.or("fips", false, truth),
            dual_stack: section.or("dual-stack", false, truth),
        }
    }
}

impl AwsCredentials {
    fn read(mut section: Section<'_>, folder: &Path) -> Option<Self> {
        let ways = ["access-key-id", "profile", "web-identity"].map(|field| section.has(field));
        let credentials = match ways {
            [true, false, false] => Self::read_key(&mut section, folder),
            [false, true, false] => section.optional("profile", text).map(Self::Profile),
            [false, false, true] => {
                let token = section.optional("web-identity", path(folder));
                let role_arn = section.required("role-arn", ROLE, role_arn);
                token.zip(role_arn).map(|(token, role_arn)| Self::WebIdentity { role_arn, token })
            }
            _ => {
                section.mistake(Problem::new(
                    "[connection.credentials] wants one of `access-key-id`, `profile` and `web-identity`",
                    "write access-key-id and file, or profile, or web-identity and role-arn; without \
                     [connection.credentials] they are looked for where the vendor's own tools look",
                ));
                return None;
            }
        };

        section.end();
        credentials
    }

    fn read_key(section: &mut Section<'_>, folder: &Path) -> Option<Self> {
        let id = section.required("access-key-id", "\"AKIA…\"", text);
        let file = section.optional("file", path(folder)).map(SecretSource::File);
        let variable = section.optional("environment", text);
        if section.has("file") == section.has("environment") {
            section.mistake(Problem::new(
                "[connection.credentials] with an access-key-id wants one of `file` and `environment`",
                "write file = \"aws-secret\" (a file of mode 0600), or environment = \"NAME\"",
            ));
        }

        let environment =
            || secret_of(section, &variable?, "the secret access key").map(SecretSource::Environment);
        let secret = file.or_else(environment)?;
        Some(Self::Key { id: id?, secret })
    }
}

impl AwsRole {
    fn read(mut section: Section<'_>) -> Option<Self> {
        let arn = section.required("arn", ROLE, role_arn);
        let external_id = section.optional("external-id", text);
        section.end();

        Some(Self { arn: arn?, external_id })
    }
}

fn region(value: &Value<'_>) -> Result<String, Problem> {
    let text = text(value)?;
    let is_word = |word: &str| {
        !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
    };
    if text.split('-').count() >= 3 && text.split('-').all(is_word) && text.len() <= LONGEST {
        return Ok(text);
    }

    Err(Problem::new(format!("{} is no region", value.shown()), "write one such as \"eu-central-1\""))
}

fn prefix(value: &Value<'_>) -> Result<String, Problem> {
    let text = text(value)?;
    let is_plain = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_/".contains(&byte));
    let begins = text.starts_with(|first: char| first.is_ascii_alphanumeric()) && !text.starts_with("aws/");
    if is_plain && begins && text.len() <= LONGEST {
        return Ok(text);
    }

    let fix = format!(
        "write 1 to {LONGEST} letters, digits, `-`, `_` and `/`, a letter or digit first, and not aws/"
    );
    Err(Problem::new(format!("{} begins no alias", value.shown()), fix))
}

fn role_arn(value: &Value<'_>) -> Result<String, Problem> {
    let text = text(value)?;
    if text.starts_with("arn:") && text.contains(":role/") && !text.contains(char::is_whitespace) {
        return Ok(text);
    }

    Err(Problem::new(format!("{} is no role", value.shown()), format!("write {ROLE}")))
}

fn days(value: &Value<'_>) -> Result<u8, Problem> {
    let seconds = duration(value)?.as_secs();
    let days = u8::try_from(seconds / DAY).ok().filter(|days| seconds % DAY == 0 && (7..=30).contains(days));

    days.ok_or_else(|| Problem::new(format!("{} is not what AWS takes", value.shown()), "write 7d to 30d"))
}

fn template(value: &Value<'_>) -> Result<String, Problem> {
    let text = text(value)?;
    if is_template(&text) {
        return Ok(text);
    }

    Err(Problem::new(format!("{} describes no key", value.shown()), TEMPLATE))
}

fn tags(section: &mut Section<'_>) -> BTreeMap<String, String> {
    if !section.has("tags") {
        let usual = [("keyport:tenant", "{tenant}"), ("keyport:name", "{key}")];
        return usual.map(|(name, text)| (name.to_owned(), text.to_owned())).into();
    }

    let tags = section.texts("tags");
    for (name, text) in &tags {
        let is_name = (1..=128).contains(&name.len()) && !name.contains(char::is_control);
        let is_free = !name.starts_with("aws:") && !OWN.contains(&name.as_str());
        if !is_name || !is_free || !is_template(text) {
            let what = format!("`{name}` cannot be a tag that says `{text}`");
            let fix =
                format!("write a name of 1 to 128 characters, not aws:… nor the gateway's own; {TEMPLATE}");
            section.mistake_at("tags", Problem::new(what, fix));
        }
    }
    tags
}

/// Tags that keys are known by.
const OWN: [&str; 2] = ["keyport:gateway", "keyport:key-id"];
const DESCRIPTION: &str = "keyport: {key} of {tenant}";
const TEMPLATE: &str = "write 1 to 255 bytes of text, in which {tenant} and {key} stand for the key's own";
const ROLE: &str = "\"arn:aws:iam::ACCOUNT:role/NAME\"";
const WEEK: u8 = 7;
const DAY: u64 = 24 * 3600;
/// Minutes are more than the account's index of tags ever took, by what its users say; it promises nothing.
const SETTLING: Duration = Duration::from_secs(120);
const LONGEST: usize = 64;
