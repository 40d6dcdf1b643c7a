//! A token at the other end of a socket, which fails as an appliance does: killed, started again, and hung.

use std::ffi::OsString;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::time::Instant;

use super::stage::{DEADLINE, Stage, Way, api, library, usual};
use super::token::{LABEL, SOFTHSM, Token};
use crate::harness::load::{Load, are_signatures, are_signatures_or_unavailable};
use crate::harness::{Gateway, eventually, tool};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_that_goes_away_is_waited_for_and_served_again_when_it_is_back() {
    let Some((stage, remote)) = stage().await else { return };
    let mut server = remote.start().await;
    let gateway = stage.start().await;
    let (acme, bystander) = (api(&gateway, "acme"), api(&gateway, "bystander"));
    let (key, other) = (acme.create("a", "ec-p256").await, bystander.create("a", "ec-p256").await);
    let (load, others) = (Load::start(&acme, &key, 4), Load::start(&bystander, &other, 1));
    signs(&gateway).await;

    for _ in 0..2 {
        server.end();
        is_unavailable_in_time(&gateway).await;
        server = remote.start().await;
        signs(&gateway).await;
        acme.sign(&key).await;
    }
    let (seen, others) = (load.end().await, others.end().await);
    are_signatures(&others);
    are_signatures_or_unavailable(&seen);
    let slowest = seen.iter().map(|seen| seen.answered - seen.asked).max().unwrap();
    assert!(slowest < DEADLINE + SLACK, "{slowest:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_that_hangs_fails_its_own_requests_in_time_and_nobody_elses() {
    let Some((stage, remote)) = stage().await else { return };
    let server = remote.start().await;
    let gateway = stage.start().await;
    let (acme, bystander) = (api(&gateway, "acme"), api(&gateway, "bystander"));
    let (key, other) = (acme.create("a", "ec-p256").await, bystander.create("a", "ec-p256").await);
    let (load, others) = (Load::start(&acme, &key, 4), Load::start(&bystander, &other, 1));
    signs(&gateway).await;

    server.signal(Signal::STOP);
    is_unavailable_in_time(&gateway).await;
    // A second time, when the process that hung has been replaced by one that cannot even begin.
    is_unavailable_in_time(&gateway).await;
    server.signal(Signal::CONT);
    signs(&gateway).await;
    acme.sign(&key).await;

    let (seen, others) = (load.end().await, others.end().await);
    are_signatures(&others);
    are_signatures_or_unavailable(&seen);
    let slowest = seen.iter().map(|seen| seen.answered - seen.asked).max().unwrap();
    assert!(slowest < DEADLINE + SLACK, "{slowest:?}");
    let slowest = others.iter().map(|seen| seen.answered - seen.asked).max().unwrap();
    assert!(slowest < DEADLINE / 2, "the bystander waited {slowest:?}");
}

#[tokio::test]
async fn a_gateway_starts_without_its_token_and_serves_it_once_it_is_there() {
    let Some((stage, remote)) = stage().await else { return };
    let first = remote.start().await;
    let gateway = stage.start().await;
    let key = api(&gateway, "acme").create("a", "ec-p256").await;
    gateway.stop().await;
    drop(first);

    let gateway = stage.start().await;
    api(&gateway, "bystander").create("a", "ec-p256").await;
    let answer = api(&gateway, "acme").ask_to_sign("a").await;
    assert!(answer.expect(503).header("retry-after").is_some());
    let _server = remote.start().await;
    signs(&gateway).await;
    api(&gateway, "acme").sign(&key).await;
}

async fn is_unavailable_in_time(gateway: &Gateway) {
    let acme = api(gateway, "acme");

    eventually("the token to be missed", async || {
        let asked = Instant::now();
        let answer = acme.ask_to_sign("a").await;
        assert!(asked.elapsed() < DEADLINE + SLACK, "{:?}", asked.elapsed());
        (answer.status == 503 && answer.header("retry-after").is_some()).then_some(())
    })
    .await;
}

async fn signs(gateway: &Gateway) {
    let acme = api(gateway, "acme");

    eventually("it to sign", async || (acme.ask_to_sign("a").await.status == 200).then_some(())).await;
}

/// The usual gateway, on a token that is reached over a socket.
async fn stage() -> Option<(Stage, Remote)> {
    if !tool("p11-kit").await {
        return None;
    }
    let token = Token::new().await?;
    let socket = token.path("socket");
    let way = Way {
        module: library("p11-kit-client.so", "p11-kit-modules")?,
        more: "call-timeout = \"1s\"\n".to_owned(),
        environment: vec![(
            "P11_KIT_SERVER_ADDRESS".into(),
            format!("unix:path={}", socket.display()).into(),
        )],
    };

    let remote = Remote { environment: token.environment(), socket };
    Some((Stage::set(token, &way, usual())?, remote))
}

/// Where p11-kit serves the token.
struct Remote {
    environment: (OsString, OsString),
    socket: PathBuf,
}

/// p11-kit's server and the processes that it starts, one for each connection. They end when this is dropped.
struct Served(Child);

impl Remote {
    /// Serves the token, in a process group of its own.
    async fn start(&self) -> Served {
        drop(std::fs::remove_file(&self.socket));
        let mut command = Command::new("p11-kit");
        command.args(["server", "--foreground", "--provider", SOFTHSM, "--name"]).arg(&self.socket);
        command.arg(format!("pkcs11:token={LABEL}")).envs([self.environment.clone()]);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).process_group(0);
        let served = Served(command.spawn().expect("p11-kit starts"));

        eventually("p11-kit's socket", async || self.socket.exists().then_some(())).await;
        served
    }
}

impl Served {
    fn signal(&self, signal: Signal) {
        let group = i32::try_from(self.0.id()).ok().and_then(Pid::from_raw).expect("a process");

        kill_process_group(group, signal).expect("the signal is sent");
    }

    fn end(&mut self) {
        self.signal(Signal::KILL);
        self.0.wait().expect("its end");
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        if self.0.try_wait().is_ok_and(|ended| ended.is_none()) {
            self.end();
        }
    }
}

/// For the way there and back on a busy machine.
const SLACK: std::time::Duration = std::time::Duration::from_secs(1);
