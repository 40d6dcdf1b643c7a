//! `kill -9` of the gateway while it makes and destroys keys in transit.

use keyport_stand_ins::{Fault, StandIn};

use super::bao::Bao;
use super::keys::plan;
use super::relay::Relay;
use crate::harness::killed::Lives;
use crate::harness::{Gateway, Site};

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_that_is_killed_while_it_makes_a_key_leaves_none_in_the_engine() {
    let Some(bao) = Bao::new().await else { return };
    let (relay, site) = staged(&bao);

    let moments = vec![(MAKE, Fault::HangAfter), (MAKE, Fault::HangAfter)];
    lives(&bao, &relay, &site).make_nothing_that_stays(moments).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_that_is_killed_while_it_destroys_a_key_leaves_none_in_the_engine() {
    let Some(bao) = Bao::new().await else { return };
    let (relay, site) = staged(&bao);

    let moments = vec![
        (ALLOW, Fault::HangBefore),
        (ALLOW, Fault::HangAfter),
        (DELETE, Fault::HangBefore),
        (DELETE, Fault::HangAfter),
    ];
    lives(&bao, &relay, &site).destroy_what_they_began_to(moments).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_the_engine_makes_after_the_gateway_was_killed_is_deleted() {
    let Some(bao) = Bao::new().await else { return };
    let (relay, site) = staged(&bao);

    lives(&bao, &relay, &site).find_what_comes_late(MAKE).await;
}

/// A gateway on a server that it reaches by what stands before it.
fn staged(bao: &Bao) -> (StandIn<Relay>, Site) {
    let relay = Relay::before(bao);
    let connection = bao.connection("").replace(&bao.address, &relay.address.to_string());

    (relay, Site::new(&plan(&connection, "")))
}

fn lives<'a>(
    bao: &'a Bao,
    relay: &'a StandIn<Relay>,
    site: &'a Site,
) -> Lives<'a, Relay, impl AsyncFn() -> Gateway, impl AsyncFn() -> usize> {
    Lives {
        custodian: relay,
        start: async || site.start().await,
        alive: async || bao.keys().await.len(),
        caller: "acme",
        data: site.data(),
    }
}

const MAKE: &str = "POST /v1/transit/keys/";
const ALLOW: &str = "/config";
const DELETE: &str = "DELETE /v1/transit/keys/";
