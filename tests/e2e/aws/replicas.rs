//! A key in two regions: the connection to one is asked, the connection to the other takes over.

use keyport_stand_ins::Fault;
use keyport_stand_ins::aws::{ACCESS_KEY, Account, Key, REGION, SECRET, StandIn, refusal};
use serde_json::Value;

use crate::harness::api::Api;
use crate::harness::load::{Load, are_signatures};
use crate::harness::{Gateway, eventually};
use crate::replicas::{Held, Pair};

#[tokio::test(flavor = "multi_thread")]
async fn a_key_is_registered_where_both_regions_have_it_and_either_signs() {
    regions().serve_a_key_that_both_have().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_is_made_here_is_replicated_by_its_operator_and_deleted_and_restored_everywhere() {
    regions().destroy_a_key_in_both().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_signature_is_missed_while_a_region_cannot_be_reached() {
    no_signature_is_missed_between(StandIn::go_away, StandIn::come_back).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_signature_is_missed_while_a_region_has_too_many_requests() {
    let busy = || refusal(400, "ThrottlingException", "Rate exceeded");
    for busy in [busy(), busy().with("retry-after", "2")] {
        let refuse = async |region: &StandIn| region.faults().always("Sign", Fault::Answer(busy));
        no_signature_is_missed_between(refuse, |region| region.faults().clear()).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_signature_is_missed_while_a_region_is_silent() {
    let hang = async |region: &StandIn| region.faults().always("Sign", Fault::HangBefore);

    no_signature_is_missed_between(hang, |region| region.faults().clear()).await;
}

/// Lets the first region go and come back under load.
async fn no_signature_is_missed_between(go: impl AsyncFnOnce(&StandIn), come_back: impl FnOnce(&StandIn)) {
    let regions = regions();
    let (gateway, key) = serve(&regions).await;
    let load = Load::start(&Api::of(&gateway, "acme"), &key, CLIENTS);

    sign_in(&regions.first).await;
    go(&regions.first).await;
    sign_in(&regions.second).await;
    come_back(&regions.first);
    sign_in(&regions.first).await;

    are_signatures(&load.end().await);
    gateway.stop().await;
    assert_eq!(regions.signed_by_the_second(), regions.second.count("Sign"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_that_starts_while_a_region_is_away_signs_in_the_other() {
    let regions = regions();
    let (gateway, key) = serve(&regions).await;
    gateway.stop().await;

    regions.first.go_away().await;
    let gateway = regions.site.start().await;
    Api::of(&gateway, "acme").sign(&key).await;

    assert_eq!(regions.second.count("Sign"), 1);
}

fn regions() -> Pair<Account> {
    Pair::new([region(REGION), region(WEST)], SECRET)
}

/// The services in a region, and the way to them.
fn region(region: &str) -> (StandIn, String) {
    let services = StandIn::start_in(region);
    let url = services.url();
    let way = format!(
        "kind = \"aws\"\nregion = \"{region}\"\nprefix = \"keyport\"\nmulti-region = true\nsettling = \"0s\"\n\
         endpoint = \"{url}\"\nsts-endpoint = \"{url}\"\ntagging-endpoint = \"{url}\"\n\
         credentials = {{ access-key-id = \"{ACCESS_KEY}\", file = \"secret\" }}\n"
    );

    (services, way)
}

/// A gateway with the key `a`, which both regions have.
async fn serve(regions: &Pair<Account>) -> (Gateway, Value) {
    let object = regions.first.add();
    regions.second.copy(&regions.first);
    let gateway = regions.site.start().await;
    let key = Api::of(&gateway, "acme").register("a", &object).await;

    (gateway, key)
}

/// Waits until a region signed so often again that nobody waits for another one any more.
async fn sign_in(region: &StandIn) {
    let before = region.count("Sign");

    eventually("signatures in a region", async || (region.count("Sign") >= before + ENOUGH).then_some(()))
        .await;
}

impl Held for Account {
    const PROVIDER: &str = "aws-kms";

    fn add(&self) -> String {
        let key = Key::new(REGION, "ECC_NIST_P256", true);
        self.keys().add(key.clone());

        key.arn
    }

    fn copy(&self, first: &Self) {
        for key in first.keys().all() {
            self.keys().remove(&key.id);
            self.keys().add(key.replica(WEST));
        }
    }

    fn mistake(&self, first: &Self) {
        for key in first.keys().all() {
            let mut another = Key::new(WEST, "ECC_NIST_P256", true);
            (another.id, another.arn) = (key.id.clone(), key.replica(WEST).arn);
            self.keys().add(another);
        }
    }

    fn alive(&self) -> usize {
        self.keys().alive()
    }
}

const WEST: &str = "eu-west-1";
const CLIENTS: usize = 8;
/// More signatures than clients have on their way.
const ENOUGH: usize = 4 * CLIENTS;
