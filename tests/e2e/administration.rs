//! `keyport reload`: a changed configuration is taken over while whoever asked waits for the outcome.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::process::geteuid;
use tokio::process::Command;

use crate::harness::{
    Ended, Entry, Hash, KEYPORT, Plan, Site, entries, keyport, run, soft, tenant, token_of, within,
};

#[tokio::test]
async fn a_good_file_is_in_force_when_the_command_ends() {
    let site = Site::new(&Plan::soft());
    let gateway = site.start().await;
    gateway.webhook(&token_of("new")).client.get("/keys").await.expect(401);

    site.configure(&with("new"));
    let reloaded = reload(&site).await;

    assert_eq!(reloaded.code(), Some(0), "{reloaded:#?}");
    for line in ["tenant `new` is new", "tenant `other` is gone", "the certificate expires "] {
        assert!(reloaded.stdout.contains(line), "{line} is not in {reloaded:#?}");
    }
    assert!(!reloaded.stdout.contains("`acme`"), "{reloaded:#?}");
    gateway.webhook(&token_of("new")).create("first", "EC-P256").await;
    gateway.webhook(&token_of("other")).client.get("/keys").await.expect(401);
    let recorded = changes(&site, "ok");
    let by = format!("reloaded by uid {}: tenant `new` is new", geteuid().as_raw());
    assert!(recorded[0].text("detail").contains(&by), "{recorded:?}");

    let data = keyport(&[&"reload", &"--data", &site.data()]).await;
    assert_eq!(data.code(), Some(0), "{data:#?}");
    assert!(data.stdout.contains("it says what it said before"), "{data:#?}");
}

#[tokio::test]
async fn a_wrong_file_changes_nothing_and_every_mistake_is_told_with_its_mend() {
    let site = Site::new(&Plan::soft());
    let gateway = site.start().await;
    let webhook = gateway.webhook(&token_of("acme"));
    let key = webhook.create("steady", "EC-P256").await;

    site.configure(&Plan {
        limits: "conections = 5".to_owned(),
        ..Plan::of([soft("soft"), tenant("acme", "sfot")])
    });
    let refused = reload(&site).await;

    assert_eq!(refused.code(), Some(2), "{refused:#?}");
    for text in ["keyport.toml:12:", "connections", "did you mean `soft`", "2 mistakes"] {
        assert!(refused.stderr.contains(text), "{text} is not in {refused:#?}");
    }
    webhook.sign(&key, Hash::Sha256, b"as before").await;
    let recorded = changes(&site, "refused");
    assert!(recorded[0].text("detail").contains("2 mistakes"), "{recorded:?}");

    // What is not even TOML names no data folder.
    site.write("keyport.toml", "data = [");
    assert_eq!(reload(&site).await.code(), Some(2));
    let told = keyport(&[&"reload", &"--data", &site.data()]).await;
    assert_eq!(told.code(), Some(2), "{told:#?}");
    assert!(told.stderr.contains("this is not TOML"), "{told:#?}");
}

#[tokio::test]
async fn what_cannot_be_taken_over_is_refused_with_its_reason() {
    let site = Site::new(&Plan::soft());
    let gateway = site.start().await;
    let webhook = gateway.webhook(&token_of("acme"));
    let key = webhook.create("live", "EC-P256").await;

    for (plan, why) in [
        (Plan::of([soft("soft"), tenant("other", "soft")]), "tenant `acme` has 1 keys of this tenant"),
        (Plan::of([soft("renamed"), tenant("acme", "renamed")]), "1 keys of provider `soft`"),
        (
            Plan { audit: "sync = \"interval\"".to_owned(), ..Plan::soft() },
            "[audit] can only be changed by a restart",
        ),
    ] {
        site.configure(&plan);
        let refused = reload(&site).await;
        assert_eq!(refused.code(), Some(1), "{refused:#?}");
        assert!(refused.stderr.contains("nothing is changed"), "{refused:#?}");
        assert!(refused.stderr.contains(why), "{why} is not in {refused:#?}");
    }
    site.configure(&Plan::soft());
    site.write("server.pem", "no certificate");
    assert_eq!(reload(&site).await.code(), Some(1));

    webhook.sign(&key, Hash::Sha256, b"still alive").await;
    assert_eq!(changes(&site, "refused").len(), 4);
    assert_eq!(changes(&site, "ok").len(), 0);
}

