//! A gateway on a token: its configuration, its start, and its child.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use rustix::process::{Pid, Signal, kill_process};
use tokio::process::Command;

use super::token::{LABEL, SOFTHSM, Token};
use crate::harness::api::{Api, tenant};
use crate::harness::{Ended, Gateway, KEYPORT, Plan, Site, soft};

/// A folder with a configuration, and the token that it is about.
pub(super) struct Stage {
    pub(super) site: Site,
    pub(super) token: Token,
    /// What the gateway finds in its environment besides.
    environment: Vec<(OsString, OsString)>,
}

/// How the token is reached.
#[derive(Clone, Debug)]
pub(super) struct Way {
    /// The library.
    pub(super) module: PathBuf,
    /// More lines of the connection.
    pub(super) more: String,
    /// What the library needs in its environment, besides what SoftHSM does.
    pub(super) environment: Vec<(OsString, OsString)>,
}

impl Way {
    /// SoftHSM itself.
    pub(super) fn straight() -> Self {
        Self { module: SOFTHSM.into(), more: String::new(), environment: Vec::new() }
    }

    /// The same, with more lines.
    pub(super) fn with(more: &str) -> Self {
        Self { more: more.to_owned(), ..Self::straight() }
    }

    /// The connection `hsm`.
    pub(super) fn connection(&self, token: &Token) -> String {
        let (module, pin) = (self.module.display(), token.pin_file());
        let choice = if self.more.contains("token =") { "" } else { &format!("token = \"{LABEL}\"\n") };

        format!(
            "[[connection]]\nname = \"hsm\"\nkind = \"pkcs11\"\nmodule = \"{module}\"\n{choice}{}\n\
             [connection.pin]\nfile = \"{}\"\n",
            self.more,
            pin.display()
        )
    }
}

impl Stage {
    /// The tenants `acme` and `globex` on the token, and `bystander` on the embedded one.
    pub(super) async fn usual() -> Option<Self> {
        Self::set(Token::new().await?, &Way::straight(), usual())
    }

    /// These providers and tenants, with a token that is reached so.
    #[expect(clippy::unnecessary_wraps, reason = "a step after one that may find nothing")]
    pub(super) fn set(token: Token, way: &Way, sections: Vec<String>) -> Option<Self> {
        let site = Site::new(&plan(&token, way, sections));

        Some(Self { site, token, environment: way.environment.clone() })
    }

    /// The same gateway, configured anew.
    pub(super) fn configure(&mut self, way: &Way, sections: Vec<String>) {
        self.environment.clone_from(&way.environment);
        self.site.configure(&plan(&self.token, way, sections));
    }

    /// Starts a gateway, which must become ready.
    pub(super) async fn start(&self) -> Gateway {
        self.start_with(&[]).await
    }

    /// The same, with more arguments.
    pub(super) async fn start_with(&self, more: &[&str]) -> Gateway {
        self.try_start(&self.site, more).await.unwrap_or_else(|ended| panic!("no start: {ended:#?}"))
    }

    /// Starts a gateway, which must refuse to; answers what it said.
    pub(super) async fn refuses(&self) -> String {
        self.refuses_with(&[]).await
    }

    /// The same, with more arguments.
    pub(super) async fn refuses_with(&self, more: &[&str]) -> String {
        match self.try_start(&self.site, more).await {
            Ok(gateway) => panic!("it started, and logged:\n{}", gateway.logged()),
            Err(ended) => {
                assert_eq!(ended.code(), Some(1), "{ended:#?}");
                ended.said()
            }
        }
    }

    /// A folder for another gateway on the same token.
    pub(super) fn another_site(&self, sections: Vec<String>) -> Site {
        Site::new(&plan(&self.token, &Way::straight(), sections))
    }

    /// Starts the gateway of such a folder, which must become ready.
    pub(super) async fn start_on(&self, site: &Site) -> Gateway {
        self.try_start(site, &[]).await.unwrap_or_else(|ended| panic!("no start: {ended:#?}"))
    }

