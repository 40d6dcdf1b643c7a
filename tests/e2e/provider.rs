//! `keyport provider test` and `bench`: what every provider promises, on ours and on one that breaks promises.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs;
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::OnceLock;
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;
use tokio::process::Command;

use crate::harness::{Ended, KEYPORT, eventually, hostile_component};

#[tokio::test]
async fn our_provider_of_the_embedded_token_keeps_every_promise() {
    let folder = TempDir::new().unwrap();
    let junit = folder.path().join("report.xml");
    let ended =
        keyport(&["provider", "test", "builtin:soft", "--json", "--junit", junit.to_str().unwrap()]).await;

    let report = report(&ended);
    assert_eq!((ended.code(), &report["failed"], &report["skipped"]), (Some(0), &0.into(), &0.into()));
    assert!(report["passed"].as_u64().unwrap() >= 100, "{report:#}");
    assert!(fs::read_to_string(junit).unwrap().contains("sign-every-scheme"));
}

#[tokio::test]
async fn without_a_token_what_needs_one_is_skipped_and_says_so() {
    let ended = keyport(&["provider", "test", "builtin:pkcs11", "--json"]).await;

    let report = report(&ended);
    assert_eq!((ended.code(), &report["failed"]), (Some(0), &0.into()), "{report:#}");
    let (passed, skipped) = (named(&report, "passed"), named(&report, "skipped"));
    assert!(passed.contains("imports-no-wasi") && skipped.contains("sign-every-scheme"), "{report:#}");
    assert!(ended.stdout.contains("give --module, --token and --pin-file"), "{ended:?}");
}

#[tokio::test]
async fn a_provider_that_behaves_keeps_every_promise() {
    let (ended, report) = hostile("behave", &[]).await;

    assert_eq!((ended.code(), named(&report, "failed")), (Some(0), BTreeSet::new()), "{report:#}");
}

/// Each mode, the promises that it breaks, and one beside them that it keeps.
const BROKEN: &[(&str, &[&str], &str)] = &[
    ("big-handle", &["create-handle-is-short"], "health-is-well"),
    ("create-nothing", &["create-twice-differs", "create-answers-the-custodians-key"], "health-is-well"),
    ("create-twice", &["create-every-type"], "health-is-well"),
    ("destroy-in-sign", &["sign-every-scheme"], "create-every-type"),
    (
        "destroy-nothing",
        &[
            "destroy-every-family",
            "destroy-tells-of-a-failure",
            "sign-after-destroy",
            "closed-operation-destroys-nothing",
        ],
        "sign-what-is-asked",
    ),
    (
        "forge",
        &[
            "sign-answers-the-custodians-signature",
            "failure-in-sign-is-passed-on",
            "closed-operation-signs-nothing",
        ],
        "create-is-idempotent",
    ),
    ("generate-in-import", &["import-every-type", "import-signs"], "create-every-type"),
    ("grow-memory", &["limits-are-not-hit", "limits-memory-of-an-instance"], "sign-twice-is-well"),
    ("ignore-scheme", &["sign-refuses-other-schemes"], "sign-what-is-asked"),
    ("import-other-reference", &["import-is-idempotent"], "create-every-type"),
    ("leak", &["limits-memory-after-a-thousand-calls"], "sign-what-is-asked"),
    ("long-signature", &["sign-answers-the-normal-form", "sign-every-scheme"], "create-every-type"),
    ("loop", &["limits-cpu-of-a-signature", "sign-what-is-asked"], "create-is-idempotent"),
    ("moody", &["describe-is-the-same-twice"], "sign-what-is-asked"),
    (
        "opaque",
        &["failure-to-reach-keeps-its-meaning", "public-key-after-destroy", "lost-key-signs-nothing"],
        "sign-what-is-asked",
    ),
    ("panic-create", &["create-every-type"], "health-is-well"),
    ("panic-destroy", &["destroy-every-family"], "sign-what-is-asked"),
    ("panic-public-key", &["public-key-is-the-one-made"], "sign-what-is-asked"),
    ("repeat-scheme", &["describe-offers-each-scheme-once"], "health-is-well"),
    ("retry", &["failure-is-not-retried"], "sign-what-is-asked"),
    ("sign-twice", &["sign-asks-the-custodian-once"], "create-is-idempotent"),
    (
        "stale",
        &["instance-reused-signs-each-input", "instance-reused-keeps-keys-apart"],
        "sign-twice-is-well",
    ),
    ("strict-settings", &["setting-unknown-does-not-trap"], "health-is-well"),
    (
        "tamper",
        &["sign-every-scheme", "gateway-creates-and-signs", "at-once-sixteen-signatures"],
        "create-is-idempotent",
    ),
    ("well-anyway", &["health-tells-of-a-failure"], "sign-what-is-asked"),
];

