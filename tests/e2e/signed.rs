//! Components that must be signed: made, signed and verified by command, and refused where the signature is not right.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use crate::harness::{
    Ended, Plan, Site, digest_of, hostile, hostile_component, keyport, tenant, token_of, tool, within,
};

/// A key in a file of the site, and its public half.
async fn new_key(site: &Site, name: &str) -> String {
    let made = keyport(&[&"provider", &"key", &"new", &site.path(name)]).await;
    assert_eq!(made.code(), Some(0), "{made:#?}");
    let signer = made.stdout.lines().next().unwrap().to_owned();

    assert!(made.stdout.contains(&format!("\nsigned-by = [\"{signer}\"]\n")), "{}", made.stdout);
    signer
}

async fn sign(component: &Path, key: &Path) {
    let signed = keyport(&[&"provider", &"sign", &component, &"--key", &key]).await;
    assert_eq!(signed.code(), Some(0), "{signed:#?}");
}

/// A site whose provider must be signed by one of `signers`.
fn site(signers: &[&str]) -> Site {
    let site = Site::new(&Plan::soft());
    ask_for(&site, signers);
    site
}

fn ask_for(site: &Site, signers: &[&str]) {
    let provider = hostile("signed", &[("mode", "behave")], &format!("signed-by = {signers:?}"));
    site.configure(&Plan::of([provider, tenant("acme", "signed")]));
}

/// Neither a start nor a check goes well, and both name the line and say these words.
async fn refuses(site: &Site, words: &[&str]) {
    let text = fs::read_to_string(site.path("keyport.toml")).unwrap();
    let line = 1 + text.lines().position(|line| line.starts_with("signed-by")).unwrap();
    let place = format!("keyport.toml:{line}:");

    let checked = keyport(&[&"check", &"--config", &site.path("keyport.toml")]).await;
    for Ended { status, stdout, stderr } in [site.refuses().await, checked] {
        assert_eq!(status.code(), Some(2), "{stdout}{stderr}");
        for word in [&place, "`signed`"].iter().chain(words) {
            assert!(stderr.contains(word), "`{word}` is not in\n{stderr}");
        }
    }
}

#[tokio::test]
async fn a_component_serves_once_one_of_the_keys_signed_it() {
    let site = Site::new(&Plan::soft());
    let (mine, other) = (new_key(&site, "mine.pem").await, new_key(&site, "other.pem").await);
    ask_for(&site, &[&other, &mine]);
    refuses(
        &site,
        &["hostile.wasm is not signed", "there is no ", "hostile.wasm.sig", "keyport provider sign"],
    )
    .await;

    sign(&site.path("hostile.wasm"), &site.path("mine.pem")).await;
    let gateway = site.start().await;
    gateway.webhook(&token_of("acme")).create("signed", "EC-P256").await;
    let logged = gateway.logged();
    assert!(logged.contains("the component is signed") && logged.contains(&mine), "{logged}");

    let verify: [&dyn AsRef<std::ffi::OsStr>; 3] = [&"provider", &"verify", &site.path("hostile.wasm")];
    let verified = keyport(&[&verify[..], &[&"--key", &other, &mine]].concat()).await;
    assert_eq!((verified.code(), verified.stdout.contains(&mine)), (Some(0), true), "{verified:#?}");
    let refused = keyport(&[&verify[..], &[&"--key", &other]].concat()).await;
    assert_eq!(refused.code(), Some(1), "{refused:#?}");
    assert!(refused.stderr.contains("by none of these keys"), "{refused:#?}");
}

