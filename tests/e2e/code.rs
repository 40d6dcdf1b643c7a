//! Compiled components that are kept: the second start takes them over, and nobody else's are run.

use std::fs;
use std::path::PathBuf;

use crate::harness::{Gateway, Plan, Site, hostile, keyport, soft, tenant, token_of};

/// Two components, so that one can be put in the other's place.
fn plan(host: &str) -> Plan {
    let hostile = hostile("outside", &[("mode", "behave")], "");

    Plan::of([
        format!("[host]\n{host}\n"),
        soft("soft"),
        hostile,
        tenant("acme", "soft"),
        tenant("other", "outside"),
    ])
}

/// Starts, has both components serve, stops, and returns for each whether it was compiled, and the log.
async fn start(site: &Site) -> ([bool; 2], String) {
    let gateway = site.start().await;
    for tenant in ["acme", "other"] {
        let key = gateway.webhook(&token_of(tenant)).create("key", "EC-P256").await;
        gateway.webhook(&token_of(tenant)).sign(&key, crate::harness::Hash::Sha256, b"signed").await;
        gateway.webhook(&token_of(tenant)).release(&key.name).await;
    }

    let compiled = ["soft", "outside"].map(|provider| compiled(&gateway, provider));
    (compiled, gateway.stop().await.stderr)
}

fn compiled(gateway: &Gateway, provider: &str) -> bool {
    let logged = gateway.logged();
    let name = format!("provider={provider} ");
    let line = logged.lines().find(|line| line.contains("provider loaded") && line.contains(&name)).unwrap();

    line.contains("compiled=true") || {
        assert!(line.contains("compiled=false"), "{line}");
        false
    }
}

fn entries(site: &Site) -> Vec<PathBuf> {
    let entries = fs::read_dir(site.data().join("cache")).unwrap();
    let mut entries: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();

    entries.sort();
    entries
}

#[tokio::test]
async fn a_second_start_compiles_nothing_and_serves_as_the_first() {
    let site = Site::new(&plan(""));
    let config = site.path("keyport.toml");
    assert_eq!(keyport(&[&"check", &"--config", &config]).await.code(), Some(0));
    assert!(!site.data().exists(), "a check keeps nothing");

    assert_eq!(start(&site).await.0, [true, true]);
    assert_eq!(entries(&site).len(), 2);
    let (compiled, logged) = start(&site).await;
    assert_eq!(compiled, [false, false]);
    assert!(!logged.contains("WARN"), "{logged}");
    assert!(!site.data().join("cache.key").exists(), "the key follows from the master key");
}

#[tokio::test]
async fn entries_that_were_altered_or_swapped_are_removed_and_compiled_anew() {
    let site = Site::new(&plan(""));
    start(&site).await;
    let files = entries(&site);
    let good: Vec<_> = files.iter().map(|file| fs::read(file).unwrap()).collect();

    fs::write(&files[0], &good[1]).unwrap();
    fs::write(&files[1], &good[0]).unwrap();
    let (compiled, logged) = start(&site).await;
    assert_eq!(compiled, [true, true]);
    assert_eq!(logged.matches("it was altered, or kept under another key").count(), 2, "{logged}");

    let mut altered = fs::read(&files[0]).unwrap();
    let middle = altered.len() / 2;
    altered[middle] ^= 1;
    fs::write(&files[0], altered).unwrap();
    fs::write(&files[1], &good[1][..good[1].len() / 2]).unwrap();
    assert_eq!(start(&site).await.0, [true, true]);
    assert_eq!(start(&site).await.0, [false, false]);
}

#[tokio::test]
async fn what_was_kept_under_the_master_key_before_is_not_run_under_the_next() {
    let site = Site::new(&plan(""));
    start(&site).await;
    let (config, new) = (site.path("keyport.toml"), site.path("new.key"));
    assert_eq!(keyport(&[&"master-key", &"new", &new]).await.code(), Some(0));
    let rotated = keyport(&[&"master-key", &"rotate", &"--config", &config, &"--new", &new]).await;
    assert_eq!(rotated.code(), Some(0), "{rotated:#?}");
    fs::rename(&new, site.path("master.key")).unwrap();

    assert_eq!(start(&site).await.0, [true, true]);
    assert_eq!(start(&site).await.0, [false, false]);
}

#[tokio::test]
async fn a_cache_can_be_elsewhere_or_nowhere_or_broken() {
    let site = Site::new(&plan("cache = \"elsewhere/code\""));
    assert_eq!(start(&site).await.0, [true, true]);
    assert_eq!(start(&site).await.0, [false, false]);
    assert_eq!(fs::read_dir(site.path("elsewhere/code")).unwrap().count(), 2);
    assert!(!site.data().join("cache").exists());

    site.configure(&plan("cache = false"));
    assert_eq!(start(&site).await.0, [true, true]);
    assert!(!site.data().join("cache").exists());

    site.configure(&plan("cache = \"server.pem\""));
    let (compiled, logged) = start(&site).await;
    assert_eq!(compiled, [true, true]);
    assert!(logged.contains("compiled code is not kept"), "{logged}");

    // Room for neither.
    site.configure(&plan("cache-size = \"1KiB\""));
    let (compiled, logged) = start(&site).await;
    assert_eq!(compiled, [true, true]);
    assert!(logged.contains("cache-size is 1024"), "{logged}");
}
