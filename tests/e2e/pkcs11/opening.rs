//! Libraries and tokens that are not what the configuration says, and tokens that may only be read.

use std::path::PathBuf;

use super::stage::{Stage, Way, api, provider, usual};
use super::token::{Half, LABEL, Token};
use crate::harness::api::tenant;

#[tokio::test]
async fn a_file_that_is_no_pkcs11_library_is_named_and_so_is_what_is_wrong_with_it() {
    let Some(token) = Token::new().await else { return };
    let text = token.path("softhsm2.conf");
    let Some(mut stage) = Stage::set(token, &Way::straight(), usual()) else { return };

    for (module, words) in [
        (PathBuf::from("/nowhere/libvendor.so"), "there is no module /nowhere/libvendor.so"),
        ("/bin/true".into(), "/bin/true is not a PKCS#11 library"),
        ("libc.so.6".into(), "there is no module"),
        ("/".into(), "is not a PKCS#11 library"),
        (text, "softhsm2.conf is not a PKCS#11 library"),
    ] {
        stage.configure(&Way { module, ..Way::straight() }, usual());
        let said = stage.refuses().await;
        assert!(said.contains("`hsm`") && said.contains(words), "`{words}` is not in\n{said}");
    }

    stage.configure(&Way::straight(), usual());
    stage.start().await;
}

#[tokio::test]
async fn a_token_that_is_not_there_is_answered_with_those_that_are() {
    let Some(token) = Token::new().await else { return };
    token.add("another").await;
    let Some(mut stage) = Stage::set(token, &Way::with("token = \"e3e\"\n"), usual()) else { return };

    let said = stage.refuses().await;
    for words in ["label \"e3e\"", "label \"e2e\"", "label \"another\"", "serial"] {
        assert!(said.contains(words), "`{words}` is not in\n{said}");
    }
    // Two of one name are no better than none.
    stage.token.add(LABEL).await;
    stage.configure(&Way::straight(), usual());
    let said = stage.refuses().await;
    let (_, told) = said.split_once("because: ").unwrap_or_else(|| panic!("no reason in\n{said}"));
    assert_eq!(told.matches("label \"e2e\"").count(), 3, "one is wanted, and two are there: {said}");
}

#[tokio::test]
async fn on_a_connection_that_is_read_only_keys_are_used_and_neither_made_nor_destroyed() {
    let Some(token) = Token::new().await else { return };
    token.generate("0a", "root").await;
    let sections = vec![provider("hsm", &["id:*"]), tenant("acme", "hsm")];
    let Some(stage) = Stage::set(token, &Way::with("read-only = true\n"), sections) else { return };
    let gateway = stage.start().await;
    let api = api(&gateway, "acme");

    let refused = api.ask_to_create("a", "ec-p256").await;
    assert_eq!(refused.expect(422).json()["code"], "unsupported");
    assert!(gateway.logged().contains("connection `hsm` is read-only"), "{}", gateway.logged());
    let key = api.register("root", "id:0a").await;
    api.sign(&key).await;
    api.release("root").await;
    assert_eq!(stage.token.ids(Half::Private).await, ["0a".to_owned()].into());
}
