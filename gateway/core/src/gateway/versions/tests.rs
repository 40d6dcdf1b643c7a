//! A newer version takes over, serves a share, and goes back.

use std::sync::Arc;

use super::{Versions, Watch};
use crate::audit::Operation;
use crate::failure::FailureKind;
use crate::gateway::{OnDuplicate, Unfit};
use crate::outside::Clock;
use crate::provider::Loaded;
use crate::scheme::KeyType;
use crate::testing::{Conduct, World, key_name, served_by};

/// A world with a key, whose provider has a newer version.
struct Stage {
    world: World,
    newer: Arc<Loaded>,
    versions: Arc<Versions>,
}

impl Stage {
    async fn new(conduct: Conduct, weight: u8) -> Self {
        let world = World::new();
        world.create("a", OnDuplicate::Conflict).await.unwrap();
        let newer = world.version(8, conduct);
        let (serving, _) = world.gateway.providers(&world.caller.tenant).remove(0);
        let before = Versions::of(Loaded::clone(&serving));
        let versions = before.followed(newer.clone(), weight, Watch::default(), world.clock.now());
        world.serve(&versions);

        Self { world, newer, versions }
    }

    /// How many of so many signatures do not come about.
    async fn failures(&self, signatures: usize) -> usize {
        let mut failures = 0;
        for _ in 0..signatures {
            failures += usize::from(self.world.sign("a").await.is_err());
        }
        failures
    }

    async fn rehearse(&self, key: Option<&str>) -> Result<(), Unfit> {
        let probe = key.map(|key| (self.world.caller.tenant.clone(), key_name(key)));
        let deadline = self.world.context().deadline;
        let (serving, _) = self.world.gateway.providers(&self.world.caller.tenant).remove(0);

        self.world.gateway.rehearse(&self.newer, &serving, probe.as_ref(), deadline).await
    }
}

#[tokio::test]
async fn a_newer_version_serves_every_call_until_it_is_withdrawn() {
    let stage = Stage::new(Conduct::Fails(FailureKind::Internal), 100).await;
    assert!(stage.world.sign("a").await.is_err());

    let withdrawn = stage.versions.withdraw().unwrap();
    assert_eq!((withdrawn.newer.id.0, withdrawn.established.id.0), (8, 7));
    assert_eq!(stage.failures(3).await, 0);
    assert!(stage.versions.withdraw().is_none());

    stage.versions.readmit(stage.world.clock.now()).unwrap();
    assert!(stage.world.sign("a").await.is_err());
    assert!(stage.versions.readmit(stage.world.clock.now()).is_none());
}

#[tokio::test]
async fn a_version_that_fails_too_often_is_withdrawn_and_the_log_says_so() {
    let stage = Stage::new(Conduct::Forges, 100).await;

    assert_eq!(stage.failures(20).await, 5);
    tokio::task::yield_now().await;
    assert_eq!(stage.world.events(Operation::Configure), ["ok"]);
    let events = stage.world.audit.events.lock().unwrap().clone();
    let event = events.iter().find(|event| event.operation == Operation::Configure).unwrap();
    assert!(event.detail.as_ref().unwrap().contains("failed too often"), "{event:?}");
    assert_eq!(event.component.as_ref(), Some(&stage.versions.serving().component));
}

#[tokio::test]
async fn a_version_is_watched_in_its_first_minutes_only() {
    let stage = Stage::new(Conduct::Honest, 100).await;
    assert_eq!(stage.failures(3).await, 0);
    stage.world.clock.advance(Watch::default().window);

    let failing = stage.world.version(9, Conduct::Forges);
    let later = stage.versions.followed(failing, 100, Watch::default(), stage.world.clock.now());
    stage.world.clock.advance(Watch::default().window);
    stage.world.serve(&later);
    assert_eq!(stage.failures(20).await, 20);
}

#[tokio::test]
async fn what_a_custodian_or_a_caller_does_wrong_is_not_the_versions_fault() {
    let stage = Stage::new(Conduct::Honest, 100).await;
    stage.world.backend.objects.lock().unwrap().clear();

    assert_eq!(stage.failures(20).await, 20);
    for _ in 0..20 {
        assert!(stage.world.sign("unknown").await.is_err());
    }
    assert_eq!(stage.versions.serving().id.0, 8);
}

