//! An account's keys in one region, as they are configured.

use std::path::PathBuf;
use std::time::Duration;

use keyport_core::secret::Secret;

use crate::cloud::{Rate, Rates, Template};
use crate::http::TrustError;

/// An account's keys in one region.
#[derive(Debug)]
pub struct Connection {
    /// What logs call it.
    pub name: String,
    /// The region, such as `eu-central-1`.
    pub region: String,
    /// The account and region that it must be, as [`Backend::identity`](keyport_core::backend::Backend::identity) said them once;
    /// `None` takes the first that is asked for it.
    pub identity: Option<String>,
    /// Which keys are this gateway's: their aliases are `alias/PREFIX-KEYID`.
    pub prefix: Prefix,
    /// Where the services are, other than their usual places.
    pub endpoints: Endpoints,
    /// Where credentials come from.
    pub credentials: Source,
    /// The role that is assumed with these credentials.
    pub role: Option<Role>,
    /// Who vouches for the services, PEM; without it, whom the operating system trusts.
    pub ca: Option<PathBuf>,
    /// The proxy that requests go through: `http://HOST:PORT`.
    pub proxy: Option<String>,
    /// Whether new keys can be replicated into other regions.
    pub multi_region: bool,
    /// How long keys can still be saved that are to be deleted.
    pub deletion_window: DeletionWindow,
    /// Whether each signature is verified with the key's public half.
    pub verify: bool,
    /// How many calls the account may make.
    pub rates: Rates,
    /// What new keys say of themselves.
    pub description: Template,
    /// Tags of new keys besides the gateway's own, for people and bills.
    pub tags: Vec<(String, Template)>,
    /// How long the account may take to list a new key by its tags; until then nobody can say that there is none.
    pub settling: Duration,
    /// Whether nobody asked for keys there before, so that only those which this connection asks for are in doubt.
    pub first: bool,
}

/// Where the services are. `None` is their usual place in the region.
#[derive(Clone, Debug, Default)]
pub struct Endpoints {
    /// AWS KMS.
    pub kms: Option<String>,
    /// The Security Token Service.
    pub sts: Option<String>,
    /// The Resource Groups Tagging API.
    pub tagging: Option<String>,
    /// Whether modules validated by FIPS 140 answer.
    pub fips: bool,
    /// Whether they are reached by IPv6, too.
    pub dual_stack: bool,
}

/// Where credentials come from.
#[derive(Debug)]
pub enum Source {
    /// The vendor's default chain: the environment, profiles, a web identity, containers' and machines' roles.
    Chain,
    /// A profile of `~/.aws/config` and `~/.aws/credentials`.
    Profile(String),
    /// An access key.
    Static {
        /// `AKIA…`.
        access_key_id: String,
        /// What requests are signed with.
        secret_access_key: Secret,
        /// What belongs to keys that expire.
        session_token: Option<Secret>,
    },
    /// A token of an identity provider that the role trusts, such as a Kubernetes service account's.
    WebIdentity {
        /// The role's ARN.
        role_arn: String,
        /// Where the token is. It is read again whenever it is needed.
        token_file: PathBuf,
    },
}

/// A role to be assumed.
#[derive(Clone, Debug)]
pub struct Role {
    /// Its ARN.
    pub arn: String,
    /// What the role's owner wants to see, where it is another account's.
    pub external_id: Option<String>,
}

/// Which keys are this gateway's.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Prefix(String);

impl Prefix {
    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::str::FromStr for Prefix {
    type Err = BadPrefix;

    fn from_str(text: &str) -> Result<Self, BadPrefix> {
        let is_plain = text.chars().all(|char| char.is_ascii_alphanumeric() || "-_/".contains(char));
        let is_ours =
            !text.starts_with("aws/") && text.starts_with(|char: char| char.is_ascii_alphanumeric());

        if is_plain && is_ours && text.len() <= LONGEST { Ok(Self(text.to_owned())) } else { Err(BadPrefix) }
    }
}

/// No such prefix.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error(
    "a prefix is 1 to 64 letters, digits, `-`, `_` and `/`, begins with a letter or digit, and not with aws/"
)]
pub struct BadPrefix;

/// How long keys can still be saved that are to be deleted: whole days, as many as the service takes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct DeletionWindow(u8);

impl DeletionWindow {
    /// The shortest there is.
    pub const WEEK: Self = Self(7);

    /// So many days, from 7 to 30.
    #[must_use]
    pub fn days(days: u8) -> Option<Self> {
        (7..=30).contains(&days).then_some(Self(days))
    }

    pub(super) fn get(self) -> i32 {
        self.0.into()
    }
}

/// What an account may do at least, in the regions where it is the least: 300 signatures a second with keys on curves (500 with
/// RSA keys), and 5 calls that make keys. See "Request quotas" in the developer guide of AWS KMS.
#[must_use]
pub fn rates() -> Rates {
    Rates {
        sign: Some(Rate { per_second: 300.0, burst: 100 }),
        read: Some(Rate { per_second: 100.0, burst: 100 }),
        manage: Some(Rate { per_second: 5.0, burst: 5 }),
    }
}

/// Why a connection cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The client cannot be made.
    #[error("a client of HTTP cannot be made")]
    Client(#[source] reqwest::Error),
    /// The place of a service is none.
    #[error("an endpoint must be https://HOST[:PORT]; http:// is for addresses of this machine alone")]
    Endpoint,
    /// The proxy is none.
    #[error("the proxy must be http://HOST:PORT")]
    Proxy,
    /// A secret is no text.
    #[error("the access key's secret is no text")]
    Secret,
    /// Nobody can be believed.
    #[error(transparent)]
    Trust(#[from] TrustError),
}

const LONGEST: usize = 64;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use crate::aws::fuzz;

    proptest! {
        #[test]
        fn no_text_panics_and_a_prefix_begins_an_alias(text in "(aws/)?(\\PC|[-a-zA-Z0-9_/]){0,70}") {
            fuzz::prefix(&text);
        }
    }
}
