//! What every provider promises, kept over another gateway.

use std::collections::BTreeSet;

use serde_json::Value;
use tokio::process::Command;

use super::front::{Back, present};
use crate::harness::{KEYPORT, Site};
use crate::provider::{named, report, run};

#[tokio::test]
async fn it_keeps_every_promise_over_another_gateway() {
    let (back, folder) = (Back::start().await, Site::new(&crate::harness::Plan::soft()));
    folder.write("back-ca.pem", back.site.authority.pem());
    present(&folder);

    for (setting, digests) in [("digests=no", false), ("digests=yes", true)] {
        let mut command = Command::new(KEYPORT);
        command.args([
            "provider",
            "test",
            "builtin:remote-kms",
            "--json",
            "--setting",
            setting,
            "--url",
            &back.url(),
        ]);
        command.arg("--ca").arg(folder.path("back-ca.pem"));
        command.arg("--token-file").arg(folder.path("back-token"));
        let ended = run(command).await;
        let report = report(&ended);

        assert_eq!((ended.code(), named(&report, "failed")), (Some(0), BTreeSet::new()), "{report:#}");
        assert_eq!(named(&report, "advised"), BTreeSet::new(), "{report:#}");
        assert_eq!(named(&report, "passed").contains("sign-a-digest-of-ones"), digests);
        assert!(named(&report, "passed").contains("create-is-idempotent"));
        assert!(skipped(&report).iter().all(|why| REASONS.contains(&why.as_str())), "{:?}", skipped(&report));
    }
    assert!(back.names().await.is_empty(), "whatever was made to try it is gone");
}

#[tokio::test]
async fn without_a_server_what_needs_one_is_skipped_and_says_so() {
    let mut command = Command::new(KEYPORT);
    command.args(["provider", "test", "builtin:remote-kms", "--json"]);
    let ended = run(command).await;

    let report = report(&ended);
    assert_eq!((ended.code(), named(&report, "failed")), (Some(0), BTreeSet::new()), "{report:#}");
    assert!(named(&report, "passed").contains("imports-no-wasi"));
    assert!(named(&report, "skipped").contains("sign-every-scheme"));
    assert!(ended.stdout.contains("give --url, and --ca and --token-file"), "{ended:?}");
}

/// Why cases were skipped.
fn skipped(report: &Value) -> BTreeSet<String> {
    let cases = report["cases"].as_array().unwrap().iter().filter(|case| case["outcome"] == "skipped");

    cases.map(|case| case["why"].as_str().unwrap_or_default().to_owned()).collect()
}

const REASONS: [&str; 5] = [
    "custody does not see what its custodian does",
    "it takes over no keys",
    "its custodian hashes by itself",
    "its custodian signs no empty message",
    "its custodian tells a public half once, when the key is made",
];
