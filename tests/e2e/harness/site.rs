//! A folder with a configuration and what it refers to.

use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use tempfile::TempDir;
use tokio::process::Command;

use super::gateway::{Ended, Gateway};
use super::guest::{digest_of, hostile_component};
use super::tool::KEYPORT;

/// What a configuration says, beside what every one says.
#[derive(Clone, Debug, Default)]
pub(crate) struct Plan {
    /// Lines at the top of the file.
    pub(crate) top: String,
    /// Lines of `[listen.limits]`.
    pub(crate) limits: String,
    /// Lines of `[listen.tls]`.
    pub(crate) tls: String,
    /// Lines of `[audit]`.
    pub(crate) audit: String,
    /// Lines of `[contract.webhook]`.
    pub(crate) webhook: String,
    /// Providers and tenants.
    pub(crate) sections: Vec<String>,
}

impl Plan {
    /// The embedded token, for the tenants `acme` and `other`.
    pub(crate) fn soft() -> Self {
        Self::of([soft("soft"), tenant("acme", "soft"), tenant("other", "soft")])
    }

    /// These providers and tenants.
    pub(crate) fn of(sections: impl IntoIterator<Item = String>) -> Self {
        Self { sections: sections.into_iter().collect(), ..Self::default() }
    }
}

/// A built-in provider with every grant on the embedded token.
pub(crate) fn soft(name: &str) -> String {
    format!("[[provider]]\nname = \"{name}\"\ncomponent = \"builtin:soft\"\n{GRANT}")
}

/// A provider that misbehaves as `settings` say, with every grant on the embedded token. `more` are further lines of
/// its configuration.
pub(crate) fn hostile(name: &str, settings: &[(&str, &str)], more: &str) -> String {
    let settings: Vec<_> = settings.iter().map(|(name, value)| format!("{name} = \"{value}\"")).collect();
    format!(
        "[[provider]]\nname = \"{name}\"\ncomponent = \"file:{HOSTILE}\"\nsha256 = \"{}\"\n{more}\nsettings = {{ {} }}\n{GRANT}",
        digest_of(hostile_component()),
        settings.join(", "),
    )
}

/// A tenant with one caller, who may do everything and presents [`token_of`] it.
pub(crate) fn tenant(name: &str, provider: &str) -> String {
    let token = digest_of(token_of(name).as_bytes());
    format!(
        "[[tenant]]\nname = \"{name}\"\nprovider = \"{provider}\"\n\n[[tenant.caller]]\nname = \"tds\"\n\
         tokens = [\"sha256:{token}\"]\n\n[[tenant.caller.right]]\nmay = [\"create\", \"list\", \"sign\", \"release\"]\n\
         keys = [\"*\"]\n"
    )
}

/// The token of a tenant's caller.
pub(crate) fn token_of(tenant: &str) -> String {
    format!("the-token-of-{tenant}")
}

/// A folder with a configuration, a certificate and a master key.
pub(crate) struct Site {
    folder: Arc<TempDir>,
    /// Who issued the certificate.
    pub(crate) authority: Authority,
}

impl Site {
    /// A folder for gateways that run as `plan` says.
    pub(crate) fn new(plan: &Plan) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let site = Self { folder: Arc::new(folder), authority: Authority::new() };
        site.write("ca.pem", site.authority.pem());
        site.certify(&site.authority.server());
        site.write("master.key", format!("{}\n", "5a".repeat(32)));
        fs::set_permissions(site.path("master.key"), fs::Permissions::from_mode(0o600)).expect("its mode");
        site.configure(plan);
        site
    }

    /// Writes the configuration anew.
    pub(crate) fn configure(&self, plan: &Plan) {
        let Plan { top, limits, tls, audit, webhook, sections } = plan;
        let mut text = format!(
            "data = \"data\"\n{top}\n[listen]\naddress = \"127.0.0.1:0\"\n\n[listen.tls]\ncertificate = \"server.pem\"\n\
             key = \"server.key\"\n{tls}\n\n[listen.limits]\n{limits}\n\n[admin]\naddress = \"127.0.0.1:0\"\n\n[audit]\n{audit}\n\n\
             [master-key]\nfile = \"master.key\"\n\n[[connection]]\nname = \"embedded\"\nkind = \"soft\"\n\n\
             [contract.webhook]\n{webhook}\n\n"
        );
        for section in sections {
            writeln!(text, "{section}").expect("a text takes everything");
        }
        if text.contains(HOSTILE) {
            self.write(HOSTILE, hostile_component());
        }
        self.write("keyport.toml", text);
    }

    /// Puts a server certificate and its key in place.
    pub(crate) fn certify(&self, (certificate, key): &(String, String)) {
        self.write("server.key", key);
        self.write("server.pem", certificate);
    }

    /// A file of the folder.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes a file of the folder.
    pub(crate) fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        fs::write(self.path(name), content).expect("a file");
    }

    /// The data folder.
    pub(crate) fn data(&self) -> PathBuf {
        self.path("data")
    }

    /// Starts a gateway, which must become ready.
    pub(crate) async fn start(&self) -> Gateway {
        self.try_start().await.unwrap_or_else(|ended| panic!("no start: {ended:#?}"))
    }

    /// Starts a gateway, which must refuse to.
    pub(crate) async fn refuses(&self) -> Ended {
        match self.try_start().await {
            Ok(gateway) => panic!("it started, and logged:\n{}", gateway.logged()),
            Err(ended) => ended,
        }
    }

    /// Starts a gateway.
    pub(crate) async fn try_start(&self) -> Result<Gateway, Ended> {
        let mut command = Command::new(KEYPORT);
        command.args(["serve", "--config"]).arg(self.path("keyport.toml"));

        self.run(command).await
    }

    /// Runs `command`, which is to be a gateway of this folder.
    pub(crate) async fn run(&self, command: Command) -> Result<Gateway, Ended> {
        let gateway = Gateway::start(command, self.path("ca.pem")).await?;

        Ok(gateway.within(Arc::clone(&self.folder)))
    }
}

/// A certificate authority.
pub(crate) struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    pub(crate) fn new() -> Self {
        let mut params = CertificateParams::new([]).expect("parameters");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, "an authority for tests");

        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().expect("a key")).expect("an authority"))
    }

    /// Its own certificate, in PEM.
    pub(crate) fn pem(&self) -> String {
        self.0.as_ref().pem()
    }

    /// A certificate for this machine and its key, in PEM.
    pub(crate) fn server(&self) -> (String, String) {
        self.issue(["127.0.0.1".to_owned(), "localhost".to_owned()])
    }

    /// A certificate for a client and its key, in PEM.
    pub(crate) fn client(&self) -> (String, String) {
        self.issue(["client.test".to_owned()])
    }

    /// A certificate that says what `change` makes of an empty one, and its key, in PEM.
    pub(crate) fn certificate(&self, change: impl FnOnce(&mut CertificateParams)) -> (String, String) {
        let key = KeyPair::generate().expect("a key");
        let mut params = CertificateParams::default();
        change(&mut params);
        let certificate = params.signed_by(&key, &self.0).expect("a certificate");

        (certificate.pem(), key.serialize_pem())
    }

    fn issue(&self, names: impl Into<Vec<String>>) -> (String, String) {
        let names = CertificateParams::new(names).expect("parameters");

        self.certificate(|params| *params = names)
    }
}

/// The file that the misbehaving component is in.
const HOSTILE: &str = "hostile.wasm";

const GRANT: &str = "\n[[provider.grant]]\nconnection = \"embedded\"\nuses = [\"generate\", \"public-key\", \"sign\", \"destroy\"]\n";
