//! A real OpenBao, with nothing in it but what a test puts there.

use std::fs::File;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use keyport_backends::cloud::Rates;
use keyport_backends::http::trust;
use keyport_backends::vault::{Connection, Login, Vault};
use keyport_core::custody::Mechanism;
use keyport_core::scheme::{Hash, KeyType};
use keyport_core::secret::Secret;
use reqwest::{Client, Method};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::time::Instant;

use crate::identity::Authority;
use crate::suite::Custodian;

/// A server, and a folder for what belongs to it. It ends with this.
#[derive(Debug)]
pub(crate) struct Bao {
    process: Child,
    pub(crate) url: String,
    pub(crate) root: String,
    pub(crate) unseal_key: String,
    pub(crate) folder: TempDir,
    client: Client,
}

impl Bao {
    /// One without TLS that is ready at once, with a transit engine; `None` where it cannot be had, which is said.
    pub(crate) async fn plain() -> Option<Self> {
        let program = program()?;
        let folder = tempfile::tempdir().unwrap();
        let address = free();
        let mut command = Command::new(program);
        command
            .args(["server", "-dev", "-dev-root-token-id=root", "-dev-no-store-token"])
            .arg(format!("-dev-listen-address={address}"));
        let process = start(command, folder.path());

        let (url, root) = (format!("http://{address}"), "root".to_owned());
        let bao = Self { process, url, root, unseal_key: String::new(), folder, client: client(None) };
        bao.answers(200).await;
        bao.mount_transit().await;
        Some(bao)
    }

    /// One with TLS, initialised and unsealed, with a transit engine.
    pub(crate) async fn with_tls(authority: &Authority) -> Option<Self> {
        let program = program()?;
        let folder = tempfile::tempdir().unwrap();
        let address = free();
        let (certificate, key) = authority.server(folder.path());
        let configuration = folder.path().join("server.hcl");
        let text = format!(
            "storage \"inmem\" {{}}\napi_addr = \"https://{address}\"\n\
             listener \"tcp\" {{\n  address = \"{address}\"\n  tls_cert_file = {certificate:?}\n  tls_key_file = {key:?}\n}}\n",
        );
        std::fs::write(&configuration, text).unwrap();
        let mut command = Command::new(program);
        command.arg("server").arg(format!("-config={}", configuration.display()));
        let process = start(command, folder.path());

        let client = client(Some(&authority.file()));
        let (url, root) = (format!("https://{address}"), String::new());
        let mut bao = Self { process, url, root, unseal_key: String::new(), folder, client };
        bao.answers(501).await;
        let made = bao.post("sys/init", json!({ "secret_shares": 1, "secret_threshold": 1 })).await;
        bao.root = made["root_token"].as_str().unwrap().to_owned();
        bao.unseal_key = made["keys_base64"][0].as_str().unwrap().to_owned();
        bao.unseal().await;
        bao.mount_transit().await;
        Some(bao)
    }

    /// Has it forget its own key.
    pub(crate) async fn seal(&self) {
        self.post("sys/seal", json!({})).await;
        self.answers(503).await;
    }

    pub(crate) async fn unseal(&self) {
        self.post("sys/unseal", json!({ "key": self.unseal_key })).await;
        self.answers(200).await;
    }

    pub(crate) async fn get(&self, path: &str) -> Value {
        self.admin(Method::GET, path, json!({})).await.1
    }

    /// Does something as its operator, which must succeed.
    pub(crate) async fn post(&self, path: &str, body: Value) -> Value {
        let (status, answer) = self.admin(Method::POST, path, body).await;

        assert!((200..300).contains(&status), "{path}: {status} {answer}");
        answer
    }

    /// Asks it something as its operator.
    pub(crate) async fn admin(&self, method: Method, path: &str, body: Value) -> (u16, Value) {
        self.asked_by(&self.root, (method, path), body).await
    }

    /// Asks it something with a token.
    pub(crate) async fn asked_by(
        &self,
        token: &str,
        (method, path): (Method, &str),
        body: Value,
    ) -> (u16, Value) {
        let url = format!("{}/v1/{path}", self.url);
        let asked = self.client.request(method, url).header("X-Vault-Token", token).body(body.to_string());
        let answer = asked.send().await.unwrap();
        let status = answer.status().as_u16();

        (status, serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap_or_default())
    }

    /// The names of the keys of an engine.
    pub(crate) async fn keys(&self, mount: &str) -> Vec<String> {
        let (_, answer) =
            self.admin(Method::from_bytes(b"LIST").unwrap(), &format!("{mount}/keys"), json!({})).await;
        let names = answer["data"]["keys"].as_array().cloned().unwrap_or_default();

        names.iter().map(|name| name.as_str().unwrap().to_owned()).collect()
    }

