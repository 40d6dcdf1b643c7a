//! The folder of `keyport dev`: made once, kept, and renewed in time.

use std::os::unix::fs::PermissionsExt;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use keyport_core::outside::{Clock, Task, Timestamp};
use tempfile::TempDir;
use tokio::runtime::Handle;

use super::*;
use crate::config::{Config, Environment};
use crate::outside::TokioClock;

/// A clock whose wall time a test can move.
#[derive(Debug, Default)]
struct Later(Mutex<Duration>);

impl Clock for Later {
    fn now(&self) -> Instant {
        TokioClock.now()
    }

    fn wall(&self) -> Timestamp {
        TokioClock.wall().plus(*self.0.lock().unwrap())
    }

    fn sleep_until(&self, deadline: Instant) -> Task {
        TokioClock.sleep_until(deadline)
    }
}

fn addresses() -> (SocketAddr, SocketAddr) {
    ("127.0.0.1:0".parse().unwrap(), "127.0.0.1:0".parse().unwrap())
}

fn contents(data: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut files: Vec<_> = std::fs::read_dir(data).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files.into_iter().map(|file| (file.clone(), std::fs::read(file).unwrap())).collect()
}

#[tokio::test]
async fn a_second_start_finds_everything_as_the_first_left_it() {
    let folder = TempDir::new().unwrap();
    let data = folder.path().join("a/b");
    let outside = crate::outside::outside(Handle::current());

    prepare(&data, addresses(), &Custodian::Embedded, &outside).unwrap();
    let first = contents(&data);
    prepare(&data, addresses(), &Custodian::Embedded, &outside).unwrap();

    assert_eq!(contents(&data), first);
    let names: Vec<_> = first.iter().map(|(file, _)| file.file_name().unwrap().to_str().unwrap()).collect();
    assert_eq!(names, ["ca.pem", "keyport.toml", "master.key", "server.key", "server.pem", "token"]);
}

#[tokio::test]
async fn nobody_else_can_read_what_is_made() {
    let folder = TempDir::new().unwrap();
    let data = folder.path().join("data");
    prepare(&data, addresses(), &Custodian::Embedded, &crate::outside::outside(Handle::current())).unwrap();

    assert_eq!(std::fs::metadata(&data).unwrap().permissions().mode() & 0o777, 0o700);
    for (file, _) in contents(&data) {
        assert_eq!(
            std::fs::metadata(&file).unwrap().permissions().mode() & 0o777,
            0o600,
            "{}",
            file.display()
        );
    }
}

#[tokio::test]
async fn a_certificate_is_renewed_a_month_before_its_end_and_when_the_address_is_new() {
    let folder = TempDir::new().unwrap();
    let clock = Arc::new(Later::default());
    let outside = Outside { clock: clock.clone(), ..crate::outside::outside(Handle::current()) };
    let certificate = || std::fs::read(folder.path().join("server.pem")).unwrap();

    prepare(folder.path(), addresses(), &Custodian::Embedded, &outside).unwrap();
    let first = certificate();
    *clock.0.lock().unwrap() = Duration::from_secs(360 * 24 * 60 * 60);
    prepare(folder.path(), addresses(), &Custodian::Embedded, &outside).unwrap();
    assert_eq!(certificate(), first);

    *clock.0.lock().unwrap() = Duration::from_secs(370 * 24 * 60 * 60);
    prepare(folder.path(), addresses(), &Custodian::Embedded, &outside).unwrap();
    let second = certificate();
    assert_ne!(second, first);

    prepare(folder.path(), ("0.0.0.0:0".parse().unwrap(), addresses().1), &Custodian::Embedded, &outside)
        .unwrap();
    assert_eq!(certificate(), second);
    prepare(folder.path(), ("192.0.2.1:0".parse().unwrap(), addresses().1), &Custodian::Embedded, &outside)
        .unwrap();
    assert_ne!(certificate(), second);
}

#[tokio::test]
async fn a_broken_token_is_named_and_kept() {
    let folder = TempDir::new().unwrap();
    std::fs::write(folder.path().join("token"), "hunter2").unwrap();

    let error = prepare(
        folder.path(),
        addresses(),
        &Custodian::Embedded,
        &crate::outside::outside(Handle::current()),
    )
    .unwrap_err();
    assert!(error.to_string().contains("token does not hold a token"), "{error}");
    assert_eq!(std::fs::read(folder.path().join("token")).unwrap(), b"hunter2");
}

#[tokio::test]
async fn the_configuration_that_is_made_is_right() {
    let folder = TempDir::new().unwrap();
    let file = prepare(
        folder.path(),
        addresses(),
        &Custodian::Embedded,
        &crate::outside::outside(Handle::current()),
    )
    .unwrap();

    let config = Config::load(&file, &Environment::new(|_| None)).unwrap();
    assert_eq!(config.tenants.len(), 1);
}

#[test]
fn the_greeting_has_an_address_that_the_certificate_names() {
    let greeting = greeting(
        Path::new("keyport-data"),
        Addresses { listen: "0.0.0.0:8443".parse().unwrap(), admin: "127.0.0.1:8444".parse().unwrap() },
    );

    assert!(greeting.starts_with("ready https://0.0.0.0:8443\nadmin http://127.0.0.1:8444\n"));
    assert!(greeting.contains("https://127.0.0.1:8443/webhook/keys/demo/sign"));
}
