//! Compiled code, kept from one start to the next, and run only with this gateway's own mark on it.
//!
//! Compiling takes a millisecond for each kilobyte or so, loading what was compiled almost nothing. An entry is what the
//! engine made of one component, and after it 32 bytes of HMAC-SHA256 (RFC 2104) under a key that only the gateway has,
//! over these parts: a line that says what it is, the entry's name with a newline, and the code. The name is the
//! component's SHA-256, and a hash over everything that the code depends on: the engine's version, its settings and the
//! processor. So an entry that was altered, cut off, put in place of another or made by anybody else is not run.

use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io;
use std::sync::Arc;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::hmac::{Context, HMAC_SHA256, Key, Tag};
use keyport_core::name::ComponentDigest;
use keyport_core::secret::Secret;
use wasmtime::Engine;
use wasmtime::component::Component;

use crate::compiler::Made;

/// Where compiled code is kept. It need not be trusted: what it gives back is checked before it is run.
///
/// It is called on a thread that may wait.
pub trait CodeStore: fmt::Debug + Send + Sync {
    /// The entry of this name: lower-case letters, digits and dashes. `None` where there is none.
    fn read(&self, name: &str) -> io::Result<Option<Vec<u8>>>;

    /// Keeps an entry, in place of one that has the name already.
    fn write(&self, name: &str, entry: &[u8]) -> io::Result<()>;

    /// Forgets an entry.
    fn remove(&self, name: &str) -> io::Result<()>;
}

/// Compiled code that is kept, under a key of the gateway.
#[derive(Clone)]
pub struct CodeCache {
    key: Key,
    store: Arc<dyn CodeStore>,
}

impl CodeCache {
    /// A cache in `store`. Whoever has `key`, 32 random bytes or what is derived from such, and can write there has code
    /// of theirs run by the gateway.
    #[must_use]
    pub fn new(key: &Secret, store: Arc<dyn CodeStore>) -> Self {
        Self { key: Key::new(HMAC_SHA256, key.expose()), store }
    }

    /// What was compiled of the component of this digest, if that is here and sound. What is not sound is removed.
    pub(crate) fn load(&self, engine: &Engine, digest: &ComponentDigest) -> Option<Component> {
        let name = name(engine, digest);
        let entry = self.store.read(&name).unwrap_or_else(|error| {
            tracing::warn!(component = %digest, %error, "the cache of compiled code cannot be read");
            None
        })?;

        match self.open(engine, &name, &entry) {
            Ok(component) => Some(component),
            Err(reason) => {
                tracing::warn!(component = %digest, %reason, "compiled code in the cache is not used, and removed");
                if let Err(error) = self.store.remove(&name) {
                    tracing::warn!(component = %digest, %error, "it cannot be removed");
                }
                None
            }
        }
    }

    /// Keeps the code of the component of this digest.
    pub(crate) fn keep(&self, engine: &Engine, digest: &ComponentDigest, code: &[u8]) {
        let name = name(engine, digest);
        let entry = [code, self.mark(&name, code).as_ref()].concat();

        if let Err(error) = self.store.write(&name, &entry) {
            tracing::warn!(component = %digest, %error, "compiled code is not kept: the next start compiles it again");
        }
    }

    fn open(&self, engine: &Engine, name: &str, entry: &[u8]) -> Result<Component, Unsound> {
        let code = self.verified(name, entry)?;

        deserialized(engine, code).map_err(Unsound::Engine)
    }

    fn verified<'e>(&self, name: &str, entry: &'e [u8]) -> Result<Ours<'e>, Unsound> {
        let (code, mark) = entry.split_last_chunk::<MARK>().ok_or(Unsound::Mark)?;
        let right = self.mark(name, code);

        verify_slices_are_equal(right.as_ref(), mark).map_err(|_unequal| Unsound::Mark)?;
        Ok(Ours(code))
    }

    fn mark(&self, name: &str, code: &[u8]) -> Tag {
        let mut context = Context::with_key(&self.key);
        for part in [PURPOSE, name.as_bytes(), b"\n", code] {
            context.update(part);
        }

        context.sign()
    }
}

impl fmt::Debug for CodeCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CodeCache").field("store", &self.store).finish_non_exhaustive()
    }
}

/// What was made by a process of ours.
pub(crate) fn loaded(engine: &Engine, made: &Made) -> wasmtime::Result<Component> {
    deserialized(engine, Ours(made.code()))
}

/// Code that this gateway's own program made, over just these bytes of memory: its mark was verified, by
/// [`CodeCache::verified`], or it just came, by [`loaded`].
struct Ours<'e>(&'e [u8]);

/// Why an entry is not run.
#[derive(Debug, thiserror::Error)]
enum Unsound {
    #[error("it was altered, or kept under another key")]
    Mark,
    #[error("the engine does not take it: {0}")]
    Engine(wasmtime::Error),
}

#[expect(unsafe_code, reason = "the one way to load what was compiled before, or by another process")]
fn deserialized(engine: &Engine, Ours(code): Ours<'_>) -> wasmtime::Result<Component> {
    // SAFETY: the bytes must be what `Component::serialize` or `Engine::precompile_component` returned, of any version of
    // wasmtime. Only `keep` marks bytes under the gateway's key, and those it got from there; or they came over a pipe that
    // nobody else writes to, from a process of this very program that does nothing but call the latter. They lie in memory
    // that is borrowed until they are copied, and not in a file that could change underneath.
    unsafe { Component::deserialize(engine, code) }
}

/// The name of what this engine makes of the component of this digest.
fn name(engine: &Engine, digest: &ComponentDigest) -> String {
    let mut depends = DefaultHasher::new();
    engine.precompile_compatibility_hash().hash(&mut depends);
    let digits = digest.as_str().trim_start_matches("sha256:");

    format!("{digits}-{:016x}", depends.finish())
}

/// What is marked begins with this, so that no mark made for anything else is one of an entry.
const PURPOSE: &[u8] = b"keyport compiled component 1\n";

/// Bytes of a mark.
const MARK: usize = 32;
