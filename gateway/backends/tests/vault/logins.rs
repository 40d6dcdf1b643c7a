//! How the gateway logs in, stays logged in, and what it says when it cannot.

use std::sync::Arc;
use std::time::Duration;

use keyport_backends::vault::{Connection, Login, OpenError, Vault};
use keyport_core::FailureKind;
use keyport_core::backend::{Backend, Object};
use keyport_core::custody::Mechanism;
use keyport_core::scheme::KeyType;
use keyport_core::secret::Secret;
use reqwest::Method;
use serde_json::{Value, json};
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::identity::{Authority, Issuer, write_secret};
use crate::peer::{Bao, custodian};
use crate::proxy::{Proxy, Then};
use crate::review::Reviewer;
use crate::suite::{self, object, request, soon};

#[tokio::test(flavor = "multi_thread")]
async fn over_tls_by_a_role_of_the_least_policy_it_keeps_what_every_backend_promises() {
    let authority = Authority::new();
    let Some(bao) = Bao::with_tls(&authority).await else { return };
    let login = app_role(&bao, json!({ "token_policies": ["keyport"] })).await;

    let connection = Connection { ca: Some(authority.file()), ..bao.connection_by(login) };
    suite::backend(&custodian(Vault::open(connection).unwrap())).await;
}

#[tokio::test]
async fn no_key_leaves_with_a_login_that_was_stolen() {
    let Some(bao) = Bao::plain().await else { return };
    bao.policy("keyport", POLICY).await;
    let vault = bao.open();
    let name = format!("keyport-{}", make(&vault).await.unwrap().key_id);
    let thief = bao.token(json!({ "policies": ["keyport"] })).await;

    let may_not = [
        (Method::POST, format!("transit/keys/{name}/config"), json!({ "exportable": true })),
        (Method::POST, format!("transit/keys/{name}/config"), json!({ "allow_plaintext_backup": true })),
        (Method::POST, "transit/keys/keyport-x".to_owned(), json!({ "type": "ed25519", "exportable": true })),
        (Method::POST, format!("transit/keys/{name}/config"), json!({ "exportable": "true" })),
        (Method::POST, format!("transit/keys/{name}/config"), json!({ "exportable": 1 })),
        (Method::POST, format!("transit/keys/{name}/config"), json!({ "allow_plaintext_backup": "1" })),
        (Method::POST, "transit/keys/keyport-x".to_owned(), json!({ "type": "ed25519", "exportable": "t" })),
        (Method::POST, "transit/keys/others".to_owned(), json!({ "type": "ed25519" })),
        (Method::GET, format!("transit/export/signing-key/{name}"), json!({})),
        (Method::GET, format!("transit/backup/{name}"), json!({})),
    ];
    for (method, path, body) in may_not {
        assert_eq!(bao.asked_by(&thief, (method, &path), body.clone()).await.0, 403, "{path} {body}");
    }
}

#[tokio::test]
async fn a_certificate_a_statement_and_a_service_account_let_the_gateway_in() {
    let authority = Authority::new();
    let Some(bao) = Bao::with_tls(&authority).await else { return };
    bao.policy("keyport", POLICY).await;
    let (issuer, reviewer) = (Issuer::new(), Reviewer::start("pod-token", "keyport").await);

    let logins = [
        certificate(&bao, &authority).await,
        statement(&bao, &issuer).await,
        service_account(&bao, &authority, &reviewer).await,
    ];
    for login in logins {
        let said = format!("{login:?}");
        let vault =
            Vault::open(Connection { ca: Some(authority.file()), ..bao.connection_by(login) }).unwrap();
        let object = make(&vault).await.unwrap_or_else(|failure| panic!("{said}: {failure}"));
        vault.sign(&object, Mechanism::Ecdsa, &[7; 32], soon()).await.unwrap();
        vault.destroy(&object, soon()).await.unwrap();
    }
}

#[tokio::test]
async fn a_login_is_renewed_before_it_ends() {
    let Some(bao) = Bao::plain().await else { return };
    let proxy = Proxy::before(&bao).await;
    let login = app_role(&bao, json!({ "token_policies": ["keyport"], "token_ttl": "3s" })).await;
    let vault = Vault::open(by(&bao, &proxy, login)).unwrap();
    let object = make(&vault).await.unwrap();

    // More than twice the time that the first one would have had.
    until(|| proxy.count("auth/token/renew-self") >= 3).await;

    vault.sign(&object, Mechanism::Ecdsa, &[7; 32], soon()).await.unwrap();
    assert_eq!(proxy.count("auth/approle/login"), 1);
    assert_eq!(proxy.count("auth/token/lookup-self"), 0, "nothing was refused");
}

