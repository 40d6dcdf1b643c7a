//! Admission: from bytes to a provider that can be called, or the reason why not.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};

use keyport_core::grant::{Grants, Use};
use keyport_core::input::Digest;
use keyport_core::name::{ComponentDigest, ProviderName};
use keyport_core::provider::{Descriptor, Loaded, ProviderId};
use keyport_core::room::Room;
use keyport_core::scheme::Hash;
use wasmtime::Engine;
use wasmtime::component::{Component as Compiled, Linker};

use crate::call::{Component, Served};
use crate::code::{CodeCache, loaded};
use crate::compiler::Made;
use crate::guest::Guest;
use crate::host::Host;
use crate::imports::Offer;
use crate::imports::log::Budgets;
use crate::instances::{Idle, Instances};
use crate::limits::Limits;
use crate::refusal::{LoadError, Refusal, RefusedImport};
use crate::stats::Stats;
use crate::world::WorldPre;

/// A provider to be loaded.
#[derive(Debug)]
pub struct Source {
    /// Its configured name.
    pub name: ProviderName,
    /// The component, in its binary format.
    pub bytes: Cow<'static, [u8]>,
    /// The digest it must have.
    pub sha256: Option<ComponentDigest>,
    /// Its settings, by name.
    pub settings: BTreeMap<String, String>,
    /// What it may reach.
    pub grants: Arc<Grants>,
    /// Whether it is given WASI: clocks, randomness and a log, and nothing that leads out of the gateway.
    pub wasi: bool,
    /// What a call of it may cost.
    pub limits: Limits,
    /// How often an instance of it is used.
    pub instances: Instances,
    /// Whether it is our own, and may run on the caller's threads.
    pub trusted: bool,
    /// Whether readiness depends on its health.
    pub required: bool,
}

impl Host {
    /// Admits a component: checks, compiles, links and instantiates it, and asks it what it is.
    ///
    /// It may take seconds where a component is large. Nothing of it runs on the caller's thread but, where the provider
    /// is trusted, `describe`.
    pub async fn load(self: &Arc<Self>, source: Source) -> Result<Loaded, LoadError> {
        let provider = source.name.clone();

        self.admit(source).await.map_err(|refusal| LoadError { provider, refusal })
    }

    async fn admit(self: &Arc<Self>, mut source: Source) -> Result<Loaded, Refusal> {
        let digest = check(&source.bytes, source.sha256.as_ref(), self.options.component_size)?;
        let compiled = self.compile((std::mem::take(&mut source.bytes), source.trusted), &digest).await?;

        self.admit_compiled(source, digest, compiled).await
    }

    /// Admits what was made of a component of this digest: the code, and whether it had to be compiled.
    pub(crate) async fn admit_compiled(
        self: &Arc<Self>,
        source: Source,
        digest: ComponentDigest,
        (compiled, is_new): (Compiled, bool),
    ) -> Result<Loaded, Refusal> {
        let world = self.link(&compiled, &source.grants, source.wasi)?;
        // Without the grant it could only be refused, so it offers no import.
        let imports = world.imports() && source.grants.iter().any(|grant| grant.uses.contains(&Use::Import));

        let id = ProviderId(self.next.fetch_add(1, Ordering::Relaxed));
        let connections = source.limits.connections;
        let room = Room::new(source.limits.in_flight);
        let component = Arc::new(Component {
            host: Arc::clone(self),
            guest: Arc::new(Guest {
                id,
                name: source.name.clone(),
                settings: source.settings,
                grants: Arc::clone(&source.grants),
                limits: source.limits,
                capabilities: Arc::clone(&self.capabilities),
                outside: self.outside.clone(),
                stats: Arc::new(Stats::new(is_new)),
                log: Budgets::default(),
                lines: self.lines.clone(),
            }),
            world,
            room,
            idle: Idle::new(source.instances, Arc::clone(&self.idle)),
            trusted: source.trusted,
        });
        let deadline = self.outside.clock.now() + self.options.load_timeout;
        let descriptor = plausible(component.describe(deadline).await.map_err(Refusal::Describe)?)?;

        self.loaded.lock().unwrap_or_else(PoisonError::into_inner).push(Arc::downgrade(&component));
        Ok(Loaded {
            id,
            name: source.name,
            component: digest,
            grants: source.grants,
            descriptor,
            imports,
            required: source.required,
            connections,
            provider: Arc::new(Served(component)),
        })
    }

