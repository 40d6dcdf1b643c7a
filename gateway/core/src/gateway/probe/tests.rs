//! Providers that are asked how they are, beside one whose custodian is not well.

use std::sync::Arc;
use std::time::Duration;

use super::ProviderHealth;
use crate::failure::FailureKind;
use crate::testing::{TestToken, World};

/// The ids of a provider that comes before the other one, and of one that comes after it.
const EITHER_SIDE: [u64; 2] = [3, 9];

#[tokio::test]
async fn a_custodian_that_hangs_keeps_nobody_from_saying_how_others_are() {
    for id in EITHER_SIDE {
        let (world, hanging) = beside(id);
        let musing = hanging.musing.lock().await;
        let gateway = Arc::clone(&world.gateway);
        let round = tokio::spawn(async move { gateway.probe().await });

        until(|| health(&world, "test").is_some()).await;
        assert_eq!(health(&world, "test").unwrap().error, None);
        assert!(
            health(&world, "stand-in").is_none() && !round.is_finished(),
            "{id}: it was asked, and hangs"
        );
        drop(musing);
        round.await.unwrap();
        assert_eq!(health(&world, "stand-in").unwrap().error, None);
    }
}

#[tokio::test]
async fn a_custodian_that_fails_makes_its_own_provider_unwell_and_no_other() {
    for id in EITHER_SIDE {
        let (world, failing) = beside(id);
        *failing.failing.lock().unwrap() = Some(FailureKind::Unavailable);
        world.gateway.probe().await;

        assert_eq!(health(&world, "test").unwrap().error, None, "{id}");
        assert!(health(&world, "stand-in").unwrap().error.unwrap().contains("told to fail"), "{id}");
        let checked = health(&world, "test").unwrap().checked;
        *failing.failing.lock().unwrap() = None;
        world.clock.advance(Duration::from_secs(1));
        world.gateway.probe().await;
        assert_eq!(health(&world, "stand-in").unwrap().error, None, "{id}");
        assert!(health(&world, "test").unwrap().checked > checked, "each is asked again in each round");
    }
}

/// A gateway whose second provider has this id, and that one's custodian.
fn beside(id: u64) -> (World, Arc<TestToken>) {
    let (world, token) = World::replicated();
    world.serve_by_another(id, "stand-in");

    (world, token)
}

/// What the last probe of a provider said.
fn health(world: &World, name: &str) -> Option<ProviderHealth> {
    let providers = world.gateway.readiness().providers;

    providers.into_iter().find(|health| health.name.as_str() == name)
}

async fn until(is_so: impl Fn() -> bool) {
    let wait = async {
        while !is_so() {
            tokio::task::yield_now().await;
        }
    };

    tokio::time::timeout(Duration::from_secs(30), wait).await.expect("it comes in time");
}
