//! A TPM in software with tpm2-pkcs11 in front of it: one call at a time, and a hard limit on sessions.

use std::fs;
use std::net::{TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use keyport_backends::pkcs11::{Connection, Pkcs11};
use keyport_core::backend::{Backend, Object};
use keyport_core::custody::Mechanism;
use keyport_core::scheme::KeyType;
use keyport_core::{Failure, FailureKind};
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::probe::every_offered_type_works;
use crate::suite::{self, Custodian, soon};
use crate::token::{Kind, Made, Token, is_there, library, number, run};

#[tokio::test(flavor = "multi_thread")]
async fn a_tpm_keeps_what_every_backend_promises() {
    let Some((token, _tpm)) = Tpm::new() else { return };

    suite::backend(&token.custodian(Pkcs11::open(patient(&token)).await.unwrap())).await;
}

#[tokio::test]
async fn a_probe_of_a_tpm_finds_that_every_type_works_that_it_offers() {
    let Some((token, _tpm)) = Tpm::new() else { return };

    every_offered_type_works(&token).await;
}

#[tokio::test]
async fn a_key_of_a_tpm_is_for_signing_only_but_for_rsa_which_it_signs_with_by_decrypting() {
    let Some((token, _tpm)) = Tpm::new() else { return };
    let custodian = token.custodian(token.open().await);
    for (key_type, usage) in [(KeyType::EcP256, "sign"), (KeyType::Rsa2048, "decrypt, sign")] {
        let (object, _) = custodian.make(key_type).await;

        let listed = listed(&token, &object);
        assert!(listed.contains(&format!("Usage:      {usage}\n")), "{key_type}: {listed}");
        assert!(listed.contains("Access:     sensitive, always sensitive, never extractable"), "{listed}");
    }
}

#[tokio::test]
async fn what_a_tpm_destroyed_is_gone_for_other_programs_too() {
    let Some((token, _tpm)) = Tpm::new() else { return };
    let custodian = token.custodian(token.open().await);
    let (object, _) = custodian.make(KeyType::EcP256).await;
    custodian.backend.sign(&object, Mechanism::Ecdsa, &[7; 32], soon()).await.unwrap();
    assert!(listed(&token, &object).contains("Private Key Object"));

    custodian.backend.destroy(&object, soon()).await.unwrap();
    assert_eq!(listed(&token, &object), "");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_is_busy_signing_stays_which_is_said_and_is_destroyed_later() {
    let Some((token, _tpm)) = Tpm::new() else { return };
    let custodian = token.custodian(token.open().await);
    let (object, _) = custodian.make(KeyType::EcP256).await;

    let (signed, destroyed) =
        tokio::join!(signatures(&custodian, &object, soon()), custodian.backend.destroy(&object, soon()));
    if let Err(stayed) = destroyed {
        assert!(stayed.message.contains("the private key stayed: C_DestroyObject: CKR_"), "{stayed}");
    }
    for refused in signed.into_iter().filter_map(Result::err) {
        assert_eq!(refused.kind, FailureKind::NotFound, "{refused}");
    }

    custodian.backend.destroy(&object, soon()).await.unwrap();
    assert_eq!(listed(&token, &object), "");
}

#[tokio::test]
async fn a_curve_that_a_tpm_has_and_its_library_cannot_use_is_refused_and_leaves_nothing() {
    let Some((token, _tpm)) = Tpm::new() else { return };
    let backend = token.open().await;

    let refused = backend.generate(suite::request(KeyType::EcP521), soon()).await.unwrap_err();
    assert_eq!(refused.kind, FailureKind::Unsupported, "{refused}");
    assert_eq!(token.tool(&["--list-objects"]), "");
}

#[tokio::test(flavor = "multi_thread")]
async fn two_thousand_signatures_at_once_are_made_though_the_token_has_sessions_for_half_of_them() {
    let Some((token, _tpm)) = Tpm::new() else { return };
    let greedy = Connection { sessions: number(CALLS), in_flight: number(CALLS), ..patient(&token) };
    let custodian = token.custodian(Pkcs11::open(greedy).await.unwrap());
    let (object, _) = custodian.make(KeyType::EcP256).await;

    for outcome in signatures(&custodian, &object, soon()).await {
        outcome.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_thousand_signatures_those_that_a_slow_token_cannot_make_in_time_are_told_to_come_again() {
    let Some((token, _tpm)) = Tpm::new() else { return };
    let custodian = token.custodian(token.open().await);
    let (object, _) = custodian.make(KeyType::EcP256).await;

    let deadline = Instant::now().into_std() + Duration::from_secs(1);
    let outcomes = signatures(&custodian, &object, deadline).await;
    let late: Vec<_> = outcomes.into_iter().filter_map(Result::err).collect();
    assert!(!late.is_empty() && late.len() < CALLS, "{} of {CALLS} failed", late.len());
    for failure in late {
        assert!(matches!(failure.kind, FailureKind::Throttled | FailureKind::Unavailable), "{failure}");
    }

    // None of them took the token's process along.
    custodian.backend.sign(&object, Mechanism::Ecdsa, &[7; 32], soon()).await.unwrap();
}

/// The private key, as pkcs11-tool lists it.
fn listed(token: &Token, object: &Object) -> String {
    token.tool(&["--list-objects", "--type", "privkey", "--id", object.native_id.as_str()])
}

/// Asks for many signatures at once.
async fn signatures(
    custodian: &Custodian,
    object: &Object,
    deadline: std::time::Instant,
) -> Vec<Result<Vec<u8>, Failure>> {
    let mut tasks = JoinSet::new();
    for _ in 0..CALLS {
        let (backend, object) = (Arc::clone(&custodian.backend), object.clone());
        tasks.spawn(async move { backend.sign(&object, Mechanism::Ecdsa, &[7; 32], deadline).await });
    }

    tasks.join_all().await
}

/// A connection that leaves the token the time that it takes.
fn patient(token: &Token) -> Connection {
    Connection { call_timeout: Duration::from_secs(60), ..token.connection() }
}

/// The processes that a TPM in software consists of, in the order in which they were started.
#[derive(Debug, Default)]
struct Tpm(Vec<Child>);

impl Tpm {
    /// A new one, with a token; `None` where its software is missing.
    fn new() -> Option<(Token, Self)> {
        for (program, package) in PROGRAMS {
            if !is_there(program, package) {
                return None;
            }
        }
        let token = Token::new(kind())?;
        let mut tpm = Self::default();
        tpm.start(&token);

        let store = token.folder.path().join("store");
        let tool = |arguments: &[&str]| {
            run(token.command("tpm2_ptool").args(arguments).arg("--path").arg(&store));
        };
        tool(&["init"]);
        tool(&["addtoken", "--pid", "1", "--label", LABEL, "--userpin", PIN, "--sopin", "5678"]);
        Some((token, tpm))
    }

    /// Starts the TPM, and the resource manager on a bus of its own, through which several programs can use it.
    fn start(&mut self, token: &Token) {
        let folder = token.folder.path();
        let port = free_port();
        let control = port + 1;
        self.run(
            token.command("swtpm").args(["socket", "--tpm2", "--flags", "not-need-init,startup-clear"]).args(
                [
                    "--tpmstate",
                    &format!("dir={}", folder.join("state").display()),
                    "--server",
                    &format!("type=tcp,bindaddr=127.0.0.1,port={port}"),
                    "--ctrl",
                    &format!("type=tcp,bindaddr=127.0.0.1,port={control}"),
                ],
            ),
        );
        self.wait_for("swtpm", || TcpStream::connect(("127.0.0.1", control)).is_ok());

        let address = format!("--address={}", bus(folder));
        self.run(token.command("dbus-daemon").args(["--session", "--nofork", &address]));
        self.wait_for("dbus-daemon", || UnixStream::connect(folder.join("bus")).is_ok());

        let tcti = format!("swtpm:host=127.0.0.1,port={port}");
        // tpm2-pkcs11 keeps every key loaded that it made or used: the most that the manager allows are 100, and 27 otherwise.
        let options = ["--session", "--allow-root", "--max-transients", "100", "--tcti", &tcti];
        self.run(token.command("tpm2-abrmd").args(options));
        self.wait_for("tpm2-abrmd", || {
            token.command("tpm2_getrandom").args(["--hex", "4"]).output().unwrap().status.success()
        });
    }

    fn run(&mut self, command: &mut Command) {
        let command = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());

        self.0.push(command.spawn().unwrap());
    }

    /// Waits until the process that was started last is ready.
    fn wait_for(&mut self, name: &str, ready: impl Fn() -> bool) {
        let (start, last) = (Instant::now(), self.0.last_mut().unwrap());
        while !ready() {
            assert!(last.try_wait().unwrap().is_none(), "{name} ended");
            assert!(start.elapsed() < Duration::from_secs(60), "{name} is not ready");
            std::thread::yield_now();
        }
    }
}

impl Drop for Tpm {
    fn drop(&mut self) {
        for child in self.0.iter_mut().rev() {
            // It fails only where the process has ended already.
            let _ended_already = child.kill();
            child.wait().unwrap();
        }
    }
}

fn kind() -> Kind {
    Kind {
        name: "TPM",
        module: library("libtpm2_pkcs11.so").leak(),
        package: "libtpm2-pkcs11-1",
        label: LABEL,
        pin: PIN,
        key_types: &[KeyType::EcP256, KeyType::EcP384, KeyType::Rsa2048, KeyType::Rsa3072],
        ed25519ph: false,
        make,
    }
}

fn make(folder: &Path) -> Made {
    let store = folder.join("store");
    fs::create_dir(&store).unwrap();
    fs::create_dir(folder.join("state")).unwrap();

    let manager = "tabrmd:bus_type=session";
    let environment = [
        ("DBUS_SESSION_BUS_ADDRESS", bus(folder)),
        ("TPM2_PKCS11_STORE", store.display().to_string()),
        ("TPM2_PKCS11_TCTI", manager.to_owned()),
        ("TPM2TOOLS_TCTI", manager.to_owned()),
    ];
    Made {
        environment: environment.map(|(name, value)| (name.into(), value.into())).to_vec(),
        initialisation: None,
    }
}

fn bus(folder: &Path) -> String {
    format!("unix:path={}", folder.join("bus").display())
}

/// A port that nobody listens on now, nor on the next: that is where the TPM's clients look for its control channel.
fn free_port() -> u16 {
    loop {
        let port = TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port();
        if port < u16::MAX && TcpListener::bind(("127.0.0.1", port + 1)).is_ok() {
            return port;
        }
    }
}

const CALLS: usize = 2000;
const LABEL: &str = "test";
const PIN: &str = "1234";

const PROGRAMS: [(&str, &str); 5] = [
    ("/usr/bin/dbus-daemon", "dbus"),
    ("/usr/bin/swtpm", "swtpm"),
    ("/usr/bin/tpm2_getrandom", "tpm2-tools"),
    ("/usr/bin/tpm2_ptool", "libtpm2-pkcs11-tools"),
    ("/usr/sbin/tpm2-abrmd", "tpm2-abrmd libtss2-tcti-tabrmd0"),
];
