//! The example for OpenBao: its script, which gives a newcomer a server and a gateway on it, and its configuration.

use std::fs;
use std::path::{Path, PathBuf};

use tokio::process::Command;

use super::bao::{Bao, free, program};
use crate::example::shows_every_setting;
use crate::harness::{
    Gateway, Hash, KEYPORT, Plan, Site, digest_of, openssl_accepts, run, signature, token_of, tool,
};

#[tokio::test]
async fn the_example_for_openbao_makes_a_server_once_and_serves_on_it() {
    for name in ["bash", "curl", "flock", "jq", "openssl", "setpriv"] {
        if !tool(name).await {
            return;
        }
    }
    let Some(bao) = program().await else { return };
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");

    let gateway = script(&data, &bao).await;
    let webhook = gateway.webhook(&crate::dev::token(&data));
    let key = webhook.create("demo", "EC-P256").await;
    let answer = webhook.ask_to_sign("demo", Hash::Sha256, b"hello").await;
    assert!(openssl_accepts(&key.public, Hash::Sha256, b"hello", &signature(answer.expect(200))).await);
    let listed = run(list_command(&gateway.logged())).await;
    assert!(listed.stdout.contains("keyport-") && listed.code() == Some(0), "{listed:#?}");
    for name in ["root-token", "unseal-key", "secret-id"] {
        let secret = fs::read_to_string(data.join("openbao").join(name)).unwrap();
        assert!(!gateway.logged().contains(secret.trim()), "{name} was printed");
    }
    gateway.stop().await;

    let gateway = script(&data, &bao).await;
    gateway.webhook(&crate::dev::token(&data)).sign(&key, Hash::Sha256, b"still there").await;
    gateway.stop().await;
}

#[tokio::test]
async fn the_examples_configuration_serves_and_shows_every_setting_of_an_engine() {
    let Some(bao) = Bao::new().await else { return };
    let site = Site::new(&Plan::soft());
    let text = fs::read_to_string(example("keyport.toml")).unwrap();
    shows_every_setting("openbao", "vault.txt", &["certificate", "environment", "key", "objects", "role"]);
    site.write("keyport.toml", text);
    let role = role(&bao, &site).await;

    let mut command = Command::new(KEYPORT);
    command.args(["serve", "--config"]).arg(site.path("keyport.toml"));
    command.env("KEYPORT_LISTEN", "127.0.0.1:0").env("KEYPORT_ADMIN", "127.0.0.1:0");
    command.env("VAULT_ADDRESS", format!("http://{}", bao.address)).env("VAULT_ROLE_ID", role);
    command.env("KEYPORT_TOKEN_DIGEST", format!("sha256:{}", digest_of(token_of("acme").as_bytes())));
    let gateway = site.run(command).await;
    let gateway = gateway.unwrap_or_else(|ended| panic!("no start: {ended:#?}"));

    let webhook = gateway.webhook(&token_of("acme"));
    webhook.sign(&webhook.create("a", "EC-P256").await, Hash::Sha256, b"hello").await;
}

/// A role as the example's README has it made; its secret id is put where the configuration expects it.
async fn role(bao: &Bao, site: &Site) -> String {
    let policy = example("policy.hcl");
    bao.succeeds(&["auth", "enable", "approle"]).await;
    bao.succeeds(&["policy", "write", "keyport", policy.to_str().unwrap()]).await;
    let path = "auth/approle/role/keyport";
    bao.succeeds(&["write", path, "token_policies=keyport", "token_ttl=20m", "token_max_ttl=24h"]).await;
    let secret_id =
        bao.succeeds(&["write", "-force", "-field=secret_id", &format!("{path}/secret-id")]).await;
    site.write("secret-id", secret_id);
    let mode = <fs::Permissions as std::os::unix::fs::PermissionsExt>::from_mode(0o600);
    fs::set_permissions(site.path("secret-id"), mode).unwrap();

    bao.succeeds(&["read", "-field=role_id", &format!("{path}/role-id")]).await.trim().to_owned()
}

/// Starts the script on `data`.
async fn script(data: &Path, bao: &Path) -> Gateway {
    let mut command = Command::new(example("run.sh"));
    command.arg(data).args(["--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"]);
    command.env("KEYPORT", KEYPORT).env("BAO", bao).env("OPENBAO_LISTEN", free());

    Gateway::start(command, data.join("ca.pem")).await.unwrap_or_else(|ended| panic!("no start: {ended:#?}"))
}

/// The command that the script prints, to see the keys.
fn list_command(logged: &str) -> Command {
    let (_, command) = logged.split_once("to see the keys in it:\n").expect("a command");
    let command = command.lines().next().expect("its line");

    let mut shell = Command::new("bash");
    shell.args(["-c", command]);
    shell
}

fn example(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../examples/openbao").join(name)
}
