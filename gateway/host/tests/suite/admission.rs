//! What is not let in.

use std::sync::Arc;

use keyport_core::FailureKind;
use keyport_core::grant::{Grants, Use};
use keyport_host::{HostOptions, Limits, Refusal, Source};

use crate::crafted::{built, component, component_for, descriptor, wat, wit};
use crate::support::{Bench, PKCS11, SOFT, call, granted, hostile, import, source};

#[tokio::test]
async fn a_component_that_imports_what_it_is_not_granted_is_told_what_to_grant() {
    let grants = Arc::new(Grants::default());
    let refused = Bench::new().refusal(Source { grants, ..source("signer", &**SOFT) }).await;

    assert_eq!(
        refused.to_string(),
        "provider `signer` imports `keyport:provider/soft-token@0.1.0`, which needs:\n\n\
         [[provider.grant]]\n\
         connection = \"embedded\"   # a connection of kind \"soft\"\n\
         uses = [\"generate\", \"import\", \"public-key\", \"sign\", \"destroy\"]\n"
    );
}

#[tokio::test]
async fn a_grant_on_one_kind_of_connection_opens_no_other() {
    let refused = Bench::new().refusal(source("token", &**PKCS11)).await;

    assert_eq!(
        refused.to_string(),
        "provider `token` imports `keyport:provider/pkcs11@0.1.0`, which needs:\n\n\
         [[provider.grant]]\n\
         connection = \"hsm\"   # a connection of kind \"pkcs11\"\n\
         uses = [\"generate\", \"public-key\", \"sign\", \"destroy\"]\n"
    );
}

#[tokio::test]
async fn a_component_that_imports_what_there_is_not_is_refused_by_name() {
    for import in ["wasi:cli/environment@0.3.0", "keyport:provider/shell@0.1.0", "keyport:provider/log@0.2.0"]
    {
        let component = format!(r#"(component (import "{import}" (instance)))"#);
        let refused = Bench::new().refusal(wat("nosy", &component)).await;

        assert_eq!(
            refused.to_string(),
            format!(
                "provider `nosy` imports `{import}`, which no grant gives: this gateway offers \
                 keyport:provider/{{clock, cloud-kms, http, log, pkcs11, random, settings, soft-token, types}}@0.1"
            )
        );
    }
}

#[tokio::test]
async fn a_component_that_exports_no_provider_is_refused() {
    let refused = Bench::new().refusal(wat("empty", "(component)")).await;

    assert!(refused.to_string().contains("keyport:provider/provider@0.1.0"), "{refused}");
}

#[tokio::test]
async fn what_is_no_component_is_refused_with_what_would_make_it_one() {
    let bench = Bench::new();

    for (bytes, expected) in [
        (wat::parse_str("(module)").unwrap(), "wasm-tools component new"),
        (b"\n(component)".to_vec(), "wasm-tools parse"),
        (b"\x7fELF".to_vec(), "not a WebAssembly component"),
        (Vec::new(), "not a WebAssembly component"),
    ] {
        let refused = bench.refusal(source("odd", bytes)).await;

        assert!(refused.to_string().contains(expected), "{refused}");
    }
}

#[tokio::test]
async fn a_component_that_is_too_large_is_refused() {
    let bench = Bench::with(HostOptions { component_size: 100, instances: 1, ..HostOptions::default() });

    assert!(matches!(bench.refusal(hostile("behave")).await.refusal, Refusal::TooLarge { limit: 100, .. }));
}

#[tokio::test]
async fn a_component_that_is_not_the_pinned_one_is_refused() {
    let bench = Bench::new();
    let digest = bench.load(hostile("behave")).await.component;
    let pinned = |sha256: &str| Source { sha256: Some(sha256.parse().unwrap()), ..hostile("behave") };

    assert_eq!(bench.load(pinned(digest.as_str())).await.component, digest);
    let refused = bench.refusal(pinned(&format!("sha256:{}", "0".repeat(64)))).await;
    assert!(refused.to_string().contains(digest.as_str()), "{refused}");
}

#[tokio::test]
async fn a_guest_that_panics_when_it_is_asked_what_it_is_is_not_loaded() {
    let refused = Bench::new().refusal(hostile("panic-describe")).await;

    assert!(matches!(refused.refusal, Refusal::Describe(_)), "{refused}");
}

/// With the engine's own defaults this guest ends the whole process (GHSA-rc4p-x33f-vpr2).
#[tokio::test]
async fn the_guest_that_aborts_an_unhardened_engine_is_refused() {
    let core = r#"
        (type $t (sub (func)))
        (table 1 funcref)
        (func (export "f") (call_indirect (type $t) (i32.const 0)))"#;

    refuse_core(core).await;
}

#[tokio::test]
async fn what_is_switched_off_is_refused() {
    for core in [
        "(memory i64 1)",
        "(memory 1 1 shared)",
        "(memory 1 (pagesize 1))",
        "(func $f return_call $f)",
        "(tag)",
        "(type (struct (field i32)))",
        "(type (array i8))",
        "(table 0 anyref)",
        "(func (param (ref null (shared any))))",
        "(func (param (ref func)))",
        "(func (param i64 i64 i64 i64) (result i64 i64)
            local.get 0 local.get 1 local.get 2 local.get 3 i64.add128)",
        "(func (param v128 v128 v128) (result v128)
            local.get 0 local.get 1 local.get 2 f32x4.relaxed_madd)",
        "(type $f (func)) (type $c (cont $f))",
    ] {
        refuse_core(core).await;
    }
    for component in [
        "(component (type (stream u8)))",
        "(component (type (future u8)))",
        "(component (type (list u8 4)))",
        "(component (core func (canon error-context.drop)))",
        "(component (core func (canon thread.yield)))",
    ] {
        refuse(component).await;
    }
}