#[tokio::test]
async fn a_component_with_any_other_signature_is_refused() {
    let site = site(&[]);
    let mine = new_key(&site, "mine.pem").await;
    new_key(&site, "other.pem").await;
    let (component, signatures) = (site.path("hostile.wasm"), site.path("hostile.wasm.sig"));
    ask_for(&site, &[&mine]);

    sign(&component, &site.path("other.pem")).await;
    refuses(&site, &["by none of these keys"]).await;

    let another = site.path("another.wasm");
    fs::write(&another, b"another component").unwrap();
    sign(&another, &site.path("mine.pem")).await;
    fs::copy(site.path("another.wasm.sig"), &signatures).unwrap();
    refuses(&site, &["is not what ed25519:", "is of another component"]).await;

    fs::remove_file(&signatures).unwrap();
    sign(&component, &site.path("mine.pem")).await;
    let text = fs::read(&signatures).unwrap();
    fs::write(&signatures, &text[..text.len() - 20]).unwrap();
    refuses(&site, &["hostile.wasm.sig:2: it is cut off", "fetch it again"]).await;

    // A custom section more, and pinned as it is.
    fs::write(&signatures, text).unwrap();
    let tampered = [hostile_component(), b"\0\x02\x01a"].concat();
    let configuration = fs::read_to_string(site.path("keyport.toml")).unwrap();
    site.write("keyport.toml", configuration.replace(&digest_of(hostile_component()), &digest_of(&tampered)));
    fs::write(&component, &tampered).unwrap();
    refuses(&site, &["hostile.wasm is not what ed25519:", "it was changed since"]).await;

    sign(&component, &site.path("mine.pem")).await;
    site.start().await;
}

#[tokio::test]
async fn a_reload_refuses_a_component_without_its_signature_and_changes_nothing() {
    let site = site(&[]);
    let mine = new_key(&site, "mine.pem").await;
    ask_for(&site, &[&mine]);
    sign(&site.path("hostile.wasm"), &site.path("mine.pem")).await;
    let gateway = site.start().await;

    fs::remove_file(site.path("hostile.wasm.sig")).unwrap();
    let more = hostile("second", &[("mode", "behave")], &format!("signed-by = [\"{mine}\"]"));
    let text = fs::read_to_string(site.path("keyport.toml")).unwrap();
    site.write("keyport.toml", format!("{text}\n{more}"));
    let reloaded = keyport(&[&"reload", &"--config", &site.path("keyport.toml")]).await;
    assert_ne!(reloaded.code(), Some(0), "{reloaded:#?}");
    assert!(reloaded.stderr.contains("hostile.wasm is not signed"), "{reloaded:#?}");
    gateway.webhook(&token_of("acme")).create("still-here", "EC-P256").await;

    sign(&site.path("hostile.wasm"), &site.path("mine.pem")).await;
    let reloaded = keyport(&[&"reload", &"--config", &site.path("keyport.toml")]).await;
    assert_eq!(reloaded.code(), Some(0), "{reloaded:#?}");
}

#[tokio::test]
async fn a_signing_key_is_its_owners_alone_and_openssl_knows_it() {
    let site = site(&[]);
    let signer = new_key(&site, "mine.pem").await;
    let key = site.path("mine.pem");
    assert_eq!(fs::metadata(&key).unwrap().permissions().mode() & 0o7777, 0o600);

    let again = keyport(&[&"provider", &"key", &"new", &key]).await;
    assert!(again.code() == Some(1) && again.stderr.contains("mine.pem"), "{again:#?}");
    if tool("openssl").await {
        let mut openssl = tokio::process::Command::new("openssl");
        openssl.args(["pkey", "-pubout", "-outform", "DER", "-in"]).arg(&key);
        let der = within("openssl", openssl.output()).await.unwrap().stdout;
        let bytes = base64::Engine::encode(&base64::prelude::BASE64_STANDARD, &der[der.len() - 32..]);
        assert_eq!(signer, format!("ed25519:{bytes}"));
    }

    fs::set_permissions(&key, fs::Permissions::from_mode(0o644)).unwrap();
    let loose = keyport(&[&"provider", &"sign", &site.path("hostile.wasm"), &"--key", &key]).await;
    assert!(loose.code() == Some(1) && loose.stderr.contains("chmod 600"), "{loose:#?}");
}
