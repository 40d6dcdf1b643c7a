//! PINs: tried once, never again, and not at all where that might lock the token.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use tokio::process::Command;

use super::spy::Spy;
use super::stage::{Stage, api, kill_child, usual};
use super::token::{PIN, Token};
use crate::harness::{KEYPORT, eventually, run};

#[tokio::test]
async fn a_wrong_pin_ends_the_start_and_is_tried_once_however_often_somebody_starts_it_again() {
    let Some((stage, spy)) = spied().await else { return };
    fs::write(stage.token.pin_file(), "0000-wrong\n").unwrap();

    for _ in 0..4 {
        let said = stage.refuses().await;
        assert_eq!(spy.count("C_Login"), 1, "tokens lock");
        for words in ["`hsm`", "PIN", "not tried again"] {
            assert!(said.contains(words), "`{words}` is not in\n{said}");
        }
        assert!(!said.contains("0000-wrong") && !said.contains(PIN), "{said}");
    }

    // Another one is tried, and taken.
    fs::write(stage.token.pin_file(), PIN).unwrap();
    let gateway = stage.start().await;
    api(&gateway, "acme").create("a", "ec-p256").await;
    gateway.stop().await;
    assert_eq!(spy.count("C_Login"), 2);
}

#[tokio::test]
async fn a_refused_pin_is_tried_again_where_the_operator_says_so() {
    let Some((stage, spy)) = spied().await else { return };
    fs::write(stage.token.pin_file(), "4321-other\n").unwrap();
    stage.refuses().await;
    stage.token.change_pin("4321-other").await;
    stage.refuses().await;
    assert_eq!(spy.count("C_Login"), 1);

    let mut retry = Command::new(KEYPORT);
    retry.args(["pkcs11", "retry-pin", "hsm", "--data"]).arg(stage.data());
    let retried = run(retry).await;
    assert!(retried.stdout.contains("tries the PIN of `hsm` once"), "{retried:?}");
    stage.start().await.stop().await;
    assert_eq!(spy.count("C_Login"), 2);
}

#[tokio::test]
async fn a_pin_that_turns_wrong_while_the_gateway_runs_is_tried_once_and_never_again() {
    let Some((stage, spy)) = spied().await else { return };
    let gateway = stage.start().await;
    let (acme, bystander) = (api(&gateway, "acme"), api(&gateway, "bystander"));
    let key = acme.create("a", "ec-p256").await;
    let other = bystander.create("a", "ec-p256").await;
    assert_eq!(spy.count("C_Login"), 1);

    stage.token.change_pin("4321-other").await;
    kill_child(&gateway);
    eventually("the gateway to give up", async || {
        gateway.logged().contains("the worker is not started again").then_some(())
    })
    .await;
    for _ in 0..20 {
        let answer = acme.ask_to_sign("a").await;
        assert_eq!(answer.expect(503).header("retry-after"), None);
        bystander.sign(&other).await;
    }
    assert_eq!(spy.count("C_Login"), 2, "one more process was one more try");

    // The operator mends it, and starts anew.
    gateway.stop().await;
    fs::write(stage.token.pin_file(), "4321-other").unwrap();
    api(&stage.start().await, "acme").sign(&key).await;
    assert_eq!(spy.count("C_Login"), 3);
}

#[tokio::test]
async fn a_pin_is_not_tried_where_the_token_says_that_it_is_locked() {
    let Some((stage, spy)) = spied().await else { return };
    stage.token.lock_pin();

    let said = stage.refuses().await;
    assert_eq!(spy.count("C_Login"), 0);
    assert!(said.contains("locked") && said.contains("was not tried"), "{said}");
}

#[tokio::test]
async fn a_pin_that_others_may_read_or_that_is_missing_is_refused_before_the_token_hears_of_it() {
    let Some((stage, spy)) = spied().await else { return };
    let pin = stage.token.pin_file();
    fs::set_permissions(&pin, fs::Permissions::from_mode(0o640)).unwrap();

    let said = stage.refuses().await;
    assert!(said.contains("chmod 600"), "{said}");
    fs::remove_file(&pin).unwrap();
    let said = stage.refuses().await;
    assert!(said.contains(pin.to_str().unwrap()), "{said}");
    assert_eq!(spy.count("C_Login"), 0);
}

/// The usual gateway, and what it asks of the token.
async fn spied() -> Option<(Stage, Spy)> {
    let token = Token::new().await?;
    let (spy, way) = Spy::on(&token)?;

    Some((Stage::set(token, &way, usual())?, spy))
}
