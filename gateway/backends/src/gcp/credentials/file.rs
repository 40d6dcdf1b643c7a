//! Files of credentials, as Google's tools write them.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::Path;

use keyport_core::secret::Secret;
use reqwest::Url;
use serde::{Deserialize, Deserializer};

use super::CredentialsError;
use crate::{http, secret_file};

/// What such a file describes.
#[derive(Debug, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum File {
    /// Of a person: what `gcloud auth application-default login` writes.
    AuthorizedUser(Box<User>),
    /// Of a workload elsewhere: workload identity federation.
    ExternalAccount(Box<External>),
    /// Of somebody who may be a service account.
    ImpersonatedServiceAccount(Box<Impersonated>),
    /// Of a service account: its key.
    ServiceAccount(Box<Account>),
}

#[derive(Debug, Deserialize)]
pub(super) struct Account {
    pub(super) client_email: String,
    pub(super) private_key_id: String,
    #[serde(deserialize_with = "secret")]
    pub(super) private_key: Secret,
}

#[derive(Debug, Deserialize)]
pub(super) struct User {
    pub(super) client_id: String,
    #[serde(deserialize_with = "secret")]
    pub(super) client_secret: Secret,
    #[serde(deserialize_with = "secret")]
    pub(super) refresh_token: Secret,
    #[serde(default = "token_uri")]
    pub(super) token_uri: String,
}

#[derive(Debug, Deserialize)]
pub(super) struct Impersonated {
    pub(super) service_account_impersonation_url: String,
    #[serde(default)]
    pub(super) delegates: Vec<String>,
    pub(super) source_credentials: File,
}

#[derive(Debug, Deserialize)]
pub(super) struct External {
    pub(super) audience: String,
    pub(super) subject_token_type: String,
    #[serde(default = "sts")]
    pub(super) token_url: String,
    pub(super) service_account_impersonation_url: Option<String>,
    pub(super) credential_source: Subject,
}

/// Where the token is that another identity provider gave the workload.
#[derive(Debug, Deserialize)]
pub(super) struct Subject {
    pub(super) file: Option<String>,
    pub(super) url: Option<String>,
    /// There may be a credential for whoever gives it out among them.
    #[serde(default, deserialize_with = "secrets")]
    pub(super) headers: BTreeMap<String, Secret>,
    #[serde(default)]
    pub(super) format: Format,
}

/// How it is written there.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Format {
    #[serde(default, rename = "type")]
    pub(super) kind: String,
    #[serde(default)]
    pub(super) subject_token_field_name: String,
}

impl File {
    /// Reads one.
    pub(super) fn read(file: &Path) -> Result<Self, CredentialsError> {
        Self::parse(&secret_file::read(file, "the credentials", LONGEST)?, file)
    }

    fn parse(text: &str, file: &Path) -> Result<Self, CredentialsError> {
        let read: Self = serde_json::from_str(text).map_err(|error| CredentialsError::Malformed {
            file: file.into(),
            // Where, and not what: serde's message may quote a secret.
            cause: format!("see line {}, column {}", error.line(), error.column()),
        })?;

        read.check(file)?;
        Ok(read)
    }

    /// What can be told without asking anybody.
    fn check(&self, file: &Path) -> Result<(), CredentialsError> {
        match self {
            Self::AuthorizedUser(user) => check_url(file, "token_uri", &user.token_uri),
            Self::ExternalAccount(external) => external.check(file),
            Self::ImpersonatedServiceAccount(impersonated) => {
                check_url(file, IMPERSONATION, &impersonated.service_account_impersonation_url)?;
                impersonated.source_credentials.check(file)
            }
            Self::ServiceAccount(_) => Ok(()),
        }
    }
}

impl External {
    fn check(&self, file: &Path) -> Result<(), CredentialsError> {
        let subject = &self.credential_source;
        if subject.file.is_some() == subject.url.is_some() {
            return Err(CredentialsError::Kind {
                file: file.into(),
                kind: "an identity of AWS's, of a certificate or of a program's",
                mend: "federate a token in a file or at a URL",
            });
        }

        if subject.url.as_ref().is_some_and(|url| !is_close(url)) {
            return Err(CredentialsError::SubjectUrl(file.into()));
        }

        check_url(file, "token_url", &self.token_url)?;
        let url = self.service_account_impersonation_url.as_ref();
        url.map_or(Ok(()), |url| check_url(file, IMPERSONATION, url))
    }
}

/// Whoever is sent a secret is asked by HTTPS, or on this machine.
fn check_url(file: &Path, field: &'static str, url: &str) -> Result<(), CredentialsError> {
    http::base(url).map(drop).map_err(|_bad| CredentialsError::Url { file: file.into(), field })
}