#[tokio::test]
async fn where_renewing_ends_there_is_a_new_login_with_what_the_file_holds_then() {
    let Some(bao) = Bao::plain().await else { return };
    let proxy = Proxy::before(&bao).await;
    let limits = json!({ "token_policies": ["keyport"], "token_ttl": "2s", "token_max_ttl": "4s" });
    let login = app_role(&bao, limits).await;
    let vault = Vault::open(by(&bao, &proxy, login)).unwrap();
    let object = make(&vault).await.unwrap();
    // The old secret id is worth nothing any more; the next login needs the new one.
    let old = std::fs::read_to_string(bao.folder.path().join("secret-id")).unwrap();
    write_secret(&bao.folder.path().join("secret-id"), &secret_id(&bao).await);
    bao.post("auth/approle/role/keyport/secret-id/destroy", json!({ "secret_id": old })).await;

    until(|| proxy.count("auth/approle/login") >= 3).await;

    vault.sign(&object, Mechanism::Ecdsa, &[7; 32], soon()).await.unwrap();
    let refused = proxy.count("auth/token/lookup-self");
    assert_eq!(refused, 0, "no request ever had a token that had ended");
}

#[tokio::test]
async fn a_token_that_was_revoked_is_replaced_without_a_failure() {
    let Some(bao) = Bao::plain().await else { return };
    let proxy = Proxy::before(&bao).await;
    let login = app_role(&bao, json!({ "token_policies": ["keyport"] })).await;
    let vault = Arc::new(Vault::open(by(&bao, &proxy, login)).unwrap());
    let object = make(&vault).await.unwrap();
    bao.post("sys/leases/revoke-prefix/auth/approle/login", json!({})).await;

    let mut signing = JoinSet::new();
    for _ in 0..50 {
        let (vault, object) = (Arc::clone(&vault), object.clone());
        signing.spawn(async move { vault.sign(&object, Mechanism::Ecdsa, &[7; 32], soon()).await.unwrap() });
    }
    signing.join_all().await;
    assert_eq!(proxy.count("auth/approle/login"), 2, "one new login serves all");
}

#[tokio::test]
async fn a_token_that_an_agent_replaced_is_read_again() {
    let Some(bao) = Bao::plain().await else { return };
    bao.policy("keyport", POLICY).await;
    let options = json!({ "policies": ["keyport"], "ttl": "1h" });
    let (old, new) = (bao.token(options.clone()).await, bao.token(options).await);
    let file = bao.file("token", &format!("{old}\n"));
    let vault = Vault::open(bao.connection_by(Login::TokenFile(file.clone()))).unwrap();
    let object = make(&vault).await.unwrap();

    bao.post("auth/token/revoke", json!({ "token": old })).await;
    let refused = vault.sign(&object, Mechanism::Ecdsa, &[7; 32], soon()).await.unwrap_err();
    assert_eq!(refused.kind, FailureKind::Credentials, "{refused}");

    write_secret(&file, &new);
    signs_again(&vault, &object).await;
}

