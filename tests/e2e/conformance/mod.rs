//! `keyport contract test`: it passes on the gateway, and fails on servers that are wrong.

mod choices;
mod impostor;
mod lies;
mod nonsense;

use std::path::Path;
use std::process::{Output, Stdio};
use std::time::Duration;

use serde_json::Value;
use tokio::process::Command;

use crate::dev::token;
use crate::harness::{Ended, Gateway, KEYPORT, keyport};

#[tokio::test]
async fn the_gateway_keeps_every_promise_of_webhook() {
    keeps_every_promise("webhook").await;
}

#[tokio::test]
async fn the_gateway_keeps_every_promise_of_remote_kms() {
    keeps_every_promise("remote-kms").await;
}

#[tokio::test]
async fn the_gateway_keeps_every_promise_of_v1() {
    keeps_every_promise("v1").await;
}

#[tokio::test]
async fn cases_are_listed_and_can_be_tried_alone() {
    let listed = keyport(&[&"contract", &"test", &"webhook", &"--list"]).await;
    assert_eq!(listed.code(), Some(0), "{listed:#?}");
    assert!(
        listed.stdout.lines().count() >= 35 && listed.stdout.contains("sign-wrong-length"),
        "{listed:#?}"
    );

    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let gateway = Gateway::dev(&data).await;
    let report = report(&Target::dev(&gateway, &data, "webhook").run(&["--only", "sign-wrong-length"]).await);
    assert_eq!(names(&report, "passed"), ["clean-up", "sign-wrong-length"]);

    let absent =
        keyport(&[&"contract", &"test", &"webhook", &"--list", &"--only", &"sign-wrong-lenght"]).await;
    assert_eq!(absent.code(), Some(1));
    assert!(absent.stderr.contains("did you mean `sign-wrong-length`"), "{absent:#?}");
    let nowhere = keyport(&[&"contract", &"test", &"webhook", &"--url", &"https://127.0.0.1:1"]).await;
    assert_eq!(nowhere.code(), Some(1));
    assert!(nowhere.stderr.contains("cannot reach 127.0.0.1:1"), "{nowhere:#?}");
}

async fn keeps_every_promise(contract: &str) {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let gateway = Gateway::dev(&data).await;
    let junit = folder.path().join("junit.xml");
    let ended =
        Target::dev(&gateway, &data, contract).run(&["--junit", junit.to_str().expect("a path")]).await;
    assert_eq!(ended.code(), Some(0), "{}", broken(&report(&ended)));

    let report = report(&ended);
    assert!(names(&report, "passed").len() >= 35, "{report:#}");
    assert_eq!(names(&report, "failed"), [""; 0], "{}", broken(&report));
    // What this project recommends, it does.
    assert_eq!(names(&report, "advised"), [""; 0], "{}", broken(&report));
    let cases = report["cases"].as_array().unwrap().len();
    let xml = std::fs::read_to_string(&junit).unwrap();
    assert!(xml.contains(&format!("tests=\"{cases}\"")) && xml.contains("failures=\"0\""), "{xml}");

    nothing_is_left(&gateway, &data).await;
}

async fn nothing_is_left(gateway: &Gateway, data: &Path) {
    let client = gateway.server.client().with_token(&token(data)).with_base("/v1");
    let left = client.get("/keys?state=active").await.expect(200).json();

    assert_eq!(left["keys"].as_array().unwrap().len(), 0, "{left}");
}

/// A server that is tried.
struct Target {
    contract: &'static str,
    url: String,
    ca: std::path::PathBuf,
    token: std::path::PathBuf,
}

impl Target {
    /// A contract of a gateway for development.
    fn dev(gateway: &Gateway, data: &Path, contract: &str) -> Self {
        let contract = CONTRACTS.into_iter().find(|known| *known == contract).expect("a contract");
        let url = format!("https://{}/{contract}", gateway.server.address);

        Self { contract, url, ca: data.join("ca.pem"), token: data.join("token") }
    }

    /// Runs the command to its end, with further arguments.
    async fn run(&self, more: &[&str]) -> Ended {
        let mut command = self.command();
        command.args(more);

        ended(command).await
    }

    fn command(&self) -> Command {
        let Self { contract, url, ca, token } = self;
        let mut command = Self::command_of(contract, url);
        command.arg("--ca").arg(ca).arg("--token-file").arg(token);
        command
    }

    /// The command without anything that makes it trust, or be trusted.
    fn command_of(contract: &str, url: &str) -> Command {
        let mut command = Command::new(KEYPORT);
        command.args(["contract", "test", contract, "--json", "--url", url]);
        command
    }
}

/// Runs a command to its end, which may take longer than others: RSA keys are made.
async fn ended(mut command: Command) -> Ended {
    command.stdin(Stdio::null()).kill_on_drop(true);
    let output = tokio::time::timeout(PATIENCE, command.output()).await.expect("an end in time");
    let Output { status, stdout, stderr } = output.expect("the command cannot be started");

    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    Ended { status, stdout: text(stdout), stderr: text(stderr) }
}

fn report(ended: &Ended) -> Value {
    serde_json::from_str(&ended.stdout).unwrap_or_else(|error| panic!("{error}: {ended:#?}"))
}

/// The cases with an outcome, by name.
fn names<'a>(report: &'a Value, outcome: &str) -> Vec<&'a str> {
    let cases = report["cases"].as_array().expect("cases").iter();

    let mut names: Vec<_> = cases
        .filter(|case| case["outcome"] == outcome)
        .map(|case| case["name"].as_str().expect("a name"))
        .collect();
    names.sort_unstable();
    names
}

/// The cases that did not pass, for a test that fails.
fn broken(report: &Value) -> String {
    let cases = report["cases"].as_array().expect("cases").iter();
    let broken = cases.filter(|case| case["outcome"] == "failed" || case["outcome"] == "advised");

    broken.map(|case| format!("{case:#}")).collect()
}

/// Far more than it takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(180);
const CONTRACTS: [&str; 3] = ["remote-kms", "v1", "webhook"];
