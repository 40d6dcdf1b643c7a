//! The gateway on a PKCS#11 token, and the token without it.

use std::fs;
use std::path::PathBuf;
use std::process::{Output, Stdio};

use anyhow::{Context, Result, ensure};

use super::Server;
use crate::bare_token::Cost;
use crate::bench::Bench;
use crate::key::Proof;
use crate::token::{LABEL, Token, succeeded};

/// A token, and the folder of a gateway on it.
#[derive(Debug)]
pub(crate) struct Hsm {
    name: String,
    folder: PathBuf,
    token: Token,
    /// Lines of its connection.
    lines: String,
}

impl Hsm {
    /// An empty folder for a gateway on `token`, whose connection has these lines, too.
    pub(crate) fn prepare(bench: &Bench, name: &str, token: Token, lines: &str) -> Result<Self> {
        let folder = bench.folder.join(name);
        if folder.exists() {
            fs::remove_dir_all(&folder).with_context(|| format!("cannot empty {}", folder.display()))?;
        }
        fs::create_dir_all(&folder)?;

        Ok(Self { name: format!("keyport, {name}"), folder, token, lines: lines.to_owned() })
    }

    /// Starts a gateway whose new keys are on the token.
    pub(crate) async fn start(&self, bench: &Bench) -> Result<Server> {
        let mut command = self.token.command(&bench.keyport);
        command.args(["dev", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"]);
        command.arg("--data").arg(&self.folder).arg("--module").arg(&self.token.module);
        command.args(["--token", LABEL, "--pin-file"]).arg(self.token.pin());

        Server::start(bench, "keyport dev", command, &self.folder, Proof::Digest).await?.stop().await?;

        let config = fs::read_to_string(self.folder.join("keyport.toml"))?;
        let connection = "[[connection]]\nname = \"hsm\"\n";
        ensure!(config.contains(connection), "the configuration has no connection `hsm`");
        let config = config.replace(connection, &format!("{connection}{}\n", self.lines));
        fs::write(self.folder.join(CONFIG), config)?;

        let mut command = self.token.command(&bench.keyport);
        command.arg("serve").arg("--config").arg(self.folder.join(CONFIG));
        Server::start(bench, &self.name, command, &self.folder, Proof::Digest).await
    }

    /// Makes so many pairs on the token without a gateway, which looks for each id before it makes one.
    pub(crate) async fn fill(&self, bench: &Bench, pairs: usize) -> Result<()> {
        self.bare_token(bench, &["--make", &pairs.to_string()]).await.map(drop)
    }

    /// What the token's signatures cost without a gateway, with so many at once.
    pub(crate) async fn bare(&self, bench: &Bench, sessions: usize, signatures: usize) -> Result<Cost> {
        let (sessions, signatures) = (sessions.to_string(), signatures.to_string());
        let output = self.bare_token(bench, &["--sessions", &sessions, "--signatures", &signatures]).await?;

        serde_json::from_slice(&output.stdout).context("not a cost")
    }

    async fn bare_token(&self, bench: &Bench, options: &[&str]) -> Result<Output> {
        let mut command = self.token.command(&bench.own);
        command.arg("bare-token").arg("--module").arg(&self.token.module);
        command.args(["--token", LABEL, "--pin-file"]).arg(self.token.pin()).args(options);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);

        let child = bench.cpus.as_server(|| command.spawn())?.context("the bench cannot start itself")?;
        succeeded(child.wait_with_output().await?)
    }
}

const CONFIG: &str = "bench.toml";
