//! What happens when the process, the library or the token goes away while it is used.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use keyport_backends::pkcs11::{Connection, Pkcs11};
use keyport_core::backend::{Backend, Object};
use keyport_core::custody::Mechanism;
use keyport_core::scheme::KeyType;
use keyport_core::{Failure, FailureKind};
use rustix::process::{Pid, Signal};
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::process::{Server, eventually, group_of, hosts, kill_hosts, socket, stop};
use crate::suite::{Custodian, soon};
use crate::token::{SOFTHSM, Token, is_there, library};

#[tokio::test(flavor = "multi_thread")]
async fn a_process_killed_under_load_leaves_no_call_unanswered_and_is_back_within_a_second() {
    let Some(token) = Token::new(SOFTHSM) else { return };
    let custodian = token.custodian(token.open().await);
    let (object, _) = custodian.make(KeyType::EcP256).await;

    let load = Load::start(&custodian, &object);
    load.answered(200).await;
    assert_eq!(kill_hosts(&token), 1);
    let killed = now();
    sign(&*custodian.backend, &object, soon()).await.ok();
    sign(&*custodian.backend, &object, soon()).await.unwrap();
    assert!(killed.elapsed() < Duration::from_secs(1), "{:?}", killed.elapsed());

    load.answered(200).await;
    let failures = load.stop().await;
    assert!(failures.len() <= Load::CALLERS, "{} failures", failures.len());
    for failure in failures {
        assert_eq!(failure.kind, FailureKind::Unavailable, "{failure}");
        assert!(failure.retry_after.is_some());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stopped_process_is_noticed_by_its_silence_and_replaced() {
    let Some(token) = Token::new(SOFTHSM) else { return };
    let connection = Connection { call_timeout: Duration::from_secs(600), ..token.connection() };
    let custodian = token.custodian(Pkcs11::open(connection).await.unwrap());
    let (object, _) = custodian.make(KeyType::EcP256).await;

    let host = hosts(&token)[0];
    stop(host);
    let refused = sign(&*custodian.backend, &object, soon()).await.unwrap_err();
    assert_eq!(refused.kind, FailureKind::Unavailable);
    assert!(refused.message.contains("silent"), "{refused}");

    sign(&*custodian.backend, &object, soon()).await.unwrap();
    assert!(!hosts(&token).contains(&host));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_hangs_ends_in_time_and_the_next_is_served_once_the_token_answers() {
    let Some((token, server)) = served() else { return };
    let connection = Connection { call_timeout: Duration::from_millis(500), ..remote(&token) };
    let custodian = token.custodian(Pkcs11::open(connection).await.unwrap());
    let (object, _) = custodian.make(KeyType::EcP256).await;

    server.signal(Signal::STOP);
    let (start, deadline) = (now(), now() + Duration::from_millis(200));
    let refused = sign(&*custodian.backend, &object, deadline).await.unwrap_err();
    assert_eq!(refused.kind, FailureKind::Unavailable);
    assert!(start.elapsed() < Duration::from_millis(400), "{:?}", start.elapsed());

    let hung = sign(&*custodian.backend, &object, soon()).await.unwrap_err();
    assert_eq!(hung.kind, FailureKind::Unavailable);
    server.signal(Signal::CONT);
    recovered(&*custodian.backend, &object).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_was_killed_is_reached_again_once_it_is_started_again() {
    let Some((token, server)) = served() else { return };
    let custodian = token.custodian(Pkcs11::open(remote(&token)).await.unwrap());
    let (object, made) = custodian.make(KeyType::EcP256).await;

    drop(server);
    let refused = sign(&*custodian.backend, &object, soon()).await.unwrap_err();
    assert_eq!(refused.kind, FailureKind::Unavailable);
    assert!(refused.retry_after.is_some());
    let unhealthy = custodian.backend.health(soon()).await.unwrap_err();
    assert_eq!(unhealthy.kind, FailureKind::Unavailable);

    let _server = Server::start(&token);
    recovered(&*custodian.backend, &object).await;
    assert_eq!(custodian.backend.public_key(&object, soon()).await.unwrap(), made.public);
    custodian.backend.health(soon()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_is_away_is_waited_for_in_the_background() {
    let Some((token, server)) = served() else { return };
    drop(server);

    let backend = Pkcs11::open(remote(&token)).await.unwrap();
    assert_eq!(backend.health(soon()).await.unwrap_err().kind, FailureKind::Unavailable);

    let _server = Server::start(&token);
    eventually("the token is found", async || backend.health(soon()).await.is_ok()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_module_started_neither_outlives_it_nor_keeps_it_from_being_replaced() {
    let Some(token) = Token::new(SOFTHSM) else { return };
    let mut connection = token.connection();
    let program = std::mem::replace(&mut connection.host.path, "/bin/sh".into());
    let script = format!("sleep 3600 & exec {} {}", program.display(), token.folder.path().display());
    connection.host.arguments = vec!["-c".into(), script.into()];
    let custodian = token.custodian(Pkcs11::open(connection).await.unwrap());
    let (object, _) = custodian.make(KeyType::EcP256).await;

    let group = hosts(&token)[0];
    assert_eq!(group_of(group).len(), 2);
    assert_eq!(kill_hosts(&token), 1);
    recovered(&*custodian.backend, &object).await;
    is_gone(group).await;

    let group = hosts(&token)[0];
    drop(custodian);
    is_gone(group).await;
}

async fn is_gone(group: Pid) {
    eventually("the group is gone", async || group_of(group).is_empty()).await;
}

/// Callers that sign without a pause.
struct Load {
    callers: JoinSet<Vec<Failure>>,
    stop: Arc<AtomicBool>,
    answers: watch::Receiver<usize>,
}

impl Load {
    const CALLERS: usize = 32;

    fn start(custodian: &Custodian, object: &Object) -> Self {
        let (stop, mut callers) = (Arc::new(AtomicBool::new(false)), JoinSet::new());
        let (answer, answers) = watch::channel(0);
        for _ in 0..Self::CALLERS {
            let (backend, object) = (Arc::clone(&custodian.backend), object.clone());
            let (stop, answer) = (Arc::clone(&stop), answer.clone());
            callers.spawn(caller(backend, object, stop, answer));
        }

        Self { callers, stop, answers }
    }

    /// Waits until so many more calls were answered.
    async fn answered(&self, more: usize) {
        let mut answers = self.answers.clone();
        let enough = *answers.borrow() + more;
        answers.wait_for(|count| *count >= enough).await.unwrap();
    }

    async fn stop(self) -> Vec<Failure> {
        self.stop.store(true, Ordering::Relaxed);
        self.callers.join_all().await.into_iter().flatten().collect()
    }
}

async fn caller(
    backend: Arc<dyn Backend>,
    object: Object,
    stop: Arc<AtomicBool>,
    answer: watch::Sender<usize>,
) -> Vec<Failure> {
    let mut failures = Vec::new();
    while !stop.load(Ordering::Relaxed) {
        failures.extend(sign(&*backend, &object, soon()).await.err());
        answer.send_modify(|count| *count += 1);
    }

    failures
}

/// SoftHSM behind a p11-kit server.
fn served() -> Option<(Token, Server)> {
    if !is_there(&library(CLIENT), "p11-kit-modules") || !is_there("/usr/bin/p11-kit", "p11-kit") {
        return None;
    }
    let token = Token::new(SOFTHSM)?;
    let server = Server::start(&token);

    Some((token, server))
}

/// The token as a client of the server has it.
fn remote(token: &Token) -> Connection {
    let address = format!("unix:path={}", socket(token).display());
    let mut connection = Connection { module: library(CLIENT).into(), ..token.connection() };
    connection.host.environment = vec![("P11_KIT_SERVER_ADDRESS".into(), address.into())];

    connection
}

async fn sign(backend: &dyn Backend, object: &Object, deadline: Instant) -> Result<Vec<u8>, Failure> {
    backend.sign(object, Mechanism::Ecdsa, &[7; 32], deadline).await
}

/// Asks until it signs; every answer before that must say that it is a matter of time.
async fn recovered(backend: &dyn Backend, object: &Object) {
    let deadline = now() + Duration::from_secs(60);
    while let Err(failure) = sign(backend, object, deadline).await {
        assert_eq!(failure.kind, FailureKind::Unavailable, "{failure}");
        assert!(now() < deadline, "{failure}");
        tokio::task::yield_now().await;
    }
}

fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

const CLIENT: &str = "p11-kit-client.so";
