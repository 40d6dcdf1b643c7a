//! What the host adds to the price of a signature. Prints a table:
//! `cargo test -p keyport-host --release --test suite cost -- --ignored --nocapture`

#![expect(clippy::print_stdout, reason = "the table")]

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
use keyport_core::Failure;
use keyport_core::custody::{Capabilities, Mechanism, OperationId, Target};
use keyport_core::name::ConnectionName;
use keyport_core::provider::ProviderId;
use keyport_core::scheme::KeyType;
use keyport_host::{Host, HostOptions, Instances, Source};
use rustix::time::{ClockId, clock_gettime};

use crate::support::{KEY_ID, OPERATION, SOFT, call, now, outside, sign, source};

#[test]
#[ignore = "measures; run it alone, in release"]
fn cost_of_a_signature() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        for native in [false, true] {
            table(native).await;
        }
    });
}

async fn table(native: bool) {
    let custody = Arc::new(Signer { pair: native.then(pair) });
    let options = HostOptions { tenant_cpu: Duration::ZERO, ..HostOptions::default() };
    let host = Host::new(options, custody.clone(), outside()).unwrap();

    println!("\n{}", if native { "with a P-256 signature of aws-lc-rs" } else { "with an empty signature" });
    println!("{:38} {:>9} {:>9} {:>9}", "", "µs CPU", "of system", "µs wall");
    measure("custody alone", async || {
        custody.sign(target(), Mechanism::Ecdsa).await.unwrap();
    })
    .await;
    for (what, trusted, instances) in [
        ("reused, on the caller's thread", true, Instances::REUSE),
        ("fresh, on the caller's thread", true, Instances::Fresh),
        ("reused, on the guests' threads", false, Instances::REUSE),
        ("fresh, on the guests' threads", false, Instances::Fresh),
    ] {
        let source = Source { trusted, instances, ..source("soft", &**SOFT) };
        let soft = host.load(source).await.unwrap();
        measure(what, async || {
            soft.provider.sign(call("a"), sign()).await.unwrap();
        })
        .await;
    }
}

async fn measure(what: &str, work: impl AsyncFn()) {
    for _ in 0..CALLS / 10 {
        work().await;
    }

    let (began, before) = (now(), usage());
    for _ in 0..CALLS {
        work().await;
    }
    let (took, after) = (began.elapsed(), usage());
    println!(
        "{what:38} {:9.2} {:9.2} {:9.2}",
        each(after.0 - before.0),
        each(after.1 - before.1),
        each(took)
    );
}

const CALLS: u32 = 50_000;

/// Microseconds of one call.
fn each(all: Duration) -> f64 {
    all.as_secs_f64() * 1e6 / f64::from(CALLS)
}

/// The CPU time of this process, and how much of it was the system's, to ten milliseconds.
fn usage() -> (Duration, Duration) {
    let all = clock_gettime(ClockId::ProcessCPUTime);
    let status = std::fs::read_to_string("/proc/self/stat").unwrap();
    // The name, in parentheses, may hold anything; stime is the thirteenth field after it (proc_pid_stat(5)).
    let system = status.rsplit(')').next().unwrap().split_whitespace().nth(12).unwrap();

    (
        Duration::new(all.tv_sec.try_into().unwrap(), all.tv_nsec.try_into().unwrap()),
        Duration::from_millis(10 * system.parse::<u64>().unwrap()),
    )
}

/// Signs, or pretends to.
#[derive(Debug)]
struct Signer {
    pair: Option<EcdsaKeyPair>,
}

fn pair() -> EcdsaKeyPair {
    EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap()
}

fn target() -> Target {
    Target {
        operation: OPERATION,
        provider: ProviderId(1),
        connection: "embedded".parse().unwrap(),
        object: KEY_ID.to_owned(),
    }
}

#[async_trait]
impl Capabilities for Signer {
    async fn sign(&self, _: Target, _: Mechanism) -> Result<Vec<u8>, Failure> {
        Ok(match &self.pair {
            Some(pair) => pair.sign(&SystemRandom::new(), b"message").unwrap().as_ref().to_vec(),
            None => vec![7; 64],
        })
    }

    async fn generate(&self, _: Target, _: KeyType) -> Result<Vec<u8>, Failure> {
        Ok(Vec::new())
    }

    async fn import_key(&self, _: Target, _: KeyType, _: String) -> Result<Vec<u8>, Failure> {
        Ok(Vec::new())
    }

    async fn public_key(&self, _: Target) -> Result<Vec<u8>, Failure> {
        Ok(Vec::new())
    }

    async fn destroy(&self, _: Target) -> Result<(), Failure> {
        Ok(())
    }

    async fn health(&self, _: OperationId, _: ProviderId, _: ConnectionName) -> Result<(), Failure> {
        Ok(())
    }
}
