//! The socket by itself: who may ask, and where it is.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use keyport_core::gateway::Which;
use keyport_core::key::KeyName;

use super::client::AskError;
use super::*;

/// Answers every order for `data` until it is dropped.
fn served(data: &Path, owner: u32) -> tokio::task::JoinSet<()> {
    let (administration, mut orders) = Administration::open(data, owner).unwrap();
    let mut tasks = tokio::task::JoinSet::new();
    tasks.spawn(async move { administration.serve().await });
    tasks.spawn(async move {
        while let Some(Order { by, what }) = orders.recv().await {
            match what {
                What::Reload(answer) => answer.unwrap().send(Ok(reloaded(by))).unwrap(),
                What::Standings { sought, answer } => {
                    let (id, state) = (format!("{:?}", sought.which), sought.tenant.to_string());
                    answer.send(Ok(vec![KeyStanding { id, state, custodians: Vec::new() }])).unwrap();
                }
                What::Change { provider, change, answer } => {
                    let (newer, established) = (format!("{change:?}"), by.to_string());
                    answer.send(Ok(Changed { provider, newer, established })).unwrap();
                }
            }
        }
    });
    tasks
}

fn reloaded(by: Administrator) -> Reloaded {
    Reloaded {
        file: "a".into(),
        changes: vec![by.to_string()],
        withdrawn: Vec::new(),
        certificate_expires: "then".to_owned(),
    }
}

fn us() -> u32 {
    rustix::process::geteuid().as_raw()
}

#[tokio::test]
async fn whoever_asks_is_named_by_the_kernel() {
    let folder = tempfile::tempdir().unwrap();
    let _served = served(folder.path(), us());

    let reloaded = reload(folder.path()).await.unwrap().unwrap();
    assert_eq!(reloaded.changes, [format!("uid {}", us())]);
}

#[tokio::test]
async fn a_change_is_about_the_provider_that_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let _served = served(folder.path(), us());
    let provider = "mine".parse().unwrap();

    for wanted in Change::ALL {
        let changed = change(folder.path(), &provider, wanted).await.unwrap().unwrap();
        assert_eq!((changed.provider.as_str(), changed.newer), ("mine", format!("{wanted:?}")));
    }
    for path in ["/providers/mine", "/providers/mine/rollbacks", "/providers/mine/rollback/x", "/rollback"] {
        assert_eq!(Change::of(path), None, "{path}");
    }
}

#[tokio::test]
async fn a_question_after_keys_is_about_those_that_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let _served = served(folder.path(), us());
    let which = Which::Name(KeyName::new("name", "a/b").unwrap());
    let sought = Sought { tenant: "acme".parse().unwrap(), which: which.clone() };

    let told = standings(folder.path(), &sought).await.unwrap().unwrap();
    assert_eq!((told[0].id.clone(), &*told[0].state), (format!("{which:?}"), "acme"));
}

#[tokio::test]
async fn somebody_else_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let _served = served(folder.path(), us() + 1);

    // Root always may.
    assert_eq!(reload(folder.path()).await.unwrap().is_ok(), us() == 0);
}

#[tokio::test]
async fn a_socket_may_be_deeper_than_its_name_may_be_long() {
    let folder = tempfile::tempdir().unwrap();
    let deep = folder.path().join("d".repeat(200));
    fs::create_dir(&deep).unwrap();
    let _served = served(&deep, us());

    assert!(reload(&deep).await.unwrap().is_ok());
    let mode = fs::metadata(socket::path(&deep)).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[tokio::test]
async fn where_nobody_listens_is_no_gateway() {
    let folder = tempfile::tempdir().unwrap();
    assert!(matches!(reload(folder.path()).await, Err(AskError::NoGateway(_))));
    assert!(matches!(reload(&folder.path().join("nothing")).await, Err(AskError::NoGateway(_))));

    // As a gateway that was killed leaves it.
    drop(std::os::unix::net::UnixListener::bind(socket::path(folder.path())).unwrap());
    assert!(matches!(reload(folder.path()).await, Err(AskError::NoGateway(_))));
    let _served = served(folder.path(), us());
    assert!(reload(folder.path()).await.unwrap().is_ok());
}

#[tokio::test]
async fn nothing_is_left_of_it() {
    let folder = tempfile::tempdir().unwrap();
    let (administration, _orders) = Administration::open(folder.path(), us()).unwrap();
    drop(administration);

    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}