/// Whether whoever gives out subject tokens is asked by HTTPS, or is so close that nobody listens: on this machine, or the metadata
/// service of its cloud, which speaks nothing but HTTP.
fn is_close(url: &str) -> bool {
    let Some(url) =
        url.parse::<Url>().ok().filter(|url| url.username().is_empty() && url.password().is_none())
    else {
        return false;
    };
    let host = url.host_str().unwrap_or_default();
    let is_near = |address: IpAddr| match address {
        IpAddr::V4(four) => four.is_loopback() || four.is_link_local(),
        IpAddr::V6(six) => six.is_loopback() || six.is_unicast_link_local(),
    };
    let address = host.trim_start_matches('[').trim_end_matches(']').parse();

    match url.scheme() {
        "https" => !host.is_empty(),
        "http" => host == METADATA || address.is_ok_and(is_near),
        _ => false,
    }
}

fn secret<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Secret, D::Error> {
    Ok(Secret::new(String::deserialize(deserializer)?.into_bytes()))
}

fn secrets<'de, D: Deserializer<'de>>(deserializer: D) -> Result<BTreeMap<String, Secret>, D::Error> {
    let texts = BTreeMap::<String, String>::deserialize(deserializer)?;

    Ok(texts.into_iter().map(|(name, text)| (name, Secret::new(text.into_bytes()))).collect())
}

fn token_uri() -> String {
    "https://oauth2.googleapis.com/token".to_owned()
}

fn sts() -> String {
    "https://sts.googleapis.com/v1/token".to_owned()
}

/// What Google's machines call their metadata service, which they find at a link-local address.
const METADATA: &str = "metadata.google.internal";
const IMPERSONATION: &str = "service_account_impersonation_url";
/// Bytes of a file.
const LONGEST: usize = 64 << 10;

