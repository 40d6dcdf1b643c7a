//! The components that this crate makes of the repository's own guests: what they import, and how they run.
#![expect(clippy::indexing_slicing, clippy::unwrap_used, reason = "a test may panic")]

use std::path::Path;

use keyport_sdk_build::{Component, Error, component, encode};
use wasmtime::component::{Linker, LinkerInstance, Resource, ResourceType, Val};
use wasmtime::{Config, Engine, Error as Trap, ResourceLimiter, Result, Store};

#[test]
fn the_soft_guest_imports_the_embedded_token_and_nothing_else() {
    let engine = engine();
    let soft = load(&engine, "keyport-guest-soft");
    let ty = soft.component_type();

    let imports: Vec<_> = ty.imports(&engine).map(|(name, _)| name.to_owned()).collect();
    let mut exports: Vec<_> = ty.exports(&engine).map(|(name, _)| name.to_owned()).collect();
    exports.sort();

    assert_eq!(imports, ["keyport:provider/types@0.1.0", SOFT_TOKEN]);
    assert_eq!(exports, ["keyport:provider/import-key@0.1.0", PROVIDER]);
}

#[test]
fn the_pkcs11_guest_imports_tokens_and_nothing_else() {
    let engine = engine();
    let token = load(&engine, "keyport-guest-pkcs11");

    let imports: Vec<_> = token.component_type().imports(&engine).map(|(name, _)| name.to_owned()).collect();

    assert_eq!(imports, ["keyport:provider/types@0.1.0", PKCS11]);
}

#[test]
fn the_guests_of_key_management_services_import_them_and_nothing_else() {
    let engine = engine();

    for name in ["aws-kms", "azure-key-vault", "gcp-kms", "vault-transit"] {
        let guest = load(&engine, &format!("keyport-guest-{name}"));
        let imports: Vec<_> =
            guest.component_type().imports(&engine).map(|(name, _)| name.to_owned()).collect();

        assert_eq!(imports, ["keyport:provider/types@0.1.0", CLOUD_KMS], "{name}");
    }
}

#[test]
fn a_signature_of_the_pkcs11_guest_is_three_calls_of_the_host() {
    let engine = engine();
    let mut guest = Guest::new(&engine, "keyport-guest-pkcs11", None);
    guest.store.data_mut().calls.clear();

    assert_eq!(guest.sign(32).unwrap(), vec![7; 64]);

    assert_eq!(guest.store.data().calls, ["find", "sign", "drop"]);
}

#[test]
fn a_guest_exports_nothing_that_it_does_not_implement() {
    let engine = engine();
    let plain = load(&engine, "keyport-guest-plain");

    let exports: Vec<_> = plain.component_type().exports(&engine).map(|(name, _)| name.to_owned()).collect();

    assert_eq!(exports, [PROVIDER]);
}

#[test]
fn our_guests_are_small_and_say_nothing_of_this_machine() {
    for package in ["keyport-guest-pkcs11", "keyport-guest-soft", "keyport-guest-vault-transit"] {
        let guest = build(package).bytes;
        let text = String::from_utf8_lossy(&guest);

        assert!(guest.len() < 40_000, "{package}: {} bytes", guest.len());
        for path in [env!("CARGO_MANIFEST_DIR"), "/registry/src/", "/rustlib/src/"] {
            assert!(!text.contains(path), "{package}: {path} is in the component");
        }
    }
}

#[test]
fn ordinary_calls_never_grow_the_memory() {
    let engine = engine();

    for package in ["keyport-guest-pkcs11", "keyport-guest-soft"] {
        let mut guest = Guest::new(&engine, package, None);
        let at_start = guest.store.data().grown;
        for _ in 0..1000 {
            assert_eq!(guest.sign(32).unwrap(), vec![7; 64]);
        }

        assert_eq!(guest.store.data().grown, at_start, "{package}");
    }
}