#[tokio::test]
async fn each_broken_promise_is_told_by_its_name() {
    for (mode, broken, kept) in BROKEN {
        let only: Vec<_> = broken.iter().chain([kept]).copied().collect();
        let (ended, report) = hostile(mode, &only).await;

        let expected: BTreeSet<_> = broken.iter().map(|name| (*name).to_owned()).collect();
        assert_eq!(named(&report, "failed"), expected, "{mode}: {report:#}");
        assert!(named(&report, "passed").contains(*kept), "{mode}: {report:#}");
        assert_eq!(ended.code(), Some(1), "{mode}");
    }
}

#[tokio::test]
async fn what_would_better_be_kept_is_advice_and_no_failure() {
    let (ended, report) = hostile("opaque", &["failure-of-any-kind-keeps-its-meaning"]).await;

    let advised: Vec<_> = named(&report, "advised").into_iter().collect();
    assert_eq!((ended.code(), advised), (Some(0), vec!["failure-of-any-kind-keeps-its-meaning".to_owned()]));
}

#[tokio::test]
async fn whoever_interrupts_gets_a_report_and_a_custodian_without_its_keys() {
    let mut command = Command::new(KEYPORT);
    command.args(["provider", "test", "builtin:soft", "--json"]).stdout(Stdio::piped()).kill_on_drop(true);
    let child = command.spawn().unwrap();
    let pid = child.id().unwrap();
    eventually("a process that takes an interruption", async || catches_interrupts(pid).then_some(())).await;
    assert!(Command::new("kill").args(["-INT", &pid.to_string()]).status().await.unwrap().success());

    let output = tokio::time::timeout(PATIENCE, child.wait_with_output()).await.unwrap().unwrap();
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((output.status.code(), &report["failed"]), (Some(1), &1.into()), "{report:#}");
    assert!(named(&report, "passed").contains("cleared-up"), "{report:#}");
    assert!(!named(&report, "skipped").is_empty(), "{report:#}");
}

/// Whether a process has a handler for SIGINT (proc_pid_status(5)).
fn catches_interrupts(pid: u32) -> bool {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:")).unwrap();

    u64::from_str_radix(caught.trim(), 16).unwrap() & (1 << (2 - 1)) != 0
}

#[tokio::test]
async fn a_component_that_is_refused_is_told_why_and_what_it_imports() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("wasi.wasm");

    for (import, failed, advised) in [
        (
            "sockets/network",
            &["exports-provider", "imports-no-wasi", "imports-only-what-there-is", "loads"][..],
            &[][..],
        ),
        ("cli/environment", &["exports-provider", "loads"], &["imports-no-wasi"]),
    ] {
        let wasi = format!(r#"(component (import "wasi:{import}@0.2.0" (instance)))"#);
        fs::write(&file, wat::parse_str(wasi).unwrap()).unwrap();
        let ended = keyport(&["provider", "test", file.to_str().unwrap(), "--json"]).await;

        let report = report(&ended);
        assert_eq!(named(&report, "failed").into_iter().collect::<Vec<_>>(), failed);
        assert_eq!(named(&report, "advised").into_iter().collect::<Vec<_>>(), advised);
        assert_eq!(ended.code(), Some(1));
    }

    let looked = keyport(&["provider", "inspect", file.to_str().unwrap()]).await;
    let line = "imports    wasi:cli/environment@0.2.0, which needs wasi = true\n";
    assert!(looked.stdout.contains(line), "{}", looked.stdout);
}

#[tokio::test]
async fn every_case_is_listed_once_and_an_unknown_one_is_refused() {
    let listed = keyport(&["provider", "test", "--list"]).await;
    let names: Vec<_> = listed.stdout.lines().filter_map(|line| line.split_once("  ")).collect();
    let different: BTreeSet<_> = names.iter().map(|(name, _)| *name).collect();
    assert!(names.len() >= 100 && different.len() == names.len(), "{}", names.len());
    assert!(names.iter().all(|(name, promise)| is_kebab(name) && promise.trim().ends_with('.')));

    let nothing = TempDir::new().unwrap();
    let nothing = keyport(&["provider", "test", nothing.path().to_str().unwrap()]).await;
    assert!(nothing.code() == Some(1) && nothing.stderr.contains("keyport provider new"), "{nothing:?}");
    let refused = keyport(&["provider", "test", "builtin:soft", "--only", "no-such-case"]).await;
    assert!(refused.stderr.contains("there is no case `no-such-case`"), "{refused:?}");
    assert_eq!(refused.code(), Some(1));
}

