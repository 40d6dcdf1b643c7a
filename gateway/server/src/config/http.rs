//! A custodian that speaks HTTP, and the requests that providers may send it.

use std::path::{Path, PathBuf};
use std::time::Duration;

use ipnet::IpNet;
use keyport_core::outbound::{self, During, Method, Rule};
use keyport_core::secret::Secret;

use super::environment::secret_of;
use super::mistake::Problem;
use super::section::Section;
use super::value::{Value, count, duration, network, one, path, service, size, text};

/// `[[connection]]` with `kind = "http"`: one service, with one credential.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Http {
    /// `url`: where it is; the requests' paths are added to it.
    pub(crate) url: String,
    /// `ca`: who vouches for it; without it, whom the operating system trusts.
    pub(crate) ca: Option<PathBuf>,
    /// `[connection.credential]`: what every request carries.
    pub(crate) credential: Option<Credential>,
    /// `private-addresses`: networks that it may be in beside the public internet.
    pub(crate) private_addresses: Vec<IpNet>,
    /// `timeout`: how long one exchange may take.
    pub(crate) timeout: Duration,
    /// `response-size`: bytes of a response's body.
    pub(crate) response_size: usize,
}

/// A header field that no provider sees.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Credential {
    /// `header`: its name.
    pub(crate) header: String,
    /// `scheme`: what stands before the secret, with a space between (RFC 9110, section 11.4).
    pub(crate) scheme: String,
    /// `file` or `environment`: where the secret is.
    pub(crate) source: SecretSource,
}

/// Where a secret is.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum SecretSource {
    /// `environment`: what the variable holds.
    Environment(Secret),
    /// `file`: a file of mode 0600.
    File(PathBuf),
}

impl Http {
    pub(super) fn read(section: &mut Section<'_>, folder: &Path) -> Option<Self> {
        let url = section.required("url", "\"https://kms.example/v1\"", service);
        let ca = section.optional("ca", path(folder));
        let credential = section.table("credential").map(|section| Credential::read(section, folder));
        let private_addresses = section.list("private-addresses", network).unwrap_or_default();
        let timeout = section.or("timeout", TIMEOUT, duration);
        let response_size = section.or("response-size", RESPONSE_SIZE, size);

        Some(Self {
            url: url?,
            ca,
            credential: match credential {
                Some(read) => Some(read?),
                None => None,
            },
            private_addresses,
            timeout,
            response_size,
        })
    }
}

impl Credential {
    fn read(mut section: Section<'_>, folder: &Path) -> Option<Self> {
        let header = section.or("header", "authorization".to_owned(), text);
        let scheme = section.or("scheme", "Bearer".to_owned(), text);
        let file = section.optional("file", path(folder)).map(SecretSource::File);
        let variable = section.optional("environment", text);
        if section.has("file") == section.has("environment") {
            section.mistake(Problem::new(
                "[connection.credential] wants one of `file` and `environment`",
                "write file = \"kms-token\" (a file of mode 0600), or environment = \"NAME\"",
            ));
        }

        let environment = variable.and_then(|variable| secret_of(&section, &variable, "the credential"));
        section.end();
        let source = file.or_else(|| environment.map(SecretSource::Environment))?;
        Some(Self { header, scheme, source })
    }
}

/// `[[provider.grant.request]]`: the requests of a grant.
pub(super) fn read_rules(grant: &mut Section<'_>) -> Option<Vec<Rule>> {
    if !grant.has("request") {
        grant.missing(
            "request",
            "a [[provider.grant.request]] for each request that the provider sends, with during = \"sign\", \
             method = \"POST\" and path = \"/keys/{key}/sign\"",
        );
    }

    // Every one is read, so that each says what is wrong with it.
    let rules: Vec<_> = grant.tables("request").into_iter().map(read_rule).collect();
    rules.into_iter().collect()
}

fn read_rule(mut section: Section<'_>) -> Option<Rule> {
    let during =
        section.required("during", "\"sign\"", one("an operation", &During::ALL, |one| one.as_str()));
    let method = section.required("method", "\"POST\"", one("a method", &Method::ALL, |one| one.as_str()));
    let path = section.required("path", "\"/keys/{key}/sign\"", rule_path);
    let times = section.or("times", 1, times);
    let native_id = section.optional("native-id", pointer);
    if native_id.is_some() && during.is_some_and(|during| during != During::Create) {
        section.mistake_at(
            "native-id",
            Problem::new(
                "`native-id`: a key gets its name when it is made",
                "write it in a request with during = \"create\"",
            ),
        );
    }
    if during == Some(During::Health) && path.as_ref().is_some_and(outbound::Path::names_a_key) {
        let problem = Problem::new(
            "`path`: no key is served when the provider is asked how it is",
            "leave the key out",
        );
        section.mistake_at("path", problem);
    }
    section.end();

    Some(Rule { during: during?, method: method?, path: path?, times, native_id })
}

fn rule_path(value: &Value<'_>) -> Result<outbound::Path, Problem> {
    value.text()?.parse().map_err(|_bad| {
        Problem::new(
            format!("{} is no path of a request", value.shown()),
            "write an absolute path, percent-encoded; {key} stands for what the service calls the key, {key-id} for the key-id",
        )
    })
}

fn times(value: &Value<'_>) -> Result<u32, Problem> {
    let times = count(value)?;
    if times > MOST_TIMES {
        return Err(Problem::new(
            format!("{} is too often", value.shown()),
            format!("write at most {MOST_TIMES}: an operation is about one key"),
        ));
    }

    Ok(times)
}

/// A JSON Pointer (RFC 6901).
fn pointer(value: &Value<'_>) -> Result<String, Problem> {
    let pointer = text(value)?;
    if !pointer.starts_with('/') {
        return Err(Problem::new(
            format!("{} is no JSON Pointer", value.shown()),
            "write where in the answer the key's name stands, such as \"/id\" or \"/key/name\"",
        ));
    }

    Ok(pointer)
}

const TIMEOUT: Duration = Duration::from_secs(10);
const RESPONSE_SIZE: usize = 64 << 10;
const MOST_TIMES: u32 = 16;