#[test]
fn a_large_message_grows_the_memory_once() {
    let engine = engine();
    let mut guest = Guest::new(&engine, "keyport-guest-soft", None);
    let at_start = guest.store.data().grown;

    for _ in 0..10 {
        assert_eq!(guest.sign(1 << 20).unwrap(), vec![7; 64]);
    }

    assert_eq!(guest.store.data().grown, at_start + 1);
}

#[test]
fn the_hostile_guest_traps_where_it_is_told_to() {
    let engine = engine();

    for mode in ["recurse", "recurse-in-memory", "panic-sign"] {
        let mut guest = Guest::new(&engine, "keyport-guest-hostile", Some(mode));
        assert!(guest.sign(32).is_err(), "{mode}");
    }
}

#[test]
fn the_hostile_guest_takes_memory_until_it_is_refused() {
    let engine = engine();
    let mut guest = Guest::new(&engine, "keyport-guest-hostile", Some("grow-memory"));

    assert_eq!(guest.sign(32).unwrap(), vec![7; 64]);
    assert!(guest.store.data().refused);
    assert!(guest.store.data().bytes > LIMIT - (2 << 20));
}

#[test]
fn the_hostile_guest_signs_when_it_is_told_nothing() {
    let mut guest = Guest::new(&engine(), "keyport-guest-hostile", None);

    assert_eq!(guest.sign(32).unwrap(), vec![7; 64]);
}

#[test]
fn an_unknown_package_is_an_error_with_what_cargo_said() {
    let error = component(workspace(), "no-such-package").unwrap_err();

    assert!(matches!(error, Error::Build { .. }));
    assert!(error.to_string().contains("no-such-package"), "{error}");
}

#[test]
fn bytes_that_are_no_module_are_an_error() {
    assert!(matches!(encode(b"\0asm"), Err(Error::Encode(_))));
    assert!(matches!(encode(b"not WebAssembly at all"), Err(Error::Encode(_))));
}

#[test]
fn a_build_script_is_told_every_local_file() {
    let lines = build("keyport-guest-soft").rerun_if_changed();

    for file in [
        "Cargo.lock",
        "guest-adapters/soft/Cargo.toml",
        "guest-adapters/soft/src/lib.rs",
        "sdk/src/arena.rs",
        "wit/types.wit",
    ] {
        let line =
            format!("cargo::rerun-if-changed={}\n", workspace().canonicalize().unwrap().join(file).display());
        assert!(lines.contains(&line), "{file} is not in\n{lines}");
    }
}

/// What a guest's memory did, and what it called of a token behind PKCS#11.
#[derive(Default)]
struct Limits {
    bytes: usize,
    calls: Vec<&'static str>,
    grown: u32,
    refused: bool,
}

impl ResourceLimiter for Limits {
    fn memory_growing(&mut self, _: usize, desired: usize, _: Option<usize>) -> Result<bool> {
        if desired > LIMIT {
            self.refused = true;
            return Ok(false);
        }
        self.bytes = desired;
        self.grown += 1;

        Ok(true)
    }

    fn table_growing(&mut self, _: usize, _: usize, _: Option<usize>) -> Result<bool> {
        Ok(true)
    }
}

/// A guest over a token that answers every signature with 64 sevens.
struct Guest {
    sign: wasmtime::component::Func,
    store: Store<Limits>,
}

impl Guest {
    fn new(engine: &Engine, package: &str, mode: Option<&'static str>) -> Self {
        let mut store = Store::new(engine, Limits::default());
        store.limiter(|limits| limits);

        let component = load(engine, package);
        let mut linker = Linker::new(engine);
        link(&mut linker, mode).unwrap();
        linker.define_unknown_imports_as_traps(&component).unwrap();
        let instance = linker.instantiate(&mut store, &component).unwrap();
        let provider = instance.get_export_index(&mut store, None, PROVIDER).unwrap();
        let sign = instance.get_export_index(&mut store, Some(&provider), "sign").unwrap();

        Self { sign: instance.get_func(&mut store, sign).unwrap(), store }
    }

