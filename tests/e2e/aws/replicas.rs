//! A key in two regions: the connection to one is asked, the connection to the other takes over.

use keyport_stand_ins::Fault;
use keyport_stand_ins::aws::{ACCESS_KEY, Account, Key, REGION, SECRET, StandIn, refusal};

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
    regions().miss_no_signature_between(StandIn::go_away, StandIn::come_back).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_signature_is_missed_while_a_region_has_too_many_requests() {
    let busy = || refusal(400, "ThrottlingException", "Rate exceeded");
    for busy in [busy(), busy().with("retry-after", "2")] {
        let refuse = async |region: &StandIn| region.faults().always("Sign", Fault::Answer(busy));
        regions().miss_no_signature_between(refuse, |region| region.faults().clear()).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_signature_is_missed_while_a_region_is_silent() {
    let hang = async |region: &StandIn| region.faults().always("Sign", Fault::HangBefore);

    regions().miss_no_signature_between(hang, |region| region.faults().clear()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_that_starts_while_a_region_is_away_signs_in_the_other() {
    regions().start_without_the_first().await;
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

    fn is_signature(call: &str) -> bool {
        call == "Sign"
    }
}

const WEST: &str = "eu-west-1";
