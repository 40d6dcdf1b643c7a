//! A stand-in for a key management service, as a process: what is behind the gateway, and not measured.

use std::fs;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use clap::ValueEnum;
use keyport_stand_ins::{aws, azure, gcp};

/// Stands in for a key management service, and describes itself to a gateway
#[derive(Debug, clap::Args)]
pub(crate) struct StandIn {
    /// Which
    #[arg(long, value_enum)]
    service: Service,
    /// Where custodian.toml is written, and the credentials that it names
    #[arg(long)]
    folder: PathBuf,
}

/// A key management service.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub(crate) enum Service {
    /// AWS KMS
    Aws,
    /// Azure Key Vault
    Azure,
    /// Google Cloud KMS
    Gcp,
}

impl StandIn {
    /// Serves until it is killed.
    pub(crate) fn serve(&self) -> Result<()> {
        tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(self.answer())
    }

    async fn answer(&self) -> Result<()> {
        let (url, connection) = match self.service {
            Service::Aws => self.aws()?,
            Service::Azure => self.azure()?,
            Service::Gcp => self.gcp()?,
        };
        let component = self.service.component();
        let provider = PROVIDER.replace("COMPONENT", component);
        fs::write(self.folder.join(CUSTODIAN), format!("{connection}{provider}"))?;

        println!("ready {url}");
        std::future::pending().await
    }

    fn aws(&self) -> Result<(String, String)> {
        let url = aws::StandIn::start().url();
        let secret = self.secret(aws::SECRET)?;
        let (region, access_key) = (aws::REGION, aws::ACCESS_KEY);
        let connection = format!(
            "[[connection]]\nname = \"cloud\"\nkind = \"aws\"\nregion = \"{region}\"\nprefix = \"bench\"\n\
             endpoint = \"{url}\"\nsts-endpoint = \"{url}\"\ntagging-endpoint = \"{url}\"\n\
             credentials = {{ access-key-id = \"{access_key}\", file = {secret} }}\n\
             rates = {{ sign = {UNBOUNDED} }}\n"
        );

        Ok((url, connection))
    }

    fn azure(&self) -> Result<(String, String)> {
        let url = azure::StandIn::start().url();
        let secret = self.secret(azure::SECRET)?;
        let (directory, application) = (azure::DIRECTORY, azure::APPLICATION);
        let connection = format!(
            "[[connection]]\nname = \"cloud\"\nkind = \"azure\"\nvault = \"{url}\"\n\
             login = {{ method = \"secret\", tenant = \"{directory}\", client = \"{application}\", file = {secret}, \
             authority = \"{url}\" }}\nrates = {{ sign = {UNBOUNDED} }}\n"
        );

        Ok((url, connection))
    }

    fn gcp(&self) -> Result<(String, String)> {
        let url = gcp::StandIn::start().url();
        let key = self.secret(&gcp::key_file().to_string())?;
        let connection = format!(
            "[[connection]]\nname = \"cloud\"\nkind = \"gcp\"\nendpoint = \"{url}\"\n\
             key-ring = \"projects/bench/locations/global/keyRings/bench\"\n\
             credentials = {{ file = {key} }}\nrates = {{ sign = {UNBOUNDED} }}\n"
        );

        Ok((url, connection))
    }

    /// Writes a file that nobody else can read; where it is, as TOML has it.
    fn secret(&self, secret: &str) -> Result<toml::Value> {
        let path = self.folder.join("secret");
        let mut file =
            fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&path)?;
        write!(file, "{secret}")?;

        Ok(toml::Value::String(path.to_str().context("the folder's name is no text")?.to_owned()))
    }
}

impl Service {
    /// What people call it.
    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::Aws => "AWS KMS",
            Self::Azure => "Azure Key Vault",
            Self::Gcp => "Google Cloud KMS",
        }
    }

    /// What the command line calls it.
    pub(crate) fn argument(self) -> &'static str {
        match self {
            Self::Aws => "aws",
            Self::Azure => "azure",
            Self::Gcp => "gcp",
        }
    }

    fn component(self) -> &'static str {
        match self {
            Self::Aws => "aws-kms",
            Self::Azure => "azure-key-vault",
            Self::Gcp => "gcp-kms",
        }
    }
}

/// The stand-in's description in its folder.
pub(crate) fn custodian(folder: &Path) -> PathBuf {
    folder.join(CUSTODIAN)
}

const CUSTODIAN: &str = "custodian.toml";
const PROVIDER: &str = r#"
[[provider]]
name = "cloud"
component = "builtin:COMPONENT"

[[provider.grant]]
connection = "cloud"
uses = ["generate", "public-key", "sign", "destroy"]
"#;
/// Signatures in a second that the gateway may ask for: what an account's quota lets through is not measured.
const UNBOUNDED: u32 = 1_000_000;