    /// Signs `length` bytes.
    fn sign(&mut self, length: usize) -> Result<Vec<u8>> {
        let mut results = [Val::Bool(false)];
        self.sign.call(&mut self.store, &[request(length)], &mut results)?;

        let [Val::Result(Ok(Some(signature)))] = results else {
            return Err(Trap::msg(format!("{results:?}")));
        };
        let Val::List(bytes) = *signature else { return Err(Trap::msg(format!("{signature:?}"))) };
        let byte = |value: Val| if let Val::U8(byte) = value { Some(byte) } else { None };
        bytes.into_iter().map(byte).collect::<Option<_>>().ok_or_else(|| Trap::msg("not bytes"))
    }
}

fn link(linker: &mut Linker<Limits>, mode: Option<&'static str>) -> Result<()> {
    linker.allow_shadowing(true);
    linker.instance(SOFT_TOKEN)?.func_new("sign", |_, _, _, results| {
        results[0] = Val::Result(Ok(Some(Box::new(Val::List(vec![Val::U8(7); 64])))));
        Ok(())
    })?;
    link_pkcs11(&mut linker.instance(PKCS11)?)?;
    linker.instance("keyport:provider/log@0.1.0")?.func_new("log", |_, _, _, _| Ok(()))?;
    linker.instance("keyport:provider/settings@0.1.0")?.func_new(
        "get",
        move |_, _, arguments, results| {
            let [Val::String(wanted)] = arguments else { return Err(Trap::msg("a name, please")) };
            let value = mode.filter(|_| wanted == "mode");
            results[0] = Val::Option(value.map(|value| Box::new(Val::String(value.to_owned()))));
            Ok(())
        },
    )?;

    Ok(())
}

fn link_pkcs11(pkcs11: &mut LinkerInstance<'_, Limits>) -> Result<()> {
    pkcs11.resource("key-pair", ResourceType::host::<KeyPair>(), |mut store, _| {
        store.data_mut().calls.push("drop");
        Ok(())
    })?;
    pkcs11.func_new("[static]key-pair.find", |mut store, _, _, results| {
        store.data_mut().calls.push("find");
        let key_pair = Resource::<KeyPair>::new_own(1).try_into_resource_any(&mut store)?;
        results[0] = Val::Result(Ok(Some(Box::new(Val::Resource(key_pair)))));
        Ok(())
    })?;
    pkcs11.func_new("[method]key-pair.sign", |mut store, _, arguments, results| {
        let [Val::Resource(borrowed), _] = arguments else { return Err(Trap::msg("a key pair, please")) };
        borrowed.resource_drop(&mut store)?;
        store.data_mut().calls.push("sign");
        results[0] = Val::Result(Ok(Some(Box::new(Val::List(vec![Val::U8(7); 64])))));
        Ok(())
    })
}

/// What the handles of key pairs refer to.
struct KeyPair;

fn request(length: usize) -> Val {
    let key = Val::Record(vec![
        ("key-id".to_owned(), Val::String("0123456789abcdef0123456789abcdef".to_owned())),
        ("handle".to_owned(), Val::Option(None)),
    ]);
    let message = Val::List(vec![Val::U8(1); length]);

    Val::Record(vec![
        ("key".to_owned(), key),
        ("scheme".to_owned(), Val::Variant("ed25519".to_owned(), None)),
        ("input".to_owned(), Val::Variant("message".to_owned(), Some(Box::new(message)))),
    ])
}

fn load(engine: &Engine, package: &str) -> wasmtime::component::Component {
    wasmtime::component::Component::new(engine, build(package).bytes).unwrap()
}

fn build(package: &str) -> Component {
    component(workspace(), package).unwrap()
}

fn workspace() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
}

fn engine() -> Engine {
    let mut config = Config::new();
    config.concurrency_support(false);

    Engine::new(&config).unwrap()
}

const LIMIT: usize = 16 << 20;
const CLOUD_KMS: &str = "keyport:provider/cloud-kms@0.1.0";
const PKCS11: &str = "keyport:provider/pkcs11@0.1.0";
const PROVIDER: &str = "keyport:provider/provider@0.1.0";
const SOFT_TOKEN: &str = "keyport:provider/soft-token@0.1.0";
