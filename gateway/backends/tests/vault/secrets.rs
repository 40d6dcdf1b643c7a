//! A server, or what is before it, that repeats what it was sent: nobody reads a credential in what is said of a refusal.

use keyport_backends::vault::{Connection, Login, Vault};
use keyport_core::backend::Backend;
use keyport_core::custody::Mechanism;
use keyport_core::scheme::KeyType;
use keyport_core::secret::Secret;
use keyport_core::{Failure, FailureKind};
use serde_json::json;

use crate::identity::write_secret;
use crate::peer::Bao;
use crate::proxy::{Heard, Proxy, Then};
use crate::suite::{object, request, soon};

#[tokio::test]
async fn a_refusal_that_repeats_the_token_is_told_without_it() {
    let Some(bao) = Bao::plain().await else { return };
    let proxy = Proxy::before(&bao).await;
    let token = bao.token(json!({ "policies": ["root"] })).await;
    let login = Login::Token(Secret::new(token.clone().into_bytes()));
    let vault = Vault::open(Connection { address: proxy.url(), ..bao.connection_by(login) }).unwrap();
    let request = request(KeyType::EcP256);
    let made = vault.generate(request.clone(), soon()).await.unwrap();
    let object = object(&request, &made.native_id);

    for (status, words) in WORDS {
        proxy.says(repeats("transit/sign", status, words));
        let failure = vault.sign(&object, Mechanism::Ecdsa, &[7; 32], soon()).await.unwrap_err();
        hides(&failure, &token);
    }
}

#[tokio::test]
async fn a_login_that_is_refused_with_what_was_shown_is_told_without_it() {
    let Some(bao) = Bao::plain().await else { return };
    let proxy = Proxy::before(&bao).await;
    let file = bao.folder.path().join("secret-id");
    write_secret(&file, SECRET_ID);
    let (mount, role_id) = ("approle".to_owned(), "the-role".to_owned());
    let app_role = Login::AppRole { mount, role_id, secret_id: Some(file) };
    let file = bao.folder.path().join("statement");
    write_secret(&file, SECRET_ID);
    let statement = Login::Jwt { mount: "jwt".to_owned(), role: "the-role".to_owned(), token: file };

    for login in [app_role, statement] {
        proxy.says(repeats("auth/", 400, the_body));
        let vault = Vault::open(Connection { address: proxy.url(), ..bao.connection_by(login) }).unwrap();
        let failure = vault.health(soon()).await.unwrap_err();
        assert_eq!(failure.kind, FailureKind::Credentials, "{failure}");
        assert!(failure.message.contains("the-role"), "what is no secret is told: {failure}");
        hides(&failure, SECRET_ID);
    }
}

#[track_caller]
fn hides(failure: &Failure, secret: &str) {
    assert!(failure.message.contains("[a credential]"), "{failure}");
    assert!(!failure.message.contains(secret), "{failure}");
}

/// Statuses, and what comes with them.
const WORDS: [(u16, Words); 4] = [(400, in_errors), (403, in_errors), (418, in_errors), (502, on_a_page)];

type Words = fn(&Heard) -> String;

/// What is asked of such a path is answered so.
fn repeats(path: &'static str, status: u16, words: Words) -> impl FnMut(&Heard) -> Then {
    move |heard| match heard.path.starts_with(path) {
        true => Then::Answer(status, "", Box::leak(words(heard).into_boxed_str())),
        false => Then::Pass,
    }
}

fn in_errors(heard: &Heard) -> String {
    json!({ "errors": [format!("the token {} is not liked", heard.headers["x-vault-token"])] }).to_string()
}

fn on_a_page(heard: &Heard) -> String {
    format!("<pre>X-Vault-Token: {}</pre>", heard.headers["x-vault-token"])
}

fn the_body(heard: &Heard) -> String {
    json!({ "errors": [String::from_utf8_lossy(&heard.body)] }).to_string()
}

const SECRET_ID: &str = "eyJhbGciOiJub25lIn0.s3cr3t";