    async fn try_start(&self, site: &Site, more: &[&str]) -> Result<Gateway, Ended> {
        let mut command = Command::new(KEYPORT);
        command.args(["serve", "--config"]).arg(site.path("keyport.toml")).args(more);
        command.envs([self.token.environment()]).envs(self.environment.iter().cloned());

        site.run(command).await
    }

    pub(super) fn data(&self) -> PathBuf {
        self.site.data()
    }
}

/// The tenants `acme` and `globex` on the token, and `bystander` on the embedded one.
pub(super) fn usual() -> Vec<String> {
    vec![
        provider("hsm", &[]),
        soft("soft"),
        tenant("acme", "hsm"),
        tenant("globex", "hsm"),
        tenant("bystander", "soft"),
    ]
}

/// A built-in provider that may do everything on the token, and with what was there before as these patterns say.
pub(super) fn provider(name: &str, objects: &[&str]) -> String {
    format!("[[provider]]\nname = \"{name}\"\ncomponent = \"builtin:pkcs11\"\n{}", grant(objects))
}

/// Every use of the token.
pub(super) fn grant(objects: &[&str]) -> String {
    format!(
        "\n[[provider.grant]]\nconnection = \"hsm\"\nuses = [\"generate\", \"public-key\", \"sign\", \"destroy\"]\n\
         objects = {objects:?}\n"
    )
}

/// A tenant's client of contract `v1`.
pub(super) fn api(gateway: &Gateway, tenant: &str) -> Api {
    Api::of(gateway, tenant)
}

/// The process that the library runs in; `None` while there is none.
pub(super) fn child(gateway: &Gateway) -> Option<Pid> {
    children(gateway).first().copied()
}

/// The processes that libraries run in.
pub(super) fn children(gateway: &Gateway) -> Vec<Pid> {
    let processes = fs::read_dir("/proc").expect("this test needs /proc");
    let ids = processes.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());

    let hosts = ids.filter_map(|id: i32| {
        let process = Path::new("/proc").join(id.to_string());
        let status = fs::read_to_string(process.join("status")).ok()?;
        let parent = status.lines().find_map(|line| line.strip_prefix("PPid:"))?.trim().parse().ok()?;
        let command = fs::read(process.join("cmdline")).ok()?;
        let is_host = command.split(|byte| *byte == 0).any(|argument| argument == b"pkcs11-host");

        (is_host && Pid::from_raw(parent) == Some(gateway.pid())).then(|| Pid::from_raw(id))?
    });
    hosts.collect()
}

/// Kills the process that the library runs in.
pub(super) fn kill_child(gateway: &Gateway) {
    let child = child(gateway).expect("a process for the library");

    kill_process(child, Signal::KILL).expect("it is killed");
}

/// A library that a package put where the machine's architecture has its modules; `None` where it is not installed, which
/// is said, and fails on CI.
pub(super) fn library(name: &str, package: &str) -> Option<PathBuf> {
    let mut folders: Vec<_> = fs::read_dir("/usr/lib").expect("/usr/lib").flatten().collect();
    folders.sort_by_key(fs::DirEntry::file_name);
    let found =
        folders.iter().map(|folder| folder.path().join("pkcs11").join(name)).find(|file| file.exists());

    assert!(found.is_some() || std::env::var_os("CI").is_none(), "{name} is missing: install {package}");
    if found.is_none() {
        eprintln!("skipped: {name} is missing: install {package}");
    }
    found
}

fn plan(token: &Token, way: &Way, sections: Vec<String>) -> Plan {
    let limits = format!("request-timeout = \"{}s\"", DEADLINE.as_secs());
    let mut plan = Plan { limits, ..Plan::of(["[contract.v1]\n".to_owned(), way.connection(token)]) };
    plan.sections.extend(sections);
    plan
}

/// From a request's head to its answer.
pub(super) const DEADLINE: std::time::Duration = std::time::Duration::from_secs(5);