    /// Compiles a component, which is our own or not, or finds what was compiled of it before; and whether it had to be
    /// compiled.
    pub(crate) async fn compile(
        &self,
        (bytes, trusted): (Cow<'static, [u8]>, bool),
        digest: &ComponentDigest,
    ) -> Result<(Compiled, bool), Refusal> {
        let limit = self.options.load_timeout;
        let work = async {
            let place = Arc::clone(&self.compiling).acquire_owned().await;
            if let Some(before) = self.on_a_thread(digest, Compiling::before).await? {
                return Ok((before, false));
            }
            if bytes.len() > LARGE {
                let bytes = bytes.len();
                tracing::info!(component = %digest, bytes, "compiling a large component, which takes some seconds");
            }
            let compiled = match self.options.compiler.as_ref().filter(|_| !trusted) {
                Some(compiler) => {
                    let made = compiler.compile(&bytes, limit).await?;
                    self.on_a_thread(digest, move |compiling, digest| compiling.load(&made, digest)).await?
                }
                None => self.compile_here((bytes, place), digest).await?,
            };
            compiled.map(|compiled| (compiled, true)).map_err(|error| Refusal::Invalid(error.into()))
        };

        let deadline = self.outside.clock.now() + limit;
        self.outside.within(deadline, work).await.unwrap_or(Err(Refusal::Slow { limit }))
    }

    /// Compiles on a thread, which cannot be ended before it is done and holds its place until then.
    async fn compile_here(
        &self,
        (bytes, place): (Cow<'static, [u8]>, impl Send + 'static),
        digest: &ComponentDigest,
    ) -> Result<wasmtime::Result<Compiled>, Refusal> {
        self.on_a_thread(digest, move |compiling, digest| {
            let compiled = compiling.compile(&bytes, digest);
            drop(place);
            compiled
        })
        .await
    }

    /// Runs `work`, which may take its time.
    async fn on_a_thread<T: Send + 'static>(
        &self,
        digest: &ComponentDigest,
        work: impl FnOnce(&Compiling, &ComponentDigest) -> T + Send + 'static,
    ) -> Result<T, Refusal> {
        let compiling = Compiling { engine: self.engine.clone(), cache: self.code.clone() };
        let digest = digest.clone();

        self.threads.block(move || work(&compiling, &digest)).await.map_err(Refusal::Compiler)
    }

    /// Links what is imported, as far as it is granted; and nothing else is there to be found.
    fn link(&self, compiled: &Compiled, grants: &Grants, wasi: bool) -> Result<WorldPre, Refusal> {
        let component = compiled.component_type();
        let mut linker = Linker::new(&self.engine);
        let mut refused = Vec::new();

        for (import, _) in component.imports(&self.engine) {
            let offer = Offer::of(import);
            match offer {
                Some(offer) if offer.is_granted(grants, wasi) => {
                    offer.link(&mut linker).map_err(|error| Refusal::Misfit(error.into()))?;
                }
                Some(_) | None => refused
                    .push(RefusedImport { import: import.to_owned(), needs: offer.and_then(Offer::needs) }),
            }
        }
        if !refused.is_empty() {
            return Err(Refusal::Imports(refused));
        }

        linker
            .instantiate_pre(compiled)
            .and_then(WorldPre::new)
            .map_err(|error| Refusal::Misfit(error.into()))
    }
}

/// What turns components into code.
struct Compiling {
    engine: Engine,
    cache: Option<CodeCache>,
}

impl Compiling {
    fn before(&self, digest: &ComponentDigest) -> Option<Compiled> {
        self.cache.as_ref().and_then(|cache| cache.load(&self.engine, digest))
    }

    /// Compiles here.
    fn compile(&self, bytes: &[u8], digest: &ComponentDigest) -> wasmtime::Result<Compiled> {
        let compiled = Compiled::from_binary(&self.engine, bytes)?;
        if let Some(cache) = &self.cache {
            cache.keep(&self.engine, digest, &compiled.serialize()?);
        }
        Ok(compiled)
    }

    /// Loads what was compiled elsewhere.
    fn load(&self, made: &Made, digest: &ComponentDigest) -> wasmtime::Result<Compiled> {
        let compiled = loaded(&self.engine, made)?;
        if let Some(cache) = &self.cache {
            cache.keep(&self.engine, digest, made.code());
        }
        Ok(compiled)
    }
}

/// What can be said of a component without reading it.
pub(crate) fn check(
    bytes: &[u8],
    pinned: Option<&ComponentDigest>,
    limit: usize,
) -> Result<ComponentDigest, Refusal> {
    if bytes.len() > limit {
        return Err(Refusal::TooLarge { size: bytes.len(), limit });
    }

    let found = digest(bytes);
    if let Some(pinned) = pinned.filter(|pinned| **pinned != found) {
        return Err(Refusal::Digest { found, pinned: pinned.clone() });
    }

    match bytes.get(..8) {
        Some(COMPONENT) => Ok(found),
        Some(MODULE) => Err(Refusal::CoreModule),
        _ if bytes.trim_ascii_start().starts_with(b"(") => Err(Refusal::Text),
        _ => Err(Refusal::NotWebAssembly),
    }
}

#[expect(clippy::expect_used, reason = "SHA-256 has 64 digits")]
fn digest(bytes: &[u8]) -> ComponentDigest {
    let digits = hex::encode(Digest::of(Hash::Sha256, bytes).bytes());

    format!("sha256:{digits}").parse().expect("a digest")
}

fn plausible(descriptor: Descriptor) -> Result<Descriptor, Refusal> {
    let offers = &descriptor.offers;

    if offers.is_empty() {
        return Err(Refusal::Descriptor("it offers no key type"));
    }
    if offers.iter().any(|(key_type, schemes)| schemes.iter().any(|scheme| !scheme.fits(*key_type))) {
        return Err(Refusal::Descriptor("it offers a key type with a scheme that does not fit it"));
    }
    let mut key_types: Vec<_> = offers.iter().map(|(key_type, _)| key_type).collect();
    key_types.sort();
    if key_types.windows(2).any(|pair| matches!(pair, [one, other] if one == other)) {
        return Err(Refusal::Descriptor("it offers a key type twice"));
    }

    Ok(descriptor)
}

/// Bytes of a component that nobody should wait for without a word.
const LARGE: usize = 4 << 20;

/// How a component begins: magic number, version and layer.
const COMPONENT: &[u8] = b"\0asm\x0d\0\x01\0";

/// How a core module begins.
const MODULE: &[u8] = b"\0asm\x01\0\0\0";
