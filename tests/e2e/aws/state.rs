//! How keys stand in the service: what an operator is told, and what a provider is not.

use std::fs;
use std::path::Path;

use hyper::Method;
use keyport_stand_ins::aws::{ACCESS_KEY, SECRET, State};
use serde_json::{Value, json};

use super::{Stage, client, keyport};
use crate::harness::{Client, Ended, digest_of, run};

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_is_told_how_a_key_stands_beside_its_state_here() {
    let stage = Stage::set();
    let gateway = stage.start(SECRET).await;
    let v1 = client(&gateway);
    let id = made(&v1, "a").await;
    let told = async |more: &[&str]| told(&stage, "example/a", more).await;

    let enabled = told(&[]).await;
    assert_eq!(
        (enabled.code(), &*enabled.stdout),
        (Some(0), &*format!("{id} active     kms              enabled\n"))
    );
    let arn = stage.service.keys().all()[0].arn.clone();
    stage.service.keys().get(&arn).unwrap().state = State::Disabled;
    let disabled = told(&[]).await;
    assert_eq!(disabled.code(), Some(1), "{disabled:#?}");
    assert!(disabled.stdout.contains("active     kms              disabled"), "{disabled:#?}");
    stage.service.keys().get(&arn).unwrap().state = State::Enabled;

    v1.call(Method::DELETE, "/keys/a", "").await.expect(204);
    stage.recorded("destroy").await;
    let nobody = told(&[]).await;
    assert!(nobody.code() == Some(1) && nobody.stderr.contains("there is no such key"), "{nobody:#?}");
    let destroyed = told(&["--id", &id]).await;
    assert_eq!(destroyed.code(), Some(0), "{destroyed:#?}");
    let until = "destroyed  kms              pending-deletion until 2027-01-15T08:00:00Z";
    assert!(destroyed.stdout.contains(until), "{destroyed:#?}");
    stage.every_call_is_in_the_policy();
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_is_told_of_keys_where_no_gateway_runs_or_of_another_tenants() {
    let stage = Stage::set();
    let gateway = stage.start(SECRET).await;
    made(&client(&gateway), "a").await;

    let stranger = told(&stage, "stranger/a", &[]).await;
    assert!(stranger.code() == Some(1) && stranger.stderr.contains("there is no such key"), "{stranger:#?}");
    let wrong = told(&stage, "a", &[]).await;
    assert!(wrong.code() == Some(2) && wrong.stderr.contains("TENANT/NAME"), "{wrong:#?}");
    gateway.stop().await;
    let nobody = told(&stage, "example/a", &[]).await;
    assert!(nobody.code() == Some(1) && nobody.stderr.contains("no gateway runs"), "{nobody:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_guest_that_asks_how_another_key_stands_is_refused_and_gets_no_signature() {
    let stage = Stage::set();
    let gateway = stage.start(SECRET).await;
    let v1 = client(&gateway);
    let (own, other) = (made(&v1, "own").await, made(&v1, "other").await);
    gateway.stop().await;

    for (object, is_own) in [(&own, true), (&other, false)] {
        hostile(&stage, object);
        let gateway = stage.start(SECRET).await;
        let before = stage.service.heard().len();
        let signed = sign(&client(&gateway), "own").await;
        let (heard, logged) = (stage.service.heard().split_off(before), gateway.logged());
        gateway.stop().await;

        let signatures = heard.iter().filter(|call| *call == "Sign").count();
        assert_eq!((signed == 200, signatures), (is_own, usize::from(is_own)), "{signed}");
        assert_eq!(logged.contains("the object is not the operation's key"), !is_own, "{logged}");
    }
}

/// Has the provider ask how `object` stands whenever it is to sign.
fn hostile(stage: &Stage, object: &str) {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let component = keyport_sdk_build::component(&workspace, "keyport-guest-hostile-cloud-kms").unwrap();
    stage.site.write("hostile.wasm", &component.bytes);

    let file = stage.site.path("keyport.toml");
    let text = fs::read_to_string(&file).unwrap();
    let end = text.find("component = \"").unwrap();
    let rest = text[end..].split_once("\n\n").unwrap().1;
    let sha256 = digest_of(&component.bytes);
    let settings = format!("settings = {{ mode = \"other-state\", object = \"{object}\" }}");
    let provider = format!("component = \"file:hostile.wasm\"\nsha256 = \"{sha256}\"\n{settings}\n\n");
    stage.site.write("keyport.toml", format!("{}{provider}{rest}", &text[..end]));
}

async fn made(v1: &Client, name: &str) -> String {
    let asked = json!({ "name": name, "type": "ec-p256" }).to_string();
    let key: Value = v1.post("/keys", asked).await.expect(201).json();

    key["id"].as_str().unwrap().to_owned()
}

async fn sign(v1: &Client, name: &str) -> u16 {
    let request = r#"{ "message": "bWVzc2FnZQ==", "scheme": "ES256" }"#;

    v1.post(&format!("/keys/{name}/sign"), request).await.status
}

async fn told(stage: &Stage, key: &str, more: &[&str]) -> Ended {
    let arguments = [&["backend", "state", key], more].concat();

    run(keyport(&stage.site, (ACCESS_KEY, SECRET), &arguments)).await
}
