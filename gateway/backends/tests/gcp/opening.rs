//! What is refused before anything is sent, and with which mend.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use keyport_backends::gcp::{Connection, Credentials, Gcp};
use keyport_stand_ins::gcp::key_file;
use serde_json::json;

use crate::clock::Ahead;
use crate::ring::{connection, write};

/// Why a connection with this change is not opened.
fn refusal(change: impl FnOnce(&mut Connection, &Path)) -> String {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("key.json");
    write(&file, &key_file().to_string());
    let mut described = connection("http://127.0.0.1:1", Credentials::File(file));
    change(&mut described, folder.path());

    Gcp::open(described, Arc::new(Ahead::default())).unwrap_err().to_string()
}

#[tokio::test]
async fn a_mistake_is_named_with_its_mend() {
    type Change = fn(&mut Connection, &Path);
    let mistakes: [(Change, &str); 9] = [
        (|it, _| it.key_ring = "prod".into(), "`prod` is no key ring: write projects/"),
        (|it, _| it.prefix = "a/b".into(), "`a/b` cannot begin the names"),
        (|it, _| it.endpoint = "http://kms.example".into(), "`endpoint` must be https://"),
        (|it, _| it.labels.push(("Team".into(), "a".parse().unwrap())), "`Team` is no label"),
        (|it, _| it.labels.push(("keyport-x".into(), "a".parse().unwrap())), "`keyport-x` is no label"),
        (|it, _| it.destroy_after = Some(Duration::from_secs(3600)), "1 to 120 days"),
        (|it, _| it.proxy = Some("://".into()), "`proxy` cannot be used"),
        (|it, _| it.quota_project = Some("a\nb".into()), "`quota-project`"),
        (|it, _| it.credentials = Credentials::Metadata("a/b".into()), "`a/b` is no host"),
    ];

    for (change, expected) in mistakes {
        let said = refusal(change);
        assert!(said.contains(expected), "{said}");
    }
}

#[tokio::test]
async fn files_that_are_no_credentials_are_named_and_not_quoted() {
    for (text, expected) in [
        ("{\"private_key\": \"hunter2\"}".to_owned(), "holds no credentials of Google's"),
        ("hunter2".to_owned(), "see line 1"),
        (json!({ "type": "service_account", "private_key": "hunter2" }).to_string(), "holds no credentials"),
        (aws().to_string(), "federate a token in a file or at a URL"),
    ] {
        let said = refusal(|it, folder| {
            let file = folder.join("other.json");
            write(&file, &text);
            it.credentials = Credentials::File(file);
        });
        assert!(said.contains(expected) && said.contains("other.json"), "{said}");
        assert!(!said.contains("hunter2"), "{said}");
    }

    let missing = refusal(|it, _| it.credentials = Credentials::File("/no/such/key.json".into()));
    assert_eq!(missing, "/no/such/key.json: there is no such file; the credentials is expected in it");
}

fn aws() -> serde_json::Value {
    json!({
        "type": "external_account",
        "audience": "a",
        "subject_token_type": "urn:ietf:params:aws:token-type:aws4_request",
        "credential_source": { "environment_id": "aws1" },
    })
}
