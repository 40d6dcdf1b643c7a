//! Components built to take the compiler minutes, gigabytes, or more stack than there is.

use std::sync::Arc;
use std::time::Duration;

use keyport_core::secret::Secret;
use keyport_host::{CodeCache, Compiler, HostOptions, LoadError, Refusal, Source};

use crate::code::Shelf;
use crate::support::{Bench, SIGNATURE, call, hostile, sign, source};

/// In the gateway's own process this ends it, as its reader calls itself for each level.
#[tokio::test]
async fn types_that_nest_deeper_than_a_stack_end_the_compiler_alone() {
    let bench = compiling(Compiler::MEMORY, MINUTE);

    for levels in [5_000, 100_000, 1_000_000] {
        is_costly(&load(&bench, nested_types(levels)).await);
    }
    bench.load(hostile("behave")).await;
}

#[tokio::test]
async fn what_takes_the_compiler_gigabytes_is_refused_when_it_has_taken_its_share() {
    let bench = compiling(64 << 20, MINUTE);

    for bomb in [
        instances_of_instances(40),
        core(&nested_loops(600)),
        core(&"(func (result i32) i32.const 1)".repeat(60_000)),
        core(&format!(
            "(func (param i32) (result i32) local.get 0 {})",
            "i32.const 77777 i32.mul ".repeat(60_000)
        )),
        core(&branch_tables(1000)),
        core(&"(type (func))".repeat(900_000)),
    ] {
        is_costly(&load(&bench, bomb).await);
    }
    bench.load(hostile("behave")).await;
}

#[tokio::test]
async fn what_takes_the_compiler_minutes_is_refused_and_its_process_ended() {
    let bench = compiling(Compiler::MEMORY, Duration::from_secs(1));

    // More than there are places for compilations: one that went on would keep the last from its own.
    for _ in 0..3 {
        let refused = load(&bench, core(&nested_loops(600))).await;
        assert!(matches!(refused.refusal, Refusal::Slow { .. }), "{refused}");
    }
    bench.load(hostile("behave")).await;
}

#[tokio::test]
async fn what_is_wrong_with_a_component_is_said_by_the_process_that_compiles_too() {
    let bench = compiling(Compiler::MEMORY, MINUTE);

    let refused = load(&bench, "(component (core module (memory i64 1)))".to_owned()).await;
    assert!(matches!(refused.refusal, Refusal::Invalid(_)), "{refused}");
    assert!(refused.to_string().contains("memory64"), "{refused}");
}

#[tokio::test]
async fn what_another_process_compiled_serves_and_is_kept() {
    let code = CodeCache::new(&Secret::new(vec![1; 32]), Arc::<Shelf>::default());

    for compiled in [true, false] {
        let options = HostOptions { compiler: Some(compiler(Compiler::MEMORY)), ..options(MINUTE) };
        let bench = Bench::keeping(Some(code.clone()), options);
        let loaded = bench.load(hostile("behave")).await;
        assert_eq!(bench.stats(&loaded).compiled, compiled);
        assert_eq!(loaded.provider.sign(call("a"), sign()).await.unwrap(), SIGNATURE);
    }
}

#[tokio::test]
async fn a_compiler_that_cannot_be_started_compiles_nothing() {
    let compiler = Compiler { program: "/no/such/program".into(), ..compiler(Compiler::MEMORY) };
    let bench = Bench::with(HostOptions { compiler: Some(compiler), ..options(MINUTE) });

    let refused = bench.refusal(hostile("behave")).await;
    assert!(matches!(refused.refusal, Refusal::Compiler(_)), "{refused}");
    bench.load(Source { trusted: true, ..hostile("behave") }).await;
}

fn compiling(memory: usize, time: Duration) -> Bench {
    Bench::with(HostOptions { compiler: Some(compiler(memory)), ..options(time) })
}

fn options(time: Duration) -> HostOptions {
    HostOptions { instances: 16, load_timeout: time, ..HostOptions::default() }
}

fn compiler(memory: usize) -> Compiler {
    let program = env!("CARGO_BIN_EXE_keyport-compiler-test-host").into();

    Compiler { program, arguments: Vec::new(), memory }
}

async fn load(bench: &Bench, component: impl Into<Bomb>) -> LoadError {
    bench.refusal(source("bomb", component.into().0)).await
}

#[track_caller]
fn is_costly(refused: &LoadError) {
    // Where memory is not given, some of the compiler says so by a panic.
    assert!(matches!(refused.refusal, Refusal::Costly { .. } | Refusal::Compiler(_)), "{refused}");
}

/// A component in its binary format.
struct Bomb(Vec<u8>);

impl From<String> for Bomb {
    fn from(text: String) -> Self {
        Self(wat::parse_str(text).unwrap())
    }
}

fn core(module: &str) -> String {
    format!("(component (core module {module}))")
}

/// Loops in loops, each with a value of its own for every local.
fn nested_loops(depth: usize) -> String {
    let each = |text: fn(usize) -> String| (0..depth).map(text).collect::<String>();
    let adds = each(|local| format!("local.get {local} i32.const 1 i32.add local.set {local} "));

    format!(
        "(func (param i32) (local {}) {} {adds} {})",
        "i32 ".repeat(depth),
        "loop ".repeat(depth),
        "local.get 0 br_if 0 end ".repeat(depth)
    )
}

/// Blocks in blocks, and in the innermost tables of branches to each of them.
fn branch_tables(depth: usize) -> String {
    let labels: String = (0..depth).map(|label| format!("{label} ")).collect();
    let tables = format!("block local.get 0 br_table {labels} end ").repeat(depth / 2);

    format!("(func (param i32) {} {tables} {})", "block ".repeat(depth), "end ".repeat(depth))
}

/// Two instances of a component of two instances, and so on: twice as many at each level.
fn instances_of_instances(levels: usize) -> String {
    let first = "(component $0 (core module $m) (core instance (instantiate $m)))".to_owned();
    let component = (0..levels).fold(first, |inner, level| {
        format!(
            "(component ${} {inner} (instance (instantiate ${level})) (instance (instantiate ${level})))",
            level + 1
        )
    });

    format!("(component {component} (instance (instantiate ${levels})))")
}

/// An instance type in component types, each in the next (component model, `Binary.md`).
fn nested_types(levels: usize) -> Bomb {
    let types = [[0x41, 1, 1].repeat(levels), vec![0x42, 0]].concat();
    let section = [vec![1], types].concat();

    let mut component = b"\0asm\x0d\0\x01\0\x07".to_vec();
    let mut length = section.len();
    while length > 0x7f {
        component.push(u8::try_from(length & 0x7f).unwrap() | 0x80);
        length >>= 7;
    }
    component.push(u8::try_from(length).unwrap());
    Bomb([component, section].concat())
}

const MINUTE: Duration = Duration::from_secs(60);