#[tokio::test]
async fn a_bench_says_what_a_signature_costs() {
    let ended = keyport(&["provider", "bench", "builtin:soft", "--signatures", "20"]).await;

    assert_eq!(ended.code(), Some(0), "{ended:?}");
    for words in ["size ", "compile ", "load ", "host calls", "ec-p256 ecdsa(sha-256)"] {
        assert!(ended.stdout.contains(words), "{words}: {}", ended.stdout);
    }
}

#[tokio::test]
async fn what_a_configuration_limits_is_limited_while_it_is_tried() {
    let folder = TempDir::new().unwrap();
    let grants = folder.path().join("grants.toml");
    let tried = async |memory: &str| {
        fs::write(&grants, format!("[provider.limits]\nmemory = \"{memory}\"\n")).unwrap();
        let case = ["provider", "test", "builtin:soft", "--only", "limits-memory-of-an-instance", "--grants"];
        keyport(&[&case[..], &[grants.to_str().unwrap()]].concat()).await
    };

    assert_eq!(tried("8MiB").await.code(), Some(0));
    let narrow = tried("64KiB").await;
    assert_eq!(narrow.code(), Some(1));
    assert!(narrow.stdout.contains("1 failed"), "{narrow:?}");
}

/// Tries the hostile provider in a mode.
async fn hostile(mode: &str, only: &[&str]) -> (Ended, Value) {
    static FILE: OnceLock<(TempDir, PathBuf)> = OnceLock::new();
    let (_, file) = FILE.get_or_init(|| {
        let folder = TempDir::new().unwrap();
        let file = folder.path().join("hostile.wasm");
        fs::write(&file, hostile_component()).unwrap();
        (folder, file)
    });

    let setting = format!("mode={mode}");
    let mut arguments = vec!["provider", "test", file.to_str().unwrap(), "--json", "--setting", &setting];
    arguments.extend(only.iter().flat_map(|case| ["--only", case]));
    let ended = keyport(&arguments).await;
    let report = report(&ended);
    (ended, report)
}

/// That it kept every promise on its custodian, which takes over no keys. These cases alone may be beyond it besides.
pub(crate) fn keeps_every_promise(ended: &Ended, beyond: &[&str]) {
    let report = report(ended);
    assert_eq!((ended.code(), &report["failed"]), (Some(0), &0.into()), "{report:#}");
    assert!(report["passed"].as_u64().unwrap() >= 100, "{report:#}");

    let mut skipped = named(&report, "skipped");
    skipped.retain(|name| !name.starts_with("import-"));
    assert!(skipped.iter().eq(beyond), "{skipped:?}");
}

/// The names of the cases with an outcome.
pub(crate) fn named(report: &Value, outcome: &str) -> BTreeSet<String> {
    let cases = report["cases"].as_array().unwrap().iter();

    cases
        .filter(|case| case["outcome"] == outcome)
        .map(|case| case["name"].as_str().unwrap().to_owned())
        .collect()
}

pub(crate) fn report(ended: &Ended) -> Value {
    serde_json::from_str(&ended.stdout).unwrap_or_else(|error| panic!("{error}: {ended:?}"))
}

fn is_kebab(name: &str) -> bool {
    name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
}

async fn keyport(arguments: &[&str]) -> Ended {
    let mut command = Command::new(KEYPORT);
    command.args(arguments.iter().map(OsString::from));

    run(command).await
}

/// Runs a command to its end. A token in software takes its time for RSA keys.
pub(crate) async fn run(mut command: Command) -> Ended {
    command.stdin(Stdio::null()).kill_on_drop(true);
    let output = tokio::time::timeout(PATIENCE, command.output()).await.expect("an end in time").unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();

    Ended { status: output.status, stdout: text(output.stdout), stderr: text(output.stderr) }
}

const PATIENCE: Duration = Duration::from_secs(600);

/// What cannot be tried where a custodian signs digests alone.
pub(crate) const MESSAGES: [&str; 5] = [
    "sign-a-message-as-long-as-a-digest",
    "sign-a-message-of-every-byte",
    "sign-a-message-of-one-byte",
    "sign-an-empty-message",
    "sign-the-longest-message",
];
