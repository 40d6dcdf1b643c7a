//! An OpenBao with a transit engine, a gateway on it, and the engine without it.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};
use tokio::task::JoinSet;

use super::Server;
use crate::bench::Bench;
use crate::client::Client;
use crate::key::Proof;

/// An OpenBao in memory, and the folder of gateways on it.
#[derive(Debug)]
pub(crate) struct Transit {
    folder: PathBuf,
    address: SocketAddr,
    _process: Child,
}

impl Transit {
    /// Starts one on the servers' CPUs; `None` where OpenBao cannot be had.
    pub(crate) async fn start(bench: &Bench) -> Result<Option<Self>> {
        let installed = Command::new(INSTALL).stderr(Stdio::inherit()).output().await?;
        if !installed.status.success() {
            return Ok(None);
        }
        let folder = bench.folder.join("transit");
        if folder.exists() {
            fs::remove_dir_all(&folder).with_context(|| format!("cannot empty {}", folder.display()))?;
        }
        fs::create_dir_all(&folder)?;

        let address = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?;
        let log = fs::File::create(folder.join("openbao.log"))?;
        let mut command = Command::new(String::from_utf8(installed.stdout)?.trim());
        command.args(["server", "-dev", "-dev-no-store-token"]).arg(format!("-dev-root-token-id={TOKEN}"));
        command.arg(format!("-dev-listen-address={address}")).kill_on_drop(true);
        command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
        let process = bench.cpus.as_server(|| command.spawn())?.context("cannot start OpenBao")?;

        let transit = Self { folder, address, _process: process };
        transit.prepare().await?;
        Ok(Some(transit))
    }

    /// Mounts the engine and makes a key, as soon as the server is there.
    async fn prepare(&self) -> Result<()> {
        let begun = Instant::now();
        while let Err(error) = self.ask("/v1/sys/mounts/transit", r#"{"type":"transit"}"#).await {
            ensure!(begun.elapsed() < START, "OpenBao does not start: {error:#}");
            tokio::time::sleep(PAUSE).await;
        }

        self.ask("/v1/transit/keys/bare", r#"{"type":"ecdsa-p256"}"#).await
    }

    async fn ask(&self, path: &str, body: &str) -> Result<()> {
        let mut client = Client::connect_plainly(self.address).await?;
        let answer = client.exchange(&self.request(path, body)).await?;

        ensure!((200..300).contains(&answer.status), "{path}: {answer}");
        Ok(())
    }

    /// Starts a gateway whose new keys are there, and that verifies each signature or does not.
    pub(crate) async fn gateway(&self, bench: &Bench, verify: bool) -> Result<Server> {
        let folder = self.folder.join(format!("verify-{verify}"));
        fs::create_dir_all(&folder)?;
        let (token, custodian) = (folder.join("openbao-token"), folder.join("custodian.toml"));
        fs::write(&token, TOKEN)?;
        fs::set_permissions(&token, fs::Permissions::from_mode(0o600))?;
        fs::write(
            &custodian,
            CUSTODIAN
                .replace("ADDRESS", &self.address.to_string())
                .replace("FILE", &token.display().to_string())
                .replace("VERIFY", &verify.to_string()),
        )?;

        let mut command = Command::new(&bench.keyport);
        command.args(["dev", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"]);
        command.arg("--data").arg(&folder).arg("--custodian").arg(&custodian);
        Server::start(bench, "keyport, vault", command, &folder, Proof::Digest).await
    }

    /// How many signatures a second the engine makes for so many connections that ask it directly, as the gateway asks.
    pub(crate) async fn bare(&self, connections: usize, requests: usize) -> Result<f64> {
        let request: Arc<[u8]> = self.request("/v1/transit/sign/bare", SIGN).into();
        let mut clients = Vec::new();
        for _ in 0..connections {
            clients.push(Client::connect_plainly(self.address).await?);
        }

        clients = send(clients, &request, requests / WARM_UP).await?;
        let begun = Instant::now();
        send(clients, &request, requests).await?;
        Ok(requests as f64 / begun.elapsed().as_secs_f64())
    }

    fn request(&self, path: &str, body: &str) -> Vec<u8> {
        let (host, length) = (self.address, body.len());
        format!(
            "POST {path} HTTP/1.1\r\nhost: {host}\r\nx-vault-token: {TOKEN}\r\ncontent-length: {length}\r\n\r\n{body}"
        )
        .into_bytes()
    }
}

async fn send(
    clients: Vec<Client<TcpStream>>,
    request: &Arc<[u8]>,
    count: usize,
) -> Result<Vec<Client<TcpStream>>> {
    let next = Arc::new(AtomicUsize::new(0));
    let mut senders: JoinSet<Result<_>> = JoinSet::new();
    for mut client in clients {
        let (next, request) = (Arc::clone(&next), Arc::clone(request));
        senders.spawn(async move {
            while next.fetch_add(1, Ordering::Relaxed) < count {
                let answer = client.exchange(&request).await?;
                ensure!(answer.status == 200, "not a signature: {answer}");
            }
            Ok(client)
        });
    }

    senders.join_all().await.into_iter().collect()
}

const INSTALL: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../.ci/setup-openbao");
const TOKEN: &str = "bench";
/// As the gateway asks.
const SIGN: &str = r#"{"hash_algorithm":"sha2-256","input":"LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ=","key_version":1,"marshaling_algorithm":"asn1","prehashed":true}"#;
const CUSTODIAN: &str = r#"
[[connection]]
name = "transit"
kind = "vault"
address = "http://ADDRESS"
login = { method = "token", file = "FILE" }
verify = VERIFY

[[provider]]
name = "transit"
component = "builtin:vault-transit"

[[provider.grant]]
connection = "transit"
uses = ["generate", "public-key", "sign", "destroy"]
"#;
const START: Duration = Duration::from_secs(30);
const PAUSE: Duration = Duration::from_millis(50);
/// One request in so many again warms up.
const WARM_UP: usize = 8;
