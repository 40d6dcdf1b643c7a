//! What every provider and every connection promises, tried with what comes with the gateway on an OpenBao.

use tokio::process::Command;

use super::bao::Bao;
use super::keys::site;
use crate::harness::KEYPORT;
use crate::provider::{named, report, run};

#[tokio::test]
async fn our_provider_keeps_every_promise_and_leaves_no_key_in_the_engine() {
    let Some(bao) = Bao::new().await else { return };
    let site = site(&bao, "");
    let mut command = Command::new(KEYPORT);
    command.args(["provider", "test", "builtin:vault-transit", "--json", "--connection", "transit"]);
    command.arg("--config").arg(site.path("keyport.toml"));
    let ended = run(command).await;

    let report = report(&ended);
    assert_eq!((ended.code(), &report["failed"]), (Some(0), &0.into()), "{report:#}");
    assert!(report["passed"].as_u64().unwrap() >= 100, "{report:#}");
    let skipped = named(&report, "skipped");
    assert!(skipped.iter().all(|name| name.starts_with("import-")), "{skipped:?}");
    assert_eq!(bao.keys().await, Vec::<String>::new());
}

#[tokio::test]
async fn the_probe_says_who_is_there_and_what_signs() {
    let Some(bao) = Bao::new().await else { return };
    let site = site(&bao, "");
    let mut command = Command::new(KEYPORT);
    command.args(["backend", "probe", "transit", "--sign", "--config"]).arg(site.path("keyport.toml"));
    let ended = run(command).await;

    assert_eq!(ended.code(), Some(0), "{ended:#?}");
    for said in ["vault ", "ec-p256", "ed25519", "rsa-4096"] {
        assert!(ended.stdout.contains(said), "{said}: {ended:#?}");
    }
    assert_eq!(bao.keys().await, Vec::<String>::new());
}
