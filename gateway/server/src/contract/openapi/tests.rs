//! The description says what the contracts do: no more, no less.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::{Part, describe};
use crate::testing::{Answered, World};

/// Panics where an answer to the bytes of a request is not described. Every request of every test of a contract goes
/// through this, so that nothing is answered which the description keeps to itself.
pub(crate) fn assert_described(request: &[u8], answered: &Answered) {
    let text = String::from_utf8_lossy(request);
    let Some((method, rest)) = text.split_once(' ') else { return };
    let path = rest.split([' ', '?']).next().unwrap_or_default();
    let document = document();
    let Some(item) = item(&document, path) else {
        let is_a_contracts = PREFIXES
            .iter()
            .any(|(_, prefix)| path.strip_prefix(prefix).is_some_and(|below| below.starts_with('/')));
        assert!(!is_a_contracts || answered.status >= 400, "{method} {path} works and is not described");
        return;
    };

    let Some(operation) = item.get(method.to_lowercase()) else {
        assert!(matches!(answered.status, 400 | 401 | 405), "{method} {path} is not described: {answered:?}");
        return;
    };
    let status = answered.status.to_string();
    // That a path is none is for its client to find out while it is written.
    let is_described =
        operation["responses"].get(&status).is_some() || answered.body.contains("no_such_path");
    assert!(is_described, "{method} {path} answers {status}, which is not described");
}

#[tokio::test]
async fn every_described_operation_is_there_and_no_other_method_is() {
    let world = World::open().await;

    for (path, item) in paths(&document()) {
        let path = path.replace("{id}", "all").replace(['{', '}'], "");
        let methods: BTreeSet<_> =
            METHODS.into_iter().filter(|method| item.get(method.to_lowercase()).is_some()).collect();
        for method in METHODS {
            let answer = world.ask(method, &path, "").await;
            let is_there = !answer.body.contains("no_such_path") && answer.status != 405;
            // Some say by this status what their provider cannot do.
            let says_so = item[method.to_lowercase()]["responses"].get("405").is_some();
            let is_there = is_there || (answer.status == 405 && says_so);

            assert_eq!(is_there, methods.contains(method), "{method} {path}: {}", answer.body);
            let allowed: Vec<_> = methods.iter().copied().collect();
            let allow = format!("allow: {}\r\n", allowed.join(", "));
            assert!(is_there || answer.head.contains(&allow), "{method} {path}: {}", answer.head);
        }
    }
}

#[test]
fn described_statuses_are_those_of_the_golden_files() {
    for (name, prefix) in PREFIXES {
        let folder = format!("{}/../../tests/golden/{name}", env!("CARGO_MANIFEST_DIR"));
        let golden: BTreeSet<String> = std::fs::read_dir(folder)
            .unwrap()
            .map(|file| std::fs::read_to_string(file.unwrap().path()).unwrap())
            .map(|text| text.split(' ').next().unwrap().to_owned())
            .collect();
        let mut described: BTreeSet<String> = paths(&document())
            .into_iter()
            .filter(|(path, _)| path.strip_prefix(prefix).is_some_and(|below| below.starts_with('/')))
            .flat_map(|(_, item)| operations(&item))
            .flat_map(|operation| {
                operation["responses"].as_object().unwrap().keys().cloned().collect::<Vec<_>>()
            })
            .filter(|status| status.starts_with(['4', '5']))
            .collect();
        // The answer to a wrong method is described by its absence.
        described.insert("405".to_owned());

        assert_eq!(described, golden, "{name}");
    }
}

#[test]
fn every_reference_leads_somewhere() {
    fn follow(document: &Value, value: &Value) {
        match value {
            Value::Object(object) => {
                if let Some(reference) = object.get("$ref").and_then(Value::as_str) {
                    let pointer = reference.strip_prefix('#').unwrap();
                    assert!(document.pointer(pointer).is_some(), "{reference}");
                }
                object.values().for_each(|value| follow(document, value));
            }
            Value::Array(array) => array.iter().for_each(|value| follow(document, value)),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }

    let document = document();
    follow(&document, &document);
}

#[test]
fn every_operation_has_a_name_of_its_own() {
    let mut names = BTreeSet::new();

    for (path, item) in paths(&document()) {
        for operation in operations(&item) {
            let name = operation["operationId"].as_str().unwrap().to_owned();
            assert!(names.insert(name), "{path}");
        }
    }
}

#[tokio::test]
async fn anybody_may_read_the_description() {
    let world = World::open().await;
    let answer = world.ask_as("nobody", "GET", "/openapi.json", "").await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.json()["openapi"], "3.1.0");
    assert!(answer.json()["paths"].get("/v1/keys/{name}/sign").is_some());

    assert_eq!(world.ask("POST", "/openapi.json", "").await.status, 405);
    assert_eq!(world.ask("GET", "/openapi.json/x", "").await.status, 404);
}

fn document() -> Value {
    describe([(Part::REMOTE_KMS, "/remote-kms"), (Part::V1, "/v1"), (Part::WEBHOOK, "/webhook")]).unwrap()
}

fn paths(document: &Value) -> BTreeMap<String, Value> {
    serde_json::from_value(document["paths"].clone()).unwrap()
}

fn operations(item: &Value) -> Vec<Value> {
    METHODS.iter().filter_map(|method| item.get(method.to_lowercase()).cloned()).collect()
}

/// What is said of a path, where it is described.
fn item(document: &Value, path: &str) -> Option<Value> {
    let fits = |template: &str| {
        let (template, path) = (template.split('/'), path.split('/'));
        template.clone().count() == path.clone().count()
            && template.zip(path).all(|(template, segment)| template.starts_with('{') || template == segment)
    };

    paths(document).into_iter().find(|(template, _)| fits(template)).map(|(_, item)| item)
}

/// Alphabetical, as in `Allow`.
const METHODS: [&str; 5] = ["DELETE", "GET", "PATCH", "POST", "PUT"];

/// By the folder of their golden files.
const PREFIXES: [(&str, &str); 3] = [("remote-kms", "/remote-kms"), ("v1", "/v1"), ("webhook", "/webhook")];