    /// A token of its own for a policy.
    pub(crate) async fn token(&self, options: Value) -> String {
        let made = self.post("auth/token/create", options).await;

        made["auth"]["client_token"].as_str().unwrap().to_owned()
    }

    /// Has a policy of this name say this.
    pub(crate) async fn policy(&self, name: &str, rules: &str) {
        self.post(&format!("sys/policies/acl/{name}"), json!({ "policy": rules })).await;
    }

    /// A file of mode 0600 in its folder.
    pub(crate) fn file(&self, name: &str, content: &str) -> PathBuf {
        let file = self.folder.path().join(name);
        crate::identity::write_secret(&file, content);
        file
    }

    /// A connection of its operator's.
    pub(crate) fn connection(&self) -> Connection {
        self.connection_by(Login::Token(Secret::new(self.root.clone().into_bytes())))
    }

    pub(crate) fn connection_by(&self, login: Login) -> Connection {
        Connection {
            address: self.url.clone(),
            ca: None,
            proxy: None,
            namespace: None,
            mount: "transit".to_owned(),
            create_mount: false,
            doubt: Duration::ZERO,
            first: false,
            prefix: "keyport".to_owned(),
            login,
            identity: None,
            verify: true,
            in_flight: NonZeroUsize::new(64).unwrap(),
            rates: Rates::default(),
        }
    }

    pub(crate) fn open(&self) -> Vault {
        Vault::open(self.connection()).unwrap()
    }

    async fn mount_transit(&self) {
        self.post("sys/mounts/transit", json!({ "type": "transit" })).await;
    }

    /// Waits until its health has this status.
    async fn answers(&self, status: u16) {
        let began = Instant::now();
        loop {
            let answer = self.client.get(format!("{}/v1/sys/health", self.url)).send().await;
            if answer.as_ref().is_ok_and(|answer| answer.status().as_u16() == status) {
                return;
            }
            let log = std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default();
            assert!(began.elapsed() < PATIENCE, "not {status} but {answer:?}: {log}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

impl Drop for Bao {
    fn drop(&mut self) {
        self.process.kill().ok();
        self.process.wait().ok();
    }
}

/// A client that believes this authority.
pub(crate) fn client(ca: Option<&Path>) -> Client {
    Client::builder().tls_backend_preconfigured(trust(ca).unwrap()).no_proxy().build().unwrap()
}

/// The backend, and what it should offer.
pub(crate) fn custodian(backend: Vault) -> Custodian {
    Custodian {
        backend: Arc::new(backend),
        key_types: KEY_TYPES.to_vec(),
        mechanisms: MECHANISMS.to_vec(),
        imports: Vec::new(),
        restores: false,
        messages: 0..=usize::MAX,
        binds_tenant: false,
    }
}

/// Where OpenBao's program is; it is installed where it is not there. A test is skipped where that is not possible, except on CI.
fn program() -> Option<&'static Path> {
    static PROGRAM: OnceLock<Option<PathBuf>> = OnceLock::new();

    PROGRAM.get_or_init(install).as_deref()
}

fn install() -> Option<PathBuf> {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../../.ci/setup-openbao");
    let output = Command::new(script).output().unwrap();
    if output.status.success() {
        return Some(String::from_utf8(output.stdout).unwrap().trim().into());
    }

    let said = String::from_utf8_lossy(&output.stderr);
    assert!(std::env::var_os("CI").is_none(), "OpenBao cannot be installed: {said}");
    eprintln!("skipped: OpenBao cannot be installed: {said}");
    None
}

fn start(mut command: Command, folder: &Path) -> Child {
    let log = File::create(folder.join("log")).unwrap();

    command.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log).spawn().unwrap()
}

fn free() -> SocketAddr {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap()
}

const KEY_TYPES: [KeyType; 7] = [
    KeyType::EcP256,
    KeyType::EcP384,
    KeyType::EcP521,
    KeyType::Ed25519,
    KeyType::Rsa2048,
    KeyType::Rsa3072,
    KeyType::Rsa4096,
];

const MECHANISMS: [Mechanism; 8] = [
    Mechanism::Ecdsa,
    Mechanism::Ed25519,
    Mechanism::RsaPkcs1v15(Hash::Sha256),
    Mechanism::RsaPkcs1v15(Hash::Sha384),
    Mechanism::RsaPkcs1v15(Hash::Sha512),
    Mechanism::RsaPss(Hash::Sha256),
    Mechanism::RsaPss(Hash::Sha384),
    Mechanism::RsaPss(Hash::Sha512),
];

/// Far more than it takes to start.
const PATIENCE: Duration = Duration::from_secs(60);
