//! What every provider and every connection promises, tried with what comes with the gateway on an OpenBao.

use tokio::process::Command;

use super::bao::Bao;
use super::keys::site;
use crate::backend::says_what_is_golden;
use crate::harness::KEYPORT;
use crate::provider::{keeps_every_promise, run};

#[tokio::test]
async fn over_tls_our_provider_keeps_every_promise_and_leaves_no_key_in_the_engine() {
    let Some(bao) = Bao::with_tls().await else { return };
    let site = site(&bao, "");
    let mut command = Command::new(KEYPORT);
    command.args(["provider", "test", "builtin:vault-transit", "--json", "--connection", "transit"]);
    command.arg("--config").arg(site.path("keyport.toml"));
    let ended = run(command).await;

    keeps_every_promise(&ended, &[]);
    assert_eq!(bao.keys().await, Vec::<String>::new());
}

#[tokio::test]
async fn the_probe_says_who_is_there_and_what_signs() {
    let Some(bao) = Bao::with_tls().await else { return };
    let site = site(&bao, "");
    let mut command = Command::new(KEYPORT);
    command.args(["backend", "probe", "transit", "--sign", "--config"]).arg(site.path("keyport.toml"));
    let ended = run(command).await;

    says_what_is_golden(&ended, "vault");
    assert_eq!(bao.keys().await, Vec::<String>::new());
}
