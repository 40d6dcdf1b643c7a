//! Components of several parts, as toolchains make them that link stubs to a guest: several memories, and code between
//! them.

use keyport_host::{Bound, Refusal};

use crate::crafted::{component, descriptor, with_component, with_modules};
use crate::support::{Bench, source};

#[tokio::test]
async fn a_component_whose_parts_pass_texts_to_one_another_is_a_provider() {
    let bench = Bench::new();
    let composed = with_component(component(&descriptor(1, "")), COMPOSED);

    bench.load(source("composed", composed)).await;
}

/// One part tells the other "hear", which traps unless it hears just that.
const COMPOSED: &str = r#"(component
    (component $hearing
        (core module $module
            (memory (export "memory") 1)
            (func (export "realloc") (param i32 i32 i32 i32) (result i32) i32.const 64)
            (func (export "hear") (param i32 i32)
                (if (i32.ne (local.get 1) (i32.const 4)) (then unreachable))
                (if (i32.ne (i32.load (local.get 0)) (i32.const 0x72616568)) (then unreachable))))
        (core instance $core (instantiate $module))
        (func (export "hear") (param "text" string) (canon lift (core func $core "hear")
            (memory (core memory $core "memory")) (realloc (core func $core "realloc")))))
    (instance $hearing (instantiate $hearing))
    (component $telling
        (import "hear" (func $hear (param "text" string)))
        (core module $libc (memory (export "memory") 1) (data (i32.const 8) "hear"))
        (core instance $libc (instantiate $libc))
        (core func $hear (canon lower (func $hear) (memory (core memory $libc "memory"))))
        (core module $module
            (import "" "hear" (func $hear (param i32 i32)))
            (func $tell (call $hear (i32.const 8) (i32.const 4)))
            (start $tell))
        (core instance (instantiate $module (with "" (instance (export "hear" (func $hear)))))))
    (instance (instantiate $telling (with "hear" (func $hearing "hear")))))"#;

/// The limit is 256 pages. The provider has 1, its second memory gets 100, and the third takes what it can: it traps if
/// that is another number than is left.
#[tokio::test]
async fn the_limit_on_memory_is_one_for_all_memories_of_an_instance() {
    let bench = Bench::new();
    let (modest, greedy) = (growing(100, 100), growing(1000, 155));
    let greedy = with_modules(component(&descriptor(1, "")), &[&modest, &greedy]);

    let loaded = bench.load(source("greedy", greedy)).await;

    assert_eq!(bench.stats(&loaded).memory, 16 << 20);
    assert_eq!(bench.hits(&loaded, Bound::Memory), 1);
}

/// A module that grows its memory up to `wanted` pages, or as far as it may, and traps if that is not `right`.
fn growing(wanted: u32, right: u32) -> String {
    format!(
        "(module (memory 0)
            (func $grow
                (loop $more
                    (br_if 1 (i32.eq (memory.size) (i32.const {wanted})))
                    (br_if $more (i32.ne (memory.grow (i32.const 1)) (i32.const -1)))))
            (func $check
                (call $grow)
                (if (i32.ne (memory.size) (i32.const {right})) (then unreachable)))
            (start $check))"
    )
}

#[tokio::test]
async fn a_component_with_too_many_memories_or_instances_does_not_start() {
    let bench = Bench::new();
    let refused = [
        (&["(module (memory 1) (memory 1))"][..], "defined memories count of 2"),
        (&["(module (memory 1))"; 3], "4 Wasm linear memories"),
        (&["(module)"; 64], "core module instances"),
    ];

    for (modules, expected) in refused {
        let wide = with_modules(component("(memory (export \"memory\") 1)"), modules);
        let refused = bench.refusal(source("wide", wide)).await;

        assert!(matches!(refused.refusal, Refusal::Invalid(_)), "{refused}");
        assert!(refused.to_string().contains(expected), "{refused}");
    }
}
