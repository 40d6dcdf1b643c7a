//! The example for curl: its script, against the gateway that it is written for.

use std::path::PathBuf;

use tokio::process::Command;

use crate::dev::token;
use crate::harness::{Gateway, run, tool};

#[tokio::test]
async fn the_example_for_curl_calls_every_contract() {
    for name in ["bash", "curl", "jq", "openssl"] {
        if !tool(name).await {
            return;
        }
    }
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let gateway = Gateway::dev(&data).await;

    let calls = async |token: PathBuf| {
        let mut command = Command::new(example());
        command.arg("a-name").env("KEYPORT_URL", format!("https://{}", gateway.server.address));
        command.env("KEYPORT_CA", data.join("ca.pem")).env("KEYPORT_TOKEN_FILE", token);
        run(command).await
    };
    // Twice: the first run leaves nothing that the second stumbles over.
    for _ in 0..2 {
        let called = calls(data.join("token")).await;
        assert_eq!(called.code(), Some(0), "{called:#?}");
        assert_eq!(called.stdout.matches("Verified OK").count(), 2, "{called:#?}");
        assert!(called.stdout.contains("{\"valid\":true}"), "{called:#?}");
        assert!(called.stdout.trim_end().ends_with("# done"), "{called:#?}");
        assert!(!called.said().contains(&token(&data)), "the token is printed");
    }

    let wrong = folder.path().join("wrong");
    std::fs::write(&wrong, "kp_wrong").unwrap();
    assert_ne!(calls(wrong).await.code(), Some(0), "a refusal ends the script");
}

fn example() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../examples/curl/calls.sh")
}
