//! Compiled code that is kept, and what becomes of it in other hands.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex};

use aws_lc_rs::hmac;
use keyport_core::secret::Secret;
use keyport_host::{CodeCache, CodeStore, HostOptions, Source};

use crate::support::{Bench, SIGNATURE, SOFT, call, hostile, sign, source};

/// Entries in memory, where anybody can get at them.
#[derive(Debug, Default)]
pub(crate) struct Shelf {
    entries: Mutex<BTreeMap<String, Vec<u8>>>,
    is_broken: bool,
}

impl Shelf {
    fn entries(&self) -> BTreeMap<String, Vec<u8>> {
        self.entries.lock().unwrap().clone()
    }

    /// The only entry.
    fn entry(&self) -> (String, Vec<u8>) {
        let entries = self.entries();
        assert_eq!(entries.len(), 1);

        entries.into_iter().next().unwrap()
    }

    fn put(&self, name: &str, entry: Vec<u8>) {
        self.entries.lock().unwrap().insert(name.to_owned(), entry);
    }

    fn check(&self) -> io::Result<()> {
        if self.is_broken { Err(io::Error::other("no disk")) } else { Ok(()) }
    }
}

impl CodeStore for Shelf {
    fn read(&self, name: &str) -> io::Result<Option<Vec<u8>>> {
        self.check()?;
        Ok(self.entries.lock().unwrap().get(name).cloned())
    }

    fn write(&self, name: &str, entry: &[u8]) -> io::Result<()> {
        self.check()?;
        self.put(name, entry.to_vec());
        Ok(())
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.check()?;
        self.entries.lock().unwrap().remove(name);
        Ok(())
    }
}

/// Loads `source` in a host of its own, whose key is 32 times `key`, has it sign, and says whether it was compiled.
async fn compiles(shelf: &Arc<Shelf>, key: u8, source: Source) -> bool {
    let code = CodeCache::new(&Secret::new(vec![key; 32]), shelf.clone());
    let bench = Bench::keeping(Some(code), HostOptions { instances: 4, ..HostOptions::default() });
    let loaded = bench.load(source).await;

    assert_eq!(loaded.provider.sign(call("acme"), sign()).await.unwrap(), SIGNATURE);
    bench.stats(&loaded).compiled
}

fn soft() -> Source {
    source("soft", &**SOFT)
}

#[tokio::test]
async fn a_second_start_compiles_nothing() {
    let shelf = Arc::<Shelf>::default();

    assert!(compiles(&shelf, 1, soft()).await);
    let entry = shelf.entry();
    assert!(!compiles(&shelf, 1, soft()).await);
    assert_eq!(shelf.entry(), entry, "and nothing is written again");

    assert!(compiles(&shelf, 1, hostile("behave")).await, "another component is another entry");
    assert_eq!(shelf.entries().len(), 2);
    assert!(!compiles(&shelf, 1, soft()).await);
}

#[tokio::test]
async fn without_a_cache_every_load_compiles() {
    let bench = Bench::new();

    for _ in 0..2 {
        let loaded = bench.load(soft()).await;
        assert!(bench.stats(&loaded).compiled);
    }
}

#[tokio::test]
async fn an_entry_that_was_altered_anywhere_or_cut_off_is_compiled_anew() {
    let shelf = Arc::<Shelf>::default();
    compiles(&shelf, 1, soft()).await;
    let (name, good) = shelf.entry();
    let flipped = |at: usize| {
        let mut bad = good.clone();
        bad[at] ^= 1;
        bad
    };
    let length = good.len();

    for bad in [
        flipped(0),
        flipped(length / 2),
        flipped(length - 33),
        flipped(length - 1),
        good[..length - 1].to_vec(),
        good[..length / 2].to_vec(),
        good[..length - 32].to_vec(),
        [&good[..], b"\0"].concat(),
        good[..31].to_vec(),
        Vec::new(),
    ] {
        shelf.put(&name, bad);
        assert!(compiles(&shelf, 1, soft()).await);
        assert!(!compiles(&shelf, 1, soft()).await, "what is compiled takes its place");
    }
}

#[tokio::test]
async fn an_entry_in_the_place_of_another_components_is_not_run() {
    let shelf = Arc::<Shelf>::default();
    compiles(&shelf, 1, soft()).await;
    let (name, _) = shelf.entry();
    compiles(&shelf, 1, hostile("behave")).await;
    let (other, _) = shelf.entries().into_iter().find(|(other, _)| *other != name).unwrap();

    let swapped = shelf.entries()[&other].clone();
    shelf.put(&name, swapped);
    assert!(compiles(&shelf, 1, soft()).await);
    assert!(!compiles(&shelf, 1, hostile("behave")).await, "the other is where it was");
}

#[tokio::test]
async fn an_entry_of_another_engine_is_not_run() {
    let shelf = Arc::<Shelf>::default();
    compiles(&shelf, 1, soft()).await;
    let (name, good) = shelf.entry();
    let (digest, engine) = name.split_once('-').unwrap();
    assert_eq!((digest.len(), engine.len()), (64, 16));
    let code = &good[..good.len() - 32];
    assert_eq!(good, marked(&name, code), "this is how entries are marked");

    // Kept by an engine of another version, say, and renamed since.
    shelf.put(&name, marked(&format!("{digest}-{}", "0".repeat(16)), code));
    assert!(compiles(&shelf, 1, soft()).await);

    // The name is right, and yet it is none of this engine's.
    shelf.put(&name, marked(&name, b"\x7fELF"));
    assert!(compiles(&shelf, 1, soft()).await);
    assert!(!compiles(&shelf, 1, soft()).await);
}

/// `code` as an entry of this name, under the key of ones.
fn marked(name: &str, code: &[u8]) -> Vec<u8> {
    let text = [b"keyport compiled component 1\n", name.as_bytes(), b"\n", code].concat();
    let mark = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &[1; 32]), &text);

    [code, mark.as_ref()].concat()
}

#[tokio::test]
async fn an_entry_kept_under_another_key_is_not_run() {
    let shelf = Arc::<Shelf>::default();
    compiles(&shelf, 1, soft()).await;
    let (_, theirs) = shelf.entry();

    assert!(compiles(&shelf, 2, soft()).await);
    assert_ne!(shelf.entry().1, theirs, "it is kept under this key now");
    assert!(!compiles(&shelf, 2, soft()).await);
    assert!(compiles(&shelf, 1, soft()).await);
}

#[tokio::test]
async fn a_cache_that_is_broken_keeps_nobody_from_loading() {
    let shelf = Arc::new(Shelf { is_broken: true, ..Shelf::default() });

    assert!(compiles(&shelf, 1, soft()).await);
    assert!(compiles(&shelf, 1, soft()).await);
}

#[tokio::test]
async fn what_is_refused_is_not_kept() {
    let shelf = Arc::<Shelf>::default();
    let code = CodeCache::new(&Secret::new(vec![1; 32]), shelf.clone());
    let bench = Bench::keeping(Some(code), HostOptions { instances: 4, ..HostOptions::default() });

    bench.refusal(source("broken", [&SOFT[..], b"\x0b\x02\x00\x00"].concat())).await;
    assert_eq!(shelf.entries(), BTreeMap::new());
}
