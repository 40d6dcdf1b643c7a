//! Logins by certificate: what Entra is told, and what becomes of a certificate that does not do.

use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::signature::{RSA_PSS_2048_8192_SHA256, UnparsedPublicKey};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use keyport_backends::azure::{Azure, OpenError, Proof};
use keyport_core::backend::Backend;
use keyport_core::{Failure, FailureKind};
use keyport_stand_ins::azure::{Asserts, StandIn};
use keyport_stand_ins::wall;
use rcgen::{Certificate, CertificateParams, KeyPair, PKCS_ECDSA_P256_SHA256, PKCS_RSA_SHA256};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::clock::Ahead;
use crate::opened::{application, connection, write};
use crate::suite::soon;

/// A certificate and its key, made anew.
pub(crate) struct Pair {
    pub(crate) certificate: Certificate,
    pub(crate) key: KeyPair,
}

impl Pair {
    pub(crate) fn new() -> Self {
        Self::until(2999)
    }

    /// One whose time ends when this year begins.
    fn until(year: i32) -> Self {
        let key = KeyPair::generate_for(&PKCS_RSA_SHA256).unwrap();
        let mut params = CertificateParams::new(["keyport".to_owned()]).unwrap();
        params.not_after = rcgen::date_time_ymd(year, 1, 1);

        Self { certificate: params.self_signed(&key).unwrap(), key }
    }
}

/// A gateway that logs in by certificate, where Entra knows one.
struct Certified {
    stand_in: StandIn,
    folder: TempDir,
    known: Arc<Mutex<Vec<u8>>>,
}

