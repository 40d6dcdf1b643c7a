//! `keyport backend probe` on a token.

use std::path::PathBuf;

use super::stage::{Stage, Way, api, usual};
use super::token::{Half, Token};
use crate::harness::{Ended, KEYPORT, run};

#[tokio::test]
async fn a_configured_token_is_tried_out_beside_a_gateway_that_serves_on_it() {
    let Some(stage) = Stage::usual().await else { return };
    let gateway = stage.start().await;
    let api = api(&gateway, "acme");
    let key = api.create("svid", "ec-p256").await;
    let before = stage.token.ids(Half::Private).await;

    let look = probe(&stage, &[]).await;
    assert_eq!(look.code(), Some(0), "{look:#?}");
    assert!(look.stdout.contains("identity   SoftHSM project/SoftHSM v2/"), "{look:#?}");
    assert!(look.stdout.contains("  offers     rsa-4096\n"), "{look:#?}");
    assert!(
        look.stdout.contains("  refuses    ml-dsa-44     keys of type ml-dsa-44 are not made"),
        "{look:#?}"
    );
    let tried = probe(&stage, &["--sign"]).await;
    assert_eq!(tried.code(), Some(0), "{tried:#?}");
    for line in
        ["  works      ec-p256", "  works      rsa-4096", "  refuses    ed25519       ed25519ph: the token"]
    {
        assert!(tried.stdout.contains(line), "`{line}` is not in\n{}", tried.stdout);
    }

    assert_eq!(stage.token.ids(Half::Private).await, before);
    api.sign(&key).await;
}

#[tokio::test]
async fn on_a_connection_that_is_read_only_no_key_is_made_and_that_is_no_fault() {
    let Some(token) = Token::new().await else { return };
    let Some(stage) = Stage::set(token, &Way::with("read-only = true\n"), usual()) else { return };

    let tried = probe(&stage, &["--sign"]).await;
    assert_eq!(tried.code(), Some(0), "{tried:#?}");
    assert!(
        tried.stdout.contains("is read-only") && tried.stdout.contains("of no type can be made"),
        "{tried:#?}"
    );
    assert!(stage.token.ids(Half::Private).await.is_empty());
}

#[tokio::test]
async fn a_connection_that_is_dead_fails_and_says_why() {
    let Some(token) = Token::new().await else { return };
    let Some(mut stage) = Stage::set(token, &Way::with("token = \"nobody\"\n"), usual()) else { return };
    let said = probe(&stage, &["--sign"]).await;
    assert_eq!(said.code(), Some(1), "{said:#?}");
    assert!(said.stderr.contains("`hsm` cannot be opened") && said.stderr.contains("nobody"), "{said:#?}");

    stage.configure(&Way { module: PathBuf::from("/nowhere/libvendor.so"), ..Way::straight() }, usual());
    let said = probe(&stage, &[]).await;
    assert_eq!(said.code(), Some(1), "{said:#?}");
    assert!(said.stderr.contains("there is no module /nowhere/libvendor.so"), "{said:#?}");
}

async fn probe(stage: &Stage, more: &[&str]) -> Ended {
    let mut command = stage.token.command(KEYPORT);
    command.args(["backend", "probe", "hsm", "--config"]).arg(stage.site.path("keyport.toml")).args(more);

    run(command).await
}
