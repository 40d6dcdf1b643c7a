//! Each bound, and a guest that runs into it.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use keyport_core::FailureKind;
use keyport_core::provider::Loaded;
use keyport_host::{Bound, HostOptions, Instances, Limits, Source};
use tokio::time::timeout;

use crate::support::{
    Bench, SIGNATURE, call, call_within, create, hostile, import, key, now, sign, with_setting,
};

#[tokio::test]
async fn a_guest_that_loops_is_stopped_and_hurts_nobody() {
    let bench = Bench::new();
    let (looping, fine) = (bench.hostile("loop").await, bench.hostile("behave").await);

    let spinning = tokio::spawn({
        let looping = looping.clone();
        async move { looping.provider.sign(call("a"), sign()).await }
    });
    for _ in 0..20 {
        assert_eq!(fine.provider.sign(call("b"), sign()).await.unwrap(), SIGNATURE);
    }
    let failure = spinning.await.unwrap().unwrap_err();

    assert_eq!((failure.kind, &*failure.message), (FailureKind::Unavailable, "bound `cpu` was hit"));
    assert_eq!((bench.hits(&looping, Bound::Cpu), bench.hits(&fine, Bound::Cpu)), (1, 0));
}

#[tokio::test]
async fn a_trusted_guest_that_loops_lets_the_reactor_run() {
    let bench = Bench::new();
    let looping = bench.load(Source { trusted: true, ..hostile("loop") }).await;
    let mut turns = 0;

    // One thread runs the guest and counts the turns it gets meanwhile.
    let counted = async {
        loop {
            turns += 1;
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::select! {
        biased;
        () = counted => (),
        failure = looping.provider.sign(call("a"), sign()) => {
            assert_eq!(failure.unwrap_err().message, "bound `cpu` was hit");
        }
    }

    assert!(turns >= 10, "{turns}");
}

#[tokio::test]
async fn a_guest_that_loops_in_health_is_stopped() {
    let bench = Bench::new();
    let looping = bench.hostile("slow-health-loop").await;

    let failure = looping.provider.health(call("a")).await.unwrap_err();

    assert_eq!(failure.message, "bound `cpu` was hit");
}

#[tokio::test]
async fn a_tenant_whose_guests_have_spent_its_cpu_time_waits_and_others_do_not() {
    let options = HostOptions { tenant_cpu: Duration::from_millis(50), ..HostOptions::default() };
    let bench = Bench::with(options);
    let (looping, fine) = (bench.hostile("loop").await, bench.hostile("behave").await);

    looping.provider.sign(call("a"), sign()).await.unwrap_err();
    let refused = fine.provider.sign(call("a"), sign()).await.unwrap_err();

    assert_eq!((refused.kind, &*refused.message), (FailureKind::Throttled, "bound `tenant-cpu` was hit"));
    assert!(refused.retry_after.unwrap() > Duration::from_secs(1), "{refused:?}");
    assert_eq!(fine.provider.sign(call("b"), sign()).await.unwrap(), SIGNATURE);
}

#[tokio::test]
async fn a_guest_that_recurses_is_stopped() {
    let bench = Bench::new();
    let recursing = bench.hostile("recurse").await;

    let failure = recursing.provider.sign(call("a"), sign()).await.unwrap_err();
    assert_eq!((failure.kind, &*failure.message), (FailureKind::Internal, "bound `stack` was hit"));

    let recursing = bench.hostile("recurse-in-memory").await;
    let failure = recursing.provider.sign(call("a"), sign()).await.unwrap_err();
    assert!(failure.message.starts_with("trap: "), "{failure}");
}

#[tokio::test]
async fn a_guest_gets_no_more_memory_than_its_limit() {
    let bench = Bench::new();
    let growing = bench.hostile("grow-memory").await;

    assert_eq!(growing.provider.sign(call("a"), sign()).await.unwrap(), SIGNATURE);
    assert!(bench.hits(&growing, Bound::Memory) > 0);
}

#[tokio::test]
async fn a_guest_that_floods_the_log_is_not_heard_and_does_not_notice() {
    let bench = Bench::new();
    let flooding = bench.load(with_setting(hostile("flood-log"), "count", "5000")).await;

    assert_eq!(flooding.provider.sign(call("a"), sign()).await.unwrap(), SIGNATURE);
    assert!(bench.hits(&flooding, Bound::Log) >= 4800);
}

#[tokio::test]
async fn no_more_than_the_limit_crosses_the_border() {
    let bench = Bench::new();

    for mode in ["huge-argument", "huge-result"] {
        let huge = bench.hostile(mode).await;
        let failure = huge.provider.sign(call("a"), sign()).await.unwrap_err();

        assert_eq!(failure.message, "bound `host-bytes` was hit", "{mode}");
    }
}

#[tokio::test]
async fn an_answer_is_no_longer_than_its_limit() {
    let bench = Bench::new();
    let limits = Limits { result_bytes: 4096, ..Limits::default() };
    let big = bench.load(Source { limits, ..hostile("big-handle") }).await;

    let failure = big.provider.create_key(call("a"), create()).await.unwrap_err();

    assert_eq!(failure.message, "bound `result-bytes` was hit");
}

#[tokio::test]
async fn a_guest_that_asks_for_too_much_randomness_is_stopped() {
    let bench = Bench::new();
    let greedy = bench.hostile("random-bomb").await;

    let failure = greedy.provider.sign(call("a"), sign()).await.unwrap_err();

    assert!(failure.message.contains("more than 4096 random bytes"), "{failure}");
}

#[tokio::test]
async fn an_instance_that_trapped_is_thrown_away() {
    let bench = Bench::new();

    for (mode, export) in [
        ("panic-create", "create-key"),
        ("panic-destroy", "destroy-key"),
        ("panic-health", "health"),
        ("panic-import", "import-key"),
        ("panic-public-key", "public-key"),
        ("panic-sign", "sign"),
    ] {
        let panicking = bench.load(Source { instances: Instances::REUSE, ..hostile(mode) }).await;
        let before = bench.stats(&panicking).instances;

        for _ in 0..2 {
            let failure = called(&panicking, export).await.unwrap_err();
            assert_eq!(failure.kind, FailureKind::Internal);
            assert!(failure.message.starts_with("trap: "), "{failure}");
        }
        assert_eq!(bench.stats(&panicking).instances - before, 2, "{mode}");
    }
}

#[tokio::test]
async fn a_call_ends_at_its_deadline_whatever_custody_does() {
    let bench = Bench::new();
    bench.custody.hangs.store(true, Ordering::Relaxed);

    for trusted in [false, true] {
        let waiting = bench.load(Source { trusted, instances: Instances::REUSE, ..hostile("behave") }).await;
        let began = now();
        let call = call_within("a", Duration::from_millis(50));
        let failure = waiting.provider.sign(call, sign()).await.unwrap_err();

        assert_eq!((failure.kind, &*failure.message), (FailureKind::Unavailable, "bound `deadline` was hit"));
        assert!(began.elapsed() < Duration::from_secs(2));
    }
}

#[tokio::test]
async fn waiting_for_custody_is_not_computing() {
    let bench = Bench::new();
    bench.custody.hangs.store(true, Ordering::Relaxed);
    let waiting = bench.hostile("behave").await;

    let call = call_within("a", Duration::from_millis(500));
    let failure = waiting.provider.sign(call, sign()).await.unwrap_err();

    assert_eq!(failure.message, "bound `deadline` was hit");
    assert!(bench.stats(&waiting).cpu < Duration::from_millis(100));
}

#[tokio::test]
async fn a_call_that_nobody_waits_for_gives_its_place_back() {
    let bench = Bench::new();
    bench.custody.hangs.store(true, Ordering::Relaxed);
    let limits = Limits { in_flight: 1, ..Limits::default() };

    for trusted in [false, true] {
        let limits = limits.clone();
        let source = Source { trusted, limits, instances: Instances::REUSE, ..hostile("behave") };
        let waiting = bench.load(source).await;
        for _ in 0..3 {
            let call = waiting.provider.sign(call("a"), sign());
            timeout(Duration::from_millis(50), call).await.unwrap_err();
        }

        assert_eq!(bench.hits(&waiting, Bound::InFlight), 0);
        assert_eq!(bench.stats(&waiting).instances, 4);
    }
}

#[tokio::test]
async fn calls_beyond_the_places_are_throttled() {
    let options = HostOptions { tenant_in_flight: 2, wait: Duration::ZERO, ..HostOptions::default() };
    let bench = Bench::with(options);
    bench.custody.hangs.store(true, Ordering::Relaxed);
    let limits = Limits { in_flight: 3, ..Limits::default() };
    let waiting = bench.load(Source { limits, ..hostile("behave") }).await;
    let hung: Vec<_> = ["a", "a", "b"].map(|tenant| hang(&waiting, tenant)).into();
    custody_has_been_asked(&bench, 3).await;

    let tenants = waiting.provider.sign(call("a"), sign()).await.unwrap_err();
    let providers = waiting.provider.sign(call("b"), sign()).await.unwrap_err();

    assert_eq!(tenants.message, "bound `tenant-in-flight` was hit");
    assert_eq!(providers.message, "bound `in-flight` was hit");
    for refused in [tenants, providers] {
        assert_eq!((refused.kind, refused.retry_after), (FailureKind::Throttled, Some(SECOND)));
    }
    hung.into_iter().for_each(|task| task.abort());
}

#[tokio::test]
async fn signatures_have_places_however_many_keys_are_being_made() {
    let options = HostOptions { tenant_in_flight: 4, wait: Duration::ZERO, ..HostOptions::default() };
    let bench = Bench::with(options);
    bench.custody.hangs.store(true, Ordering::Relaxed);
    let waiting = bench.hostile("behave").await;
    let make = || {
        let provider = Arc::clone(&waiting.provider);
        tokio::spawn(async move { provider.create_key(call("a"), create()).await })
    };
    let making: Vec<_> = std::iter::repeat_with(make).take(4).collect();
    custody_has_been_asked(&bench, 2).await;

    let signing = hang(&waiting, "a");
    custody_has_been_asked(&bench, 3).await;

    let (done, going): (Vec<_>, Vec<_>) = making.into_iter().partition(|making| making.is_finished());
    assert_eq!((done.len(), going.len()), (2, 2));
    for refused in done {
        assert_eq!(refused.await.unwrap().unwrap_err().message, "bound `tenant-in-flight` was hit");
    }
    assert!(!signing.is_finished());
    going.into_iter().for_each(|task| task.abort());
    signing.abort();
}

#[tokio::test]
async fn a_host_without_room_for_another_instance_is_unavailable() {
    let bench = Bench::with(HostOptions { instances: 1, ..HostOptions::default() });
    let waiting = bench.hostile("behave").await;
    bench.custody.hangs.store(true, Ordering::Relaxed);
    let hung = hang(&waiting, "a");
    custody_has_been_asked(&bench, 1).await;

    let refused = waiting.provider.sign(call("b"), sign()).await.unwrap_err();

    assert_eq!((refused.kind, refused.retry_after), (FailureKind::Unavailable, Some(SECOND)));
    assert_eq!(refused.message, "bound `instances` was hit");
    hung.abort();
}

#[tokio::test]
async fn idle_instances_make_room_for_those_that_are_needed() {
    let bench = Bench::with(HostOptions { instances: 2, ..HostOptions::default() });
    let idle = bench.load(Source { instances: Instances::REUSE, ..hostile("behave") }).await;
    let busy = bench.hostile("behave").await;
    idle.provider.sign(call("a"), sign()).await.unwrap();
    bench.custody.hangs.store(true, Ordering::Relaxed);
    let hung = hang(&busy, "a");
    custody_has_been_asked(&bench, 2).await;

    bench.custody.hangs.store(false, Ordering::Relaxed);
    assert_eq!(busy.provider.sign(call("b"), sign()).await.unwrap(), SIGNATURE);
    hung.abort();
}

#[tokio::test]
async fn guests_of_outsiders_run_at_a_lower_priority() {
    let bench = Bench::new();

    for (trusted, policy) in [(false, SCHED_IDLE), (true, SCHED_OTHER)] {
        let loaded = bench.load(Source { trusted, ..hostile("behave") }).await;
        loaded.provider.sign(call("a"), sign()).await.unwrap();

        assert_eq!(bench.custody.policy(), policy);
    }
}

async fn called(loaded: &Loaded, export: &str) -> Result<(), keyport_core::Failure> {
    let provider = &loaded.provider;
    match export {
        "create-key" => provider.create_key(call("a"), create()).await.map(drop),
        "destroy-key" => provider.destroy_key(call("a"), key()).await,
        "health" => provider.health(call("a")).await,
        "import-key" => provider.import_key(call("a"), import()).await.map(drop),
        "public-key" => provider.public_key(call("a"), key()).await.map(drop),
        "sign" => provider.sign(call("a"), sign()).await.map(drop),
        _ => panic!("no export {export}"),
    }
}

fn hang(loaded: &Loaded, tenant: &'static str) -> tokio::task::JoinHandle<()> {
    let loaded = loaded.clone();

    tokio::spawn(async move { drop(loaded.provider.sign(call(tenant), sign()).await) })
}

async fn custody_has_been_asked(bench: &Bench, times: usize) {
    let asked = async {
        while bench.custody.asked().len() < times {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };

    timeout(Duration::from_secs(60), asked).await.unwrap();
}

const SECOND: Duration = Duration::from_secs(1);

/// Scheduling policies (linux/sched.h).
const SCHED_OTHER: i64 = 0;
const SCHED_IDLE: i64 = 5;
