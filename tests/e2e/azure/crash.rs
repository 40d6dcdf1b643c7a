//! `kill -9` of the gateway while it makes and destroys keys in a vault.

use keyport_stand_ins::Fault;
use keyport_stand_ins::azure::{StandIn, Vault};

use super::{serve, staged};
use crate::harness::killed::Lives;
use crate::harness::{Gateway, Site};

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_that_is_killed_while_it_makes_a_key_leaves_none_in_the_vault() {
    let (site, stand_in) = staged();

    let moments = vec![(MAKE, Fault::HangAfter), ("/versions", Fault::HangBefore)];
    lives(&site, &stand_in).make_nothing_that_stays(moments).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_that_is_killed_while_it_destroys_a_key_leaves_none_in_the_vault() {
    let (site, stand_in) = staged();

    let moments = vec![("DELETE", Fault::HangBefore), ("DELETE", Fault::HangAfter)];
    lives(&site, &stand_in).destroy_what_they_began_to(moments).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_the_vault_makes_after_the_gateway_was_killed_is_deleted() {
    let (site, stand_in) = staged();

    lives(&site, &stand_in).find_what_comes_late(MAKE).await;
}

fn lives<'a>(
    site: &'a Site,
    stand_in: &'a StandIn,
) -> Lives<'a, Vault, impl AsyncFn() -> Gateway, impl AsyncFn() -> usize> {
    Lives {
        custodian: stand_in,
        start: async || serve(site, stand_in).await.unwrap_or_else(|ended| panic!("no start: {ended:#?}")),
        alive: async || stand_in.versions().len(),
        caller: "program",
        data: site.path("keyport-data"),
    }
}

const MAKE: &str = "/create";