#[tokio::test]
async fn where_no_gateway_runs_that_is_said() {
    let site = Site::new(&Plan::soft());
    let said = |ended: Ended| {
        assert_eq!(ended.code(), Some(1), "{ended:#?}");
        assert!(ended.stderr.contains("no gateway runs on"), "{ended:#?}");
    };
    said(reload(&site).await);

    let gateway = site.start().await;
    gateway.kill().await;
    assert!(site.data().join("admin.sock").exists(), "the test shall find what a killed gateway leaves");
    said(reload(&site).await);

    let gateway = site.start().await;
    assert_eq!(reload(&site).await.code(), Some(0));
    assert_eq!(gateway.stop().await.code(), Some(0));
    assert!(!site.data().join("admin.sock").exists());
    said(reload(&site).await);
}

#[tokio::test]
async fn another_user_is_refused_by_the_folder_and_by_the_gateway() {
    if !geteuid().is_root() {
        assert!(std::env::var_os("CI").is_none(), "only root can be somebody else, and CI skips nothing");
        eprintln!("skipped: only root can be somebody else");
        return;
    }
    let site = Site::new(&Plan::soft());
    let _gateway = site.start().await;
    let socket = site.data().join("admin.sock");
    let mode = |path: &std::path::Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&socket), mode(&site.data())), (0o600, 0o700));

    let refused = reload_as_nobody(&site).await;
    assert_eq!(refused.code(), Some(1), "{refused:#?}");

    for (path, mode) in [(site.path(""), 0o755), (site.data(), 0o755), (socket, 0o666)] {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    }
    let refused = reload_as_nobody(&site).await;
    assert_eq!(refused.code(), Some(1), "{refused:#?}");
    assert!(refused.stderr.contains("uid 65534 may not"), "{refused:#?}");
    assert_eq!(changes(&site, "ok").len(), 0);
}

#[tokio::test]
async fn reloads_in_the_middle_of_load_cost_no_request() {
    let site = Site::new(&Plan::soft());
    let gateway = site.start().await;
    let webhook = gateway.webhook(&token_of("acme"));
    let key = webhook.create("steady", "EC-P256").await;
    let done = AtomicBool::new(false);

    // Every signature is verified, and every answer that is none fails the test.
    let load = async |mut before: u32| {
        let webhook = webhook.another();
        let first = before;
        while !done.load(Ordering::Relaxed) {
            webhook.sign(&key, Hash::Sha256, &before.to_be_bytes()).await;
            before += 1;
        }
        before - first
    };
    let change = async {
        for round in 0..8 {
            site.configure(&with(&format!("new-{round}")));
            let reloaded = reload(&site).await;
            assert_eq!(reloaded.code(), Some(0), "{reloaded:#?}");
        }
        done.store(true, Ordering::Relaxed);
    };
    let all = async { tokio::join!(load(0), load(1 << 20), load(1 << 21), change) };
    let (one, two, three, ()) = within("the load", Box::pin(all)).await;

    assert!(one.min(two).min(three) >= 8, "{one}, {two} and {three} signatures are no load");
    assert_eq!(changes(&site, "ok").len(), 8);
}

/// `acme`, and another tenant.
fn with(name: &str) -> Plan {
    Plan::of([soft("soft"), tenant("acme", "soft"), tenant(name, "soft")])
}

async fn reload(site: &Site) -> Ended {
    keyport(&[&"reload", &"--config", &site.path("keyport.toml")]).await
}

async fn reload_as_nobody(site: &Site) -> Ended {
    let mut command = Command::new(KEYPORT);
    command.args(["reload", "--data"]).arg(site.data()).uid(65534).gid(65534);
    run(command).await
}

/// What the audit log has of changes to the configuration that came out so.
fn changes(site: &Site, outcome: &str) -> Vec<Entry> {
    entries(&site.data()).into_iter().filter(|entry| entry.is("configure", outcome)).collect()
}