#[tokio::test]
async fn a_component_that_begins_with_too_much_memory_does_not_start() {
    let bench = Bench::new();
    let large = component("(memory (export \"memory\") 257)");

    let refused = bench.refusal(source("large", large)).await;

    assert!(refused.to_string().contains("memory minimum size"), "{refused}");
}

#[tokio::test]
async fn a_component_that_loops_when_it_starts_does_not_start() {
    let bench = Bench::new();

    let looping = component("(memory (export \"memory\") 1) (func $f (loop br 0)) (start $f)");
    let refused = bench.refusal(source("looping", looping)).await;

    assert!(refused.to_string().contains("bound `cpu` was hit"), "{refused}");
}

#[tokio::test]
async fn a_provider_that_says_of_itself_what_cannot_be_is_refused() {
    let bench = Bench::new();

    for (parts, expected) in [
        (descriptor(0, ""), NO_OFFER),
        (descriptor(2, ""), "it offers a key type twice"),
        (descriptor(1, "\\00\\00\\00\\00\\80\\00\\00\\00\\01"), "a scheme that does not fit it"),
    ] {
        let refused = bench.refusal(source("odd", component(&parts))).await;

        assert!(refused.to_string().contains(expected), "{refused}");
    }
}

#[tokio::test]
async fn a_component_may_be_built_for_any_patch_of_the_package_and_for_no_other_version() {
    let bench = Bench::new();
    let parts = "(memory (export \"memory\") 1)";

    for (version, served) in [("0.1.0", true), ("0.1.7", true), ("0.2.0", false), ("1.0.0", false)] {
        let refused = bench.refusal(source("dated", component_for(version, parts))).await;

        assert_eq!(refused.to_string().contains(NO_OFFER), served, "{version}: {refused}");
    }
}

#[tokio::test]
async fn a_provider_imports_if_it_exports_that_and_is_granted_it() {
    let bench = Bench::new();
    let soft = |uses| Source { grants: granted(uses), ..source("soft", &**SOFT) };
    let plain = bench.load(source("plain", component(&descriptor(1, "")))).await;

    assert!(bench.load(soft(&Use::ALL)).await.imports);
    assert!(!bench.load(soft(&[Use::Generate, Use::Sign, Use::Destroy])).await.imports);
    assert!(!plain.imports);
    let refused = plain.provider.import_key(call("a"), import()).await.unwrap_err();
    assert_eq!(refused.kind, FailureKind::Unsupported);
}

#[tokio::test]
async fn an_import_key_that_is_not_ours_is_refused() {
    let bench = Bench::new();
    let text = wit("0.1.0");
    let (before, after) = text.split_once("import-key: func(request: import-request)").unwrap();
    let text = format!("{before} import-key: func() -> u32; other: func() {after}");
    let export = format!(
        r#"(func (export "{IMPORT_KEY}#import-key") (result i32) i32.const 0)
        (func (export "{IMPORT_KEY}#other") (result i32) i32.const 0) {}"#,
        descriptor(1, "")
    );

    let refused = bench.refusal(source("odd", built(&text, "importing-provider-world", &export))).await;

    assert!(refused.to_string().contains(IMPORT_KEY), "{refused}");
}

const IMPORT_KEY: &str = "keyport:provider/import-key@0.1.0";

/// What is said of a provider that got as far as to be asked what it is, and says nothing.
const NO_OFFER: &str = "it offers no key type";

/// A component around one core module.
async fn refuse_core(core: &str) {
    refuse(&format!("(component (core module {core}))")).await;
}

async fn refuse(component: &str) {
    let refused = Bench::new().refusal(wat("odd", component)).await;

    assert!(matches!(refused.refusal, Refusal::Invalid(_)), "{component}: {refused}");
}

#[tokio::test]
async fn a_component_is_looked_at_without_a_grant_and_says_what_it_would_need() {
    let host = Bench::new().host;
    let looked = host.inspect("signer".parse().unwrap(), SOFT.to_vec(), Limits::default()).await.unwrap();

    assert_eq!(looked.size, SOFT.len());
    let needs: Vec<_> = looked.imports.iter().filter(|import| import.needs.is_some()).collect();
    assert_eq!(needs.len(), 1);
    assert_eq!((needs[0].name.as_str(), needs[0].is_known), ("keyport:provider/soft-token@0.1.0", true));
    assert_eq!(looked.exports, ["keyport:provider/import-key@0.1.0", "keyport:provider/provider@0.1.0"]);
    assert_eq!(looked.loaded.unwrap().descriptor.name, "soft");
    assert!(looked.memory > 0 && looked.memory < Limits::default().memory, "{}", looked.memory);

    let narrow = Limits { memory: looked.memory - 1, ..Limits::default() };
    let looked = host.inspect("narrow".parse().unwrap(), SOFT.to_vec(), narrow).await.unwrap();
    assert!(matches!(looked.loaded, Err(Refusal::Describe(_))), "{:?}", looked.loaded);

    let nosy = wat("nosy", r#"(component (import "wasi:cli/run@0.2.0" (instance)))"#).bytes;
    let looked = host.inspect("nosy".parse().unwrap(), nosy.to_vec(), Limits::default()).await.unwrap();
    assert!(!looked.imports[0].is_known);
    assert!(matches!(looked.loaded, Err(Refusal::Imports(_))));
    assert!(matches!(
        host.inspect("no".parse().unwrap(), b"no".to_vec(), Limits::default()).await,
        Err(Refusal::NotWebAssembly)
    ));
}