#[tokio::test]
async fn a_token_that_ended_is_one_of_credentials_and_a_policy_that_lacks_a_path_names_it() {
    let Some(bao) = Bao::plain().await else { return };
    bao.policy("reader", r#"path "transit/keys/*" { capabilities = ["create", "read", "update"] }"#).await;
    let with = |token: &str| bao.connection_by(Login::Token(Secret::new(token.as_bytes().to_vec())));
    let reader = bao.token(json!({ "policies": ["reader"] })).await;
    let vault = Vault::open(with(&reader)).unwrap();
    let object = make(&vault).await.unwrap();

    let refused = vault.sign(&object, Mechanism::Ecdsa, &[7; 32], soon()).await.unwrap_err();
    assert_eq!(refused.kind, FailureKind::Denied, "{refused}");
    assert!(refused.message.contains(&format!("`transit/sign/keyport-{}`", object.key_id)), "{refused}");
    assert_eq!(vault.health(soon()).await.unwrap_err().kind, FailureKind::Denied);

    for ended in ["s.ofnobody", &ended(&bao).await] {
        let vault = Vault::open(with(ended)).unwrap();
        let refused = vault.sign(&object, Mechanism::Ecdsa, &[7; 32], soon()).await.unwrap_err();
        assert_eq!(refused.kind, FailureKind::Credentials, "{refused}");
        assert!(!refused.message.contains(ended), "{refused}");
    }
}

#[tokio::test]
async fn a_wrong_secret_is_said_to_all_and_shown_to_the_server_once() {
    let Some(bao) = Bao::plain().await else { return };
    let proxy = Proxy::before(&bao).await;
    let login = app_role(&bao, json!({ "token_policies": ["keyport"] })).await;
    bao.file("secret-id", "wrong");
    let vault = Vault::open(by(&bao, &proxy, login)).unwrap();

    // It is tried at once, and then not for a second.
    let refused = vault.health(soon()).await.unwrap_err();
    assert_eq!(refused.kind, FailureKind::Credentials, "{refused}");
    assert!(refused.message.contains("invalid role or secret"), "{refused}");
    let all = futures_util::future::join_all((0..200).map(|_| vault.health(soon()))).await;
    assert!(
        all.iter()
            .all(|outcome| outcome.as_ref().is_err_and(|failure| failure.kind == FailureKind::Credentials))
    );
    assert!(proxy.count("auth/approle/login") <= 2, "{}", proxy.count("auth/approle/login"));
}

#[tokio::test]
async fn a_login_at_a_method_that_is_not_there_says_where_it_should_be() {
    let Some(bao) = Bao::plain().await else { return };
    let login = Login::AppRole { mount: "elsewhere".to_owned(), role_id: "r".to_owned(), secret_id: None };

    let refused = Vault::open(bao.connection_by(login)).unwrap().health(soon()).await.unwrap_err();
    assert_eq!(refused.kind, FailureKind::Credentials, "{refused}");
    assert!(refused.message.contains("is a method enabled there"), "{refused}");
    assert!(refused.message.contains("auth/elsewhere/login"), "{refused}");
}

#[tokio::test]
async fn a_renewal_that_fails_keeps_the_login_while_it_lasts() {
    let Some(bao) = Bao::plain().await else { return };
    let proxy = Proxy::before(&bao).await;
    let limits = json!({ "token_policies": ["keyport"], "token_ttl": "2s" });
    let vault = Vault::open(by(&bao, &proxy, app_role(&bao, limits).await)).unwrap();
    let object = make(&vault).await.unwrap();
    proxy.says(|heard| match heard.path.starts_with("auth/") {
        true => Then::Answer(500, "", r#"{"errors":["internal error"]}"#),
        false => Then::Pass,
    });

    until(|| proxy.count("auth/token/renew-self") >= 1).await;
    vault.sign(&object, Mechanism::Ecdsa, &[7; 32], soon()).await.unwrap();
}

#[tokio::test]
async fn files_that_others_may_read_or_that_are_empty_do_not_open() {
    use std::os::unix::fs::PermissionsExt;
    let Some(bao) = Bao::plain().await else { return };
    let (loose, empty) = (bao.file("loose", "s.token"), bao.file("empty", "\n"));
    std::fs::set_permissions(&loose, std::fs::Permissions::from_mode(0o644)).unwrap();
    let opened = |file| Vault::open(bao.connection_by(Login::TokenFile(file)));

    assert!(matches!(opened(loose), Err(OpenError::Secret(_))));
    assert!(matches!(opened(empty), Err(OpenError::Credential(_))));
    let missing = Login::Jwt { mount: "jwt".to_owned(), role: "r".to_owned(), token: "/no/such/file".into() };
    let refused = Vault::open(bao.connection_by(missing)).unwrap_err();
    assert!(refused.to_string().contains("/no/such/file"), "{refused}");
}

#[tokio::test]
async fn no_secret_is_ever_printed() {
    let Some(bao) = Bao::plain().await else { return };
    bao.policy("keyport", POLICY).await;
    let token = bao.token(json!({ "policies": ["keyport"] })).await;
    let connection = bao.connection_by(Login::Token(Secret::new(token.clone().into_bytes())));
    assert!(!format!("{connection:?}").contains(&token));

    let vault = Vault::open(connection).unwrap();
    make(&vault).await.unwrap();
    assert!(!format!("{vault:?}").contains(&token));
}

/// A role and a file with a secret id for it.
async fn app_role(bao: &Bao, options: Value) -> Login {
    bao.policy("keyport", POLICY).await;
    bao.admin(Method::POST, "sys/auth/approle", json!({ "type": "approle" })).await;
    bao.post("auth/approle/role/keyport", options).await;
    let role_id =
        bao.get("auth/approle/role/keyport/role-id").await["data"]["role_id"].as_str().unwrap().to_owned();
    let secret_id = secret_id(bao).await;

    Login::AppRole {
        mount: "approle".to_owned(),
        role_id,
        secret_id: Some(bao.file("secret-id", &secret_id)),
    }
}

async fn secret_id(bao: &Bao) -> String {
    let made = bao.post("auth/approle/role/keyport/secret-id", json!({})).await;

    made["data"]["secret_id"].as_str().unwrap().to_owned()
}

async fn certificate(bao: &Bao, authority: &Authority) -> Login {
    bao.post("sys/auth/cert", json!({ "type": "cert" })).await;
    let role = json!({ "certificate": authority.pem(), "token_policies": ["keyport"] });
    bao.post("auth/cert/certs/gateway", role).await;
    let (certificate, key) = authority.client(bao.folder.path());

    Login::Certificate { mount: "cert".to_owned(), role: Some("gateway".to_owned()), certificate, key }
}

async fn statement(bao: &Bao, issuer: &Issuer) -> Login {
    bao.post("sys/auth/jwt", json!({ "type": "jwt" })).await;
    bao.post("auth/jwt/config", json!({ "jwt_validation_pubkeys": [issuer.public()] })).await;
    let role = json!({
        "role_type": "jwt", "user_claim": "sub", "bound_audiences": ["bao"], "token_policies": ["keyport"],
    });
    bao.post("auth/jwt/role/keyport", role).await;
    let token = issuer
        .states(&json!({ "sub": "gateway", "aud": "bao", "nbf": 1_000_000_000, "exp": 4_000_000_000_u32 }));

    Login::Jwt { mount: "jwt".to_owned(), role: "keyport".to_owned(), token: bao.file("jwt", &token) }
}

async fn service_account(bao: &Bao, authority: &Authority, reviewer: &Reviewer) -> Login {
    bao.post("sys/auth/kubernetes", json!({ "type": "kubernetes" })).await;
    let config = json!({
        "kubernetes_host": reviewer.url(), "token_reviewer_jwt": "reviewer", "disable_local_ca_jwt": true,
        "kubernetes_ca_cert": authority.pem(),
    });
    bao.post("auth/kubernetes/config", config).await;
    let role = json!({
        "bound_service_account_names": ["keyport"], "bound_service_account_namespaces": ["default"],
        "token_policies": ["keyport"],
    });
    bao.post("auth/kubernetes/role/keyport", role).await;

    let token = reviewer.token();
    Login::Jwt { mount: "kubernetes".to_owned(), role: "keyport".to_owned(), token: bao.file("pod", &token) }
}

/// A token whose time is over.
async fn ended(bao: &Bao) -> String {
    let token = bao.token(json!({ "policies": ["default"], "ttl": "1s" })).await;
    let began = Instant::now();
    while bao.admin(Method::POST, "auth/token/lookup", json!({ "token": token })).await.0 == 200 {
        assert!(began.elapsed() < PATIENCE);
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    token
}

async fn signs_again(vault: &Vault, object: &Object) {
    let began = Instant::now();
    while let Err(failure) = vault.sign(object, Mechanism::Ecdsa, &[7; 32], soon()).await {
        assert!(began.elapsed() < PATIENCE, "{failure}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

async fn until(is_so: impl Fn() -> bool) {
    let began = Instant::now();
    while !is_so() {
        assert!(began.elapsed() < PATIENCE);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

fn by(bao: &Bao, proxy: &Proxy, login: Login) -> Connection {
    Connection { address: proxy.url(), ..bao.connection_by(login) }
}

async fn make(vault: &Vault) -> Result<Object, keyport_core::Failure> {
    let request = request(KeyType::EcP256);
    let made = vault.generate(request.clone(), soon()).await?;

    Ok(object(&request, &made.native_id))
}

/// What the gateway needs, and nothing else: the example's own.
const POLICY: &str = include_str!("../../../../examples/openbao/policy.hcl");
/// Far more than anything takes here.
const PATIENCE: Duration = Duration::from_secs(30);
