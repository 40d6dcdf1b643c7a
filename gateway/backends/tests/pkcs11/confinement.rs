//! What the process that runs the module has given up.

use std::fs;

use keyport_backends::pkcs11::{Connection, Network, Pkcs11};
use keyport_core::backend::Backend;
use rustix::process::{Signal, kill_process};

use crate::process::{eventually, hosts};
use crate::suite::soon;
use crate::token::{SOFTHSM, Token};

#[tokio::test]
async fn it_has_no_capabilities_and_gains_no_privileges() {
    let Some(token) = Token::new(SOFTHSM) else { return };
    let _backend = token.open().await;

    let status = read(&token, "status");
    for line in ["CapEff:\t0000000000000000", "CapPrm:\t0000000000000000", "NoNewPrivs:\t1"] {
        assert!(status.contains(line), "{status}");
    }
}

#[tokio::test]
async fn it_leaves_no_core_file() {
    let Some(token) = Token::new(SOFTHSM) else { return };
    let _backend = token.open().await;

    let limits = read(&token, "limits");
    let core = limits.lines().find(|line| line.starts_with("Max core file size")).unwrap();
    assert_eq!(core.split_whitespace().nth(4), Some("0"), "{core}");
}

#[tokio::test]
async fn it_sees_nothing_of_the_environment_but_what_it_is_given() {
    let Some(token) = Token::new(SOFTHSM) else { return };
    let _backend = token.open().await;

    // Only root may look into a process that does not let itself be looked into.
    if rustix::process::geteuid().is_root() {
        let environment = read(&token, "environ");
        assert!(environment.starts_with("SOFTHSM2_CONF="), "{environment}");
        assert_eq!(environment.matches('\0').count(), 1, "{environment}");
    }
}

#[tokio::test]
async fn it_has_a_network_only_where_that_is_allowed() {
    let Some(token) = Token::new(SOFTHSM) else { return };
    for (network, shared) in [(Network::None, false), (Network::Allowed, true)] {
        let _backend = Pkcs11::open(Connection { network, ..token.connection() }).await.unwrap();

        if rustix::process::geteuid().is_root() {
            let theirs = fs::read_link(format!("/proc/{}/ns/net", hosts(&token)[0])).unwrap();
            assert_eq!(theirs == fs::read_link("/proc/self/ns/net").unwrap(), shared, "{network:?}");
        }
    }
}

#[tokio::test]
async fn it_ends_with_the_gateway_and_not_when_the_service_is_told_to() {
    let Some(token) = Token::new(SOFTHSM) else { return };
    let backend = token.open().await;
    let host = hosts(&token)[0];

    for signal in [Signal::TERM, Signal::INT, Signal::HUP] {
        kill_process(host, signal).unwrap();
    }
    backend.health(soon()).await.unwrap();
    assert_eq!(hosts(&token), [host]);

    drop(backend);
    eventually("the process ends", async || hosts(&token).is_empty()).await;
}

fn read(token: &Token, file: &str) -> String {
    fs::read_to_string(format!("/proc/{}/{file}", hosts(token)[0])).unwrap()
}