impl Certified {
    /// Entra knows the certificate of `pair`, and so has the gateway it, with its key.
    fn new(pair: &Pair) -> Self {
        let (stand_in, folder) = (StandIn::start(), tempfile::tempdir().unwrap());
        let known = Arc::new(Mutex::new(pair.certificate.der().to_vec()));
        let (seen, known_there) = (Mutex::<HashSet<String>>::default(), Arc::clone(&known));
        let audience = format!("{}/directory/oauth2/v2.0/token", stand_in.url());
        let check = move |assertion: &str| {
            let claims = signed(assertion, &known_there.lock().unwrap()).ok_or(UNKNOWN)?;
            let id = claims["jti"].as_str().unwrap_or_default().to_owned();
            let is_its = is_said(&claims, &audience) && id.len() == 36 && seen.lock().unwrap().insert(id);
            match is_its {
                true if is_now(&claims) => Ok(()),
                true => Err("AADSTS700024: Client assertion is not within its valid time range."),
                false => Err("AADSTS50027: JWT token is invalid or malformed."),
            }
        };
        assert!(stand_in.asserts.set(Asserts(Box::new(check))).is_ok());

        let certified = Self { stand_in, folder, known };
        certified.put(pair);
        certified
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Puts a certificate and its key where the gateway finds them.
    fn put(&self, pair: &Pair) {
        std::fs::write(self.file("azure.pem"), pair.certificate.pem()).unwrap();
        write(&self.file("azure.key"), &pair.key.serialize_pem());
    }

    fn open(&self) -> Result<Azure, OpenError> {
        self.open_with("azure.pem", "azure.key")
    }

    fn open_with(&self, certificate: &str, key: &str) -> Result<Azure, OpenError> {
        let (url, proof) = (self.stand_in.url(), self.proof(certificate, key));

        Azure::open(connection(&url, application(&url, proof)), Arc::new(Ahead::default()))
    }

    fn proof(&self, certificate: &str, key: &str) -> Proof {
        Proof::Certificate { certificate: self.file(certificate), key: self.file(key) }
    }

    fn heard(&self) -> usize {
        self.stand_in.heard().len()
    }

    /// Why the gateway cannot log in, which is never said to be a vault or an Entra that is away.
    async fn refusal(&self, azure: &Azure) -> String {
        let Failure { kind, code, message, .. } = azure.health(soon()).await.unwrap_err();
        assert_eq!((kind, code), (FailureKind::Credentials, 401), "{message}");

        message
    }
}

/// What an assertion claims, if it is signed by the key of this certificate, as its header says. Some clients pad the thumbprint.
pub(crate) fn signed(assertion: &str, certificate: &[u8]) -> Option<Value> {
    let (signed, signature) = assertion.rsplit_once('.')?;
    let (header, claims) = signed.split_once('.')?;
    let part = |text: &str| serde_json::from_slice::<Value>(&URL_SAFE_NO_PAD.decode(text).ok()?).ok();
    let thumbprint = URL_SAFE_NO_PAD.encode(digest(&SHA256, certificate));
    let mut header = part(header)?;
    header["x5t#S256"] = header["x5t#S256"].as_str()?.trim_end_matches('=').into();
    if header != json!({ "alg": "PS256", "typ": "JWT", "x5t#S256": thumbprint }) {
        return None;
    }

    let (_, certificate) = x509_parser::parse_x509_certificate(certificate).unwrap();
    let public =
        UnparsedPublicKey::new(&RSA_PSS_2048_8192_SHA256, &certificate.public_key().subject_public_key.data);
    public.verify(signed.as_bytes(), &URL_SAFE_NO_PAD.decode(signature).ok()?).ok()?;
    part(claims)
}

/// Whether these claims are what Entra wants of the application.
fn is_said(claims: &Value, audience: &str) -> bool {
    claims["aud"] == audience
        && claims["iss"] == "application"
        && claims["sub"] == "application"
        && claims["iat"] == claims["nbf"]
}

/// Whether their time is now, and short.
fn is_now(claims: &Value) -> bool {
    let now = wall().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
    let time = |name: &str| claims[name].as_u64().unwrap();

    time("nbf") <= now && now < time("exp") && time("exp") - time("nbf") <= 600
}

#[tokio::test]
async fn an_application_says_who_it_is_by_its_certificate_and_key() {
    let pair = Pair::new();
    let certified = Certified::new(&pair);
    certified.open().unwrap().health(soon()).await.unwrap();

    // One file may have both, and certificates of others before its own.
    let both = [Pair::new().certificate.pem(), pair.key.serialize_pem(), pair.certificate.pem()].concat();
    write(&certified.file("both.pem"), &both);
    certified.open_with("both.pem", "both.pem").unwrap().health(soon()).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_certificate_that_was_exchanged_in_its_place_is_taken_for_the_next_token() {
    let certified = Certified::new(&Pair::new());
    let azure = certified.open().unwrap();
    azure.health(soon()).await.unwrap();

    let next = Pair::new();
    certified.put(&next);
    *certified.known.lock().unwrap() = next.certificate.der().to_vec();
    certified.stand_in.revoke();
    tokio::time::advance(Duration::from_millis(150)).await;
    azure.health(soon()).await.unwrap();
}

#[tokio::test]
async fn a_certificate_that_entra_does_not_know_is_said_to_be_the_login() {
    let certified = Certified::new(&Pair::new());
    certified.put(&Pair::new());

    let refused = certified.refusal(&certified.open().unwrap()).await;
    assert!(refused.contains("AADSTS700027") && refused.contains("upload it"), "{refused}");
}

#[tokio::test]
async fn a_clock_that_is_wrong_is_named() {
    let certified = Certified::new(&Pair::new());
    let (url, proof) = (certified.stand_in.url(), certified.proof("azure.pem", "azure.key"));
    let ahead = Ahead(Arc::new(Mutex::new(Duration::from_secs(3600))));
    let azure = Azure::open(connection(&url, application(&url, proof)), Arc::new(ahead)).unwrap();

    let refused = certified.refusal(&azure).await;
    assert!(refused.contains("AADSTS700024") && refused.contains("mend this machine's clock"), "{refused}");
}

#[tokio::test]
async fn a_certificate_whose_time_is_over_is_named_and_entra_not_asked() {
    let certified = Certified::new(&Pair::until(2020));

    let refused = certified.refusal(&certified.open().unwrap()).await;
    assert!(refused.contains("azure.pem: the certificate ended at Jan  1 00:00:00 2020"), "{refused}");
    assert_eq!(certified.heard(), 0);
}

#[tokio::test(start_paused = true)]
async fn files_that_prove_nothing_are_named_when_they_are_opened_and_when_they_were_exchanged() {
    let certified = Certified::new(&Pair::new());
    let azure = certified.open().unwrap();
    let curve = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap().serialize_pem();
    let other = Pair::new();
    let spoil: [(&dyn Fn(), &str); 5] = [
        (
            &|| write(&certified.file("azure.key"), &other.key.serialize_pem()),
            "no certificate in it is of the key",
        ),
        (&|| write(&certified.file("azure.key"), &curve), "azure.key: the key must be one of RSA"),
        (&|| std::fs::remove_file(certified.file("azure.key")).unwrap(), "azure.key: there is no such file"),
        (
            &|| std::fs::remove_file(certified.file("azure.pem")).unwrap(),
            "azure.pem: the certificate cannot be read",
        ),
        (
            &|| std::fs::write(certified.file("azure.pem"), "none").unwrap(),
            "azure.pem: there is no certificate",
        ),
    ];
    for (spoil, said) in spoil {
        certified.put(&Pair::new());
        spoil();

        let opened = certified.open().unwrap_err();
        assert!(matches!(opened, OpenError::Certificate(_)) && opened.to_string().contains(said), "{opened}");
        let refused = certified.refusal(&azure).await;
        assert!(refused.contains(said), "{refused}");
        tokio::time::advance(Duration::from_secs(60)).await;
    }
    assert_eq!(certified.heard(), 0);
}

#[tokio::test]
async fn a_key_that_others_may_read_is_refused() {
    use std::os::unix::fs::PermissionsExt;

    let certified = Certified::new(&Pair::new());
    let loose = std::fs::Permissions::from_mode(0o644);
    std::fs::set_permissions(certified.file("azure.key"), loose).unwrap();

    let refused = certified.open().unwrap_err().to_string();
    assert!(refused.ends_with(&format!("chmod 600 {}", certified.file("azure.key").display())), "{refused}");
}

const UNKNOWN: &str =
    "AADSTS700027: The certificate with identifier used to sign the client assertion is not registered.";