#[tokio::test]
async fn a_canary_gets_its_share_and_is_watched_as_long_as_it_is_one() {
    let stage = Stage::new(Conduct::Forges, 10).await;
    stage.world.clock.advance(Watch::default().window * 3);
    assert_eq!(stage.versions.serving().id.0, 7);

    assert_eq!(stage.failures(40).await, 4);
    assert_eq!(stage.failures(100).await, 1);
    assert_eq!(stage.failures(100).await, 0);
}

#[test]
fn any_hundred_calls_in_a_row_have_a_canarys_share() {
    let world =
        tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async { World::new() });
    let newer = world.version(8, Conduct::Honest);
    for weight in 1..100 {
        let before = Versions::of(Loaded::clone(&newer));
        let versions =
            before.followed(world.version(9, Conduct::Honest), weight, Watch::default(), world.clock.now());
        let picked = (0..100).filter(|_| versions.pick().id.0 == 9).count();
        assert_eq!(picked, usize::from(weight));
    }
}

#[tokio::test]
async fn a_call_that_has_begun_ends_on_the_version_that_it_began_with() {
    let stage = Stage::new(Conduct::Honest, 100).await;
    let gate = stage.world.backend.gate.lock().await;

    let calling = stage.world.create("b", OnDuplicate::Conflict);
    let swapped = async {
        tokio::task::yield_now().await;
        stage.versions.withdraw().unwrap();
        drop(gate);
    };
    let (created, ()) = tokio::join!(calling, swapped);
    created.unwrap();
    let events = stage.world.audit.events.lock().unwrap().clone();
    let created = events.iter().rfind(|event| event.operation == Operation::Create).unwrap();
    assert_eq!(created.component.as_ref(), Some(&stage.newer.component));
}

#[tokio::test]
async fn a_version_signs_with_the_probe_key_before_it_serves_and_the_log_has_it() {
    let stage = Stage::new(Conduct::Honest, 100).await;

    stage.rehearse(Some("a")).await.unwrap();
    assert_eq!(stage.world.events(Operation::Sign), ["ok"]);
    let missing = stage.rehearse(Some("b")).await.unwrap_err().to_string();
    assert!(missing.contains("`b` of tenant `acme`: no such key"), "{missing}");
}

#[tokio::test]
async fn a_version_that_does_not_sign_with_the_probe_key_is_unfit() {
    for (conduct, event) in [
        (Conduct::Forges, "failed:internal"),
        (Conduct::Fails(FailureKind::Internal), "failed:internal"),
        (Conduct::OutsideOperation, "failed:misconfigured"),
    ] {
        let stage = Stage::new(conduct, 100).await;

        assert!(matches!(stage.rehearse(Some("a")).await, Err(Unfit::Probe { .. })));
        assert_eq!(stage.world.events(Operation::Sign), [event]);
    }
}

#[tokio::test]
async fn an_ill_version_is_unfit_unless_the_one_that_serves_is_ill_too() {
    let stage = Stage::new(Conduct::Honest, 100).await;
    stage.versions.withdraw();
    stage.world.gateway.probe().await;
    *stage.world.backend.failing.lock().unwrap() = Some(FailureKind::Unavailable);
    assert!(matches!(stage.rehearse(None).await, Err(Unfit::Ill(_))));

    stage.world.gateway.probe().await;
    stage.rehearse(None).await.unwrap();
}

#[tokio::test]
async fn a_version_that_does_not_offer_a_live_keys_type_strands_it() {
    let stage = Stage::new(Conduct::Honest, 100).await;
    let mut newer = Loaded::clone(&stage.newer);
    newer.descriptor.offers.retain(|(key_type, _)| *key_type != KeyType::EcP256);
    let versions = stage.versions.followed(Arc::new(newer), 10, Watch::default(), stage.world.clock.now());

    let stranded = stage.world.gateway.stranded(&served_by(&versions)).await.unwrap();
    let words: Vec<_> = stranded.iter().map(ToString::to_string).collect();
    assert_eq!(
        words,
        ["tenant `acme` has 1 keys of type ec-p256, which a version of provider `test` does not offer"]
    );
}