/// What holds of every text. An error never repeats what is in the file.
#[cfg(any(fuzzing, test))]
pub(in crate::gcp) fn fuzz(text: &str) {
    let error = match File::parse(text, Path::new("/etc/credentials")) {
        Ok(read) => return assert!(!format!("{read:?}").is_empty()),
        Err(error) => error.to_string(),
    };

    let is_place = error
        .strip_prefix("/etc/credentials holds no credentials of Google's: see line ")
        .is_some_and(|place| place.replacen(", column ", "", 1).bytes().all(|byte| byte.is_ascii_digit()));
    let is_kind = error.starts_with("the credentials in /etc/credentials are an identity of");
    let is_url = error.ends_with(" in /etc/credentials must be https://HOST[:PORT][/PATH]; http:// is for addresses of this machine alone");
    let is_subject = error == CredentialsError::SubjectUrl(Path::new("/etc/credentials").into()).to_string();
    assert!(is_place || is_kind || is_url || is_subject, "{error}");
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    fn parse(value: &Value) -> Result<File, CredentialsError> {
        File::parse(&value.to_string(), Path::new("credentials"))
    }

    fn user(secret: &str) -> Value {
        json!({
            "type": "authorized_user", "client_id": "me", "client_secret": secret, "refresh_token": secret,
            "quota_project_id": "acme", "universe_domain": "googleapis.com",
        })
    }

    fn external(source: &Value) -> Value {
        json!({
            "type": "external_account", "audience": "//iam.googleapis.com/x",
            "subject_token_type": "urn:ietf:params:oauth:token-type:jwt", "credential_source": source,
        })
    }

    fn impersonated(source: &Value) -> Value {
        let url = "https://iamcredentials.googleapis.com/v1/x:generateAccessToken";

        json!({
            "type": "impersonated_service_account", "service_account_impersonation_url": url,
            "source_credentials": source,
        })
    }

    #[test]
    fn every_kind_is_read_and_what_is_not_there_is_googles_own() {
        let account = json!({
            "type": "service_account", "client_email": "a@b", "private_key_id": "1", "private_key": "-----BEGIN",
        });
        assert!(
            matches!(parse(&account), Ok(File::ServiceAccount(account)) if account.client_email == "a@b")
        );
        let Ok(File::AuthorizedUser(user)) = parse(&user("hunter2")) else { panic!("another kind") };
        assert_eq!(user.token_uri, "https://oauth2.googleapis.com/token");
        let source = json!({ "url": "http://169.254.169.254/x", "format": { "type": "json", "subject_token_field_name": "t" } });
        let Ok(File::ExternalAccount(external)) = parse(&external(&source)) else { panic!("another kind") };
        assert_eq!(
            (&*external.token_url, &*external.credential_source.format.kind),
            ("https://sts.googleapis.com/v1/token", "json")
        );
    }

    #[test]
    fn a_token_is_in_a_file_or_at_a_url_however_deep() {
        for source in
            [json!({}), json!({ "file": "/t", "url": "http://h/t" }), json!({ "environment_id": "aws1" })]
        {
            let refused = [parse(&external(&source)), parse(&impersonated(&external(&source)))];
            assert!(
                refused.iter().all(|read| matches!(read, Err(CredentialsError::Kind { .. }))),
                "{source}"
            );
        }
        parse(&impersonated(&external(&json!({ "file": "/t" })))).unwrap();
    }

    #[test]
    fn nobody_is_told_a_secret_in_the_open() {
        let set = |mut value: Value, field: &str, url: &str| {
            value[field] = url.into();
            value
        };
        let federated = || external(&json!({ "file": "/t" }));
        let places = [
            (user("hunter2"), "token_uri"),
            (federated(), "token_url"),
            (federated(), "service_account_impersonation_url"),
            (impersonated(&federated()), "service_account_impersonation_url"),
        ];
        for (value, field) in places {
            for open in ["http://h/t", "http://me:pass@127.0.0.1/t", "elsewhere"] {
                let refused = parse(&set(value.clone(), field, open)).unwrap_err().to_string();
                assert!(refused.contains(&format!("`{field}`")) && !refused.contains(open), "{refused}");
                parse(&impersonated(&set(value.clone(), field, open))).unwrap_err();
            }
            for close in ["https://h/t", "http://127.0.0.1:80/t", "http://[::1]/t"] {
                parse(&set(value.clone(), field, close)).unwrap();
            }
        }
    }

    #[test]
    fn whoever_gives_out_subject_tokens_is_near_or_asked_by_https() {
        let source = |url: &str| json!({ "url": url, "headers": { "Authorization": "Bearer hunter2" } });
        for open in [
            "http://h/t",
            "http://10.0.0.1/t",
            "http://170.254.169.254/t",
            "http://[fd00:ec2::254]/t",
            "http://[::ffff:10.0.0.1]/t",
            "http://metadata.google.internal.example/t",
            "https://me:pass@h/t",
            "file:///etc/token",
            "elsewhere",
        ] {
            for value in [external(&source(open)), impersonated(&external(&source(open)))] {
                let refused = parse(&value).unwrap_err().to_string();
                assert!(refused.contains("`credential_source.url`") && !refused.contains(open), "{refused}");
            }
        }
        for close in [
            "https://h/t?audience=x",
            "http://127.0.0.1:80/t",
            "http://[::1]/t",
            "http://169.254.169.254/metadata/identity/oauth2/token?api-version=2018-02-01",
            "http://[fe80::a9fe:a9fe]/t",
            "http://metadata.google.internal/computeMetadata/v1/t",
        ] {
            parse(&external(&source(close))).unwrap();
        }
    }

    #[test]
    fn who_impersonates_whom_ends_somewhere() {
        let deep = (0..500).fold(user("hunter2"), |source, _| impersonated(&source));

        assert!(matches!(parse(&deep), Err(CredentialsError::Malformed { .. })));
    }

    proptest! {
        #[test]
        fn no_text_panics_and_no_error_repeats_it(text in any::<String>()) {
            fuzz(&text);
        }

        #[test]
        fn secrets_are_read_and_not_printed(secret in "[!-~]{8,40}") {
            let secret = format!("#{secret}");
            let read = parse(&impersonated(&user(&secret))).unwrap();

            let printed = format!("{read:?}");
            prop_assert!(!printed.contains(&secret));
            let File::ImpersonatedServiceAccount(read) = read else { panic!("another kind") };
            let File::AuthorizedUser(user) = read.source_credentials else { panic!("another kind") };
            prop_assert_eq!(user.refresh_token.expose(), secret.as_bytes());

            let source = json!({ "url": "https://h/t", "headers": { "Authorization": format!("Bearer {secret}") } });
            let read = parse(&external(&source)).unwrap();
            let printed = format!("{read:?}");
            prop_assert!(!printed.contains(&secret));
        }

        #[test]
        fn a_file_that_was_cut_or_changed_is_refused_without_its_secret(at in 0_usize..400, byte in "\\PC") {
            let text = impersonated(&user("hunter2-hunter2")).to_string();
            let at = at % text.len();
            fuzz(&text[..at]);
            fuzz(&format!("{}{byte}{}", &text[..at], &text[at + 1..]));
        }
    }
}
