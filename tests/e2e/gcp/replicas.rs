//! A key in two rings, which it was imported into.

use keyport_stand_ins::gcp::{Kms, StandIn, key_file};

use super::RING;
use crate::backend::UNHURRIED;
use crate::replicas::{Held, Pair};

#[tokio::test(flavor = "multi_thread")]
async fn a_key_is_registered_where_both_rings_have_it_and_either_signs() {
    rings().serve_a_key_that_both_have().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_both_rings_have_is_destroyed_and_restored_in_both() {
    rings().destroy_a_key_in_both().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_signature_is_missed_while_a_ring_cannot_be_reached() {
    rings().miss_no_signature_between(StandIn::go_away, StandIn::come_back).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_that_starts_while_a_ring_is_away_signs_in_the_other() {
    rings().start_without_the_first().await;
}

fn rings() -> Pair<Kms> {
    Pair::new([RING, SECOND].map(kms), &key_file().to_string())
}

/// A service with a ring, and the way to it.
fn kms(ring: &str) -> (StandIn, String) {
    let kms = StandIn::start();
    let way = format!(
        "kind = \"gcp\"\nkey-ring = \"{ring}\"\nendpoint = \"{}\"\n{UNHURRIED}credentials = {{ file = \"secret\" }}\n",
        kms.url()
    );

    (kms, way)
}

impl Held for Kms {
    const PROVIDER: &str = "gcp-kms";

    fn add(&self) -> String {
        Self::add(self, RING, "ca");

        format!("{RING}/cryptoKeys/ca/cryptoKeyVersions/1")
    }

    fn copy(&self, first: &Self) {
        self.import(SECOND, first);
    }

    fn mistake(&self, first: &Self) {
        for name in first.keys.lock().unwrap().keys() {
            let (_, id) = name.rsplit_once('/').expect("a name has parts");
            Self::add(self, SECOND, id);
        }
    }

    fn alive(&self) -> usize {
        self.states().iter().filter(|state| **state == "ENABLED").count()
    }

    fn is_signature(call: &str) -> bool {
        call.ends_with(":asymmetricSign")
    }
}

const SECOND: &str = "projects/acme/locations/europe-west4/keyRings/spare";
