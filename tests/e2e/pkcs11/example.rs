//! The example for SoftHSM: its script, which gives a newcomer a token and a gateway on it, and its configuration.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use tokio::process::Command;

use super::stage::{Stage, Way, usual};
use super::token::{LABEL, SOFTHSM, Token};
use crate::harness::api::Api;
use crate::harness::{Gateway, Hash, KEYPORT, digest_of, openssl_accepts, run, signature, token_of, tool};

#[tokio::test]
async fn the_example_for_softhsm_makes_a_token_once_and_serves_on_it() {
    for name in ["bash", "openssl", "pkcs11-tool", "softhsm2-util"] {
        if !tool(name).await {
            return;
        }
    }
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");

    let gateway = script(&data).await;
    let webhook = gateway.webhook(&crate::dev::token(&data));
    let key = webhook.create("demo", "EC-P256").await;
    let answer = webhook.ask_to_sign("demo", Hash::Sha256, b"hello").await;
    assert!(openssl_accepts(&key.public, Hash::Sha256, b"hello", &signature(answer.expect(200))).await);
    let listed = run(list_command(&gateway.logged())).await;
    assert!(listed.stdout.contains("keyport:dev:demo") && listed.code() == Some(0), "{listed:#?}");
    assert!(listed.stdout.contains("never extractable"), "{listed:#?}");
    for name in ["pin", "so-pin"] {
        let file = data.join("softhsm").join(name);
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600, "{name}");
        let pin = fs::read_to_string(&file).unwrap();
        assert!(!gateway.logged().contains(pin.trim()), "{name} was printed");
    }
    gateway.stop().await;

    let moved = folder.path().join("moved");
    fs::rename(&data, &moved).unwrap();
    let gateway = script(&moved).await;
    gateway.webhook(&crate::dev::token(&moved)).sign(&key, Hash::Sha256, b"still there").await;
}

#[tokio::test]
async fn the_examples_configuration_serves_and_shows_every_setting_of_a_token() {
    let Some(token) = Token::new().await else { return };
    let Some(stage) = Stage::set(token, &Way::straight(), usual()) else { return };
    let text = fs::read_to_string(example("keyport.toml")).unwrap();
    for setting in SETTINGS {
        let is_shown = text.lines().any(|line| {
            line.trim_start_matches('#').split_once('=').is_some_and(|(name, _)| name.trim() == setting)
        });
        assert!(is_shown, "`{setting}` is not in the example");
    }
    stage.site.write("keyport.toml", text);
    fs::copy(stage.token.pin_file(), stage.site.path("pin")).unwrap();

    let mut command = stage.token.command(KEYPORT);
    command.args(["serve", "--config"]).arg(stage.site.path("keyport.toml"));
    command.env("KEYPORT_LISTEN", "127.0.0.1:0").env("KEYPORT_ADMIN", "127.0.0.1:0");
    command.env("HSM_MODULE", SOFTHSM).env("HSM_TOKEN", LABEL);
    command.env("KEYPORT_TOKEN_DIGEST", format!("sha256:{}", digest_of(token_of("acme").as_bytes())));
    let gateway = stage.site.run(command).await;
    let gateway = gateway.unwrap_or_else(|ended| panic!("no start: {ended:#?}"));

    let api = Api(gateway.server.client().with_token(&token_of("acme")).with_base("/v1"));
    let key = api.create("a", "ec-p256").await;
    api.sign(&key).await;
}

/// Starts the script on `data`.
async fn script(data: &Path) -> Gateway {
    let mut command = Command::new(example("run.sh"));
    command.arg(data).args(["--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"]).env("KEYPORT", KEYPORT);

    Gateway::start(command, data.join("ca.pem")).await.unwrap_or_else(|ended| panic!("no start: {ended:#?}"))
}

/// The command that the script prints, to see what is on the token.
fn list_command(logged: &str) -> Command {
    let (_, command) = logged.split_once("to see what is on the token:\n").expect("a command");
    let (command, _) = command.split_once("--list-objects").expect("its end");

    let mut shell = Command::new("bash");
    shell.args(["-c", &format!("{command}--list-objects")]);
    shell
}

fn example(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../examples/softhsm").join(name)
}

/// All that can be said of a connection of kind `pkcs11`.
const SETTINGS: [&str; 16] = [
    "module",
    "token",
    "serial",
    "slot",
    "file",
    "prompt",
    "sessions",
    "in-flight",
    "call-timeout",
    "read-only",
    "network",
    "environment",
    "initialisation",
    "label",
    "objects",
    "mechanisms",
];
