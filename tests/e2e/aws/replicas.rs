//! A key in two regions: the connection to one is asked, the connection to the other takes over.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use keyport_stand_ins::Fault;
use keyport_stand_ins::aws::{ACCESS_KEY, Key, REGION, SECRET, StandIn, State, refusal};
use serde_json::Value;

use crate::harness::api::{Api, tenant};
use crate::harness::load::{Load, are_signatures};
use crate::harness::{Gateway, Plan, Site, entries, eventually};

#[tokio::test(flavor = "multi_thread")]
async fn a_key_is_registered_where_both_regions_have_it() {
    let regions = Regions::new();
    let key = regions.add();
    let gateway = regions.site.start().await;
    let api = Api::of(&gateway, "acme");

    api.ask_to_register("a", &key.arn).await.expect(400);
    let mut another = regions.add();
    (another.id, another.arn) = (key.id.clone(), key.replica(WEST).arn);
    regions.west.keys().add(another);
    api.ask_to_register("a", &key.arn).await.expect(400);

    regions.west.keys().remove(&key.id);
    regions.west.keys().add(key.replica(WEST));
    api.sign(&api.register("a", &key.arn).await).await;
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
    let regions = Regions::new();
    let (gateway, key) = regions.serve().await;
    let load = Load::start(&Api::of(&gateway, "acme"), &key, CLIENTS);

    regions.sign_in(&regions.central).await;
    go(&regions.central).await;
    regions.sign_in(&regions.west).await;
    come_back(&regions.central);
    regions.sign_in(&regions.central).await;

    are_signatures(&load.end().await);
    gateway.stop().await;
    regions.events_say_who_signed();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_that_starts_while_a_region_is_away_signs_in_the_other() {
    let regions = Regions::new();
    let (gateway, key) = regions.serve().await;
    gateway.stop().await;

    regions.central.go_away().await;
    let gateway = regions.site.start().await;
    Api::of(&gateway, "acme").sign(&key).await;

    assert_eq!(regions.west.count("Sign"), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_is_made_here_is_replicated_by_its_operator_and_deleted_everywhere() {
    let regions = Regions::new();
    let gateway = regions.site.start().await;
    let api = Api::of(&gateway, "acme");
    let key = api.create("a", "ec-p256").await;
    let made = regions.central.keys().all()[0].clone();
    assert!(made.multi_region && made.id.starts_with("mrk-"));

    regions.central.go_away().await;
    api.ask_to_sign("a").await.expect(503);
    regions.west.keys().add(made.replica(WEST));
    api.sign(&key).await;
    regions.central.come_back();

    api.release("a").await;
    for region in [&regions.west, &regions.central] {
        eventually("the key's deletion to be scheduled", async || {
            (region.keys().all()[0].state == State::PendingDeletion).then_some(())
        })
        .await;
    }
}

/// The services in two regions, and the folder of a gateway with a connection to each.
struct Regions {
    central: StandIn,
    west: StandIn,
    site: Site,
}

impl Regions {
    fn new() -> Self {
        let (central, west) = (StandIn::start(), StandIn::start_in(WEST));
        let connections = [
            connection("kms", REGION, &central, "replicas = [\"west\"]\n"),
            connection("west", WEST, &west, ""),
        ];
        let others = [PROVIDER.to_owned(), tenant("acme", "kms"), "[contract.v1]\n".to_owned()];
        let site = Site::new(&Plan::of(connections.into_iter().chain(others)));
        site.write("secret", SECRET);
        fs::set_permissions(site.path("secret"), fs::Permissions::from_mode(0o600)).expect("its mode");

        Self { central, west, site }
    }

    /// Makes a key in the first region that no gateway made.
    fn add(&self) -> Key {
        let key = Key::new(REGION, "ECC_NIST_P256", true);
        self.central.keys().add(key.clone());

        key
    }

    /// A gateway with the key `a`, which both regions have.
    async fn serve(&self) -> (Gateway, Value) {
        let key = self.add();
        self.west.keys().add(key.replica(WEST));
        let gateway = self.site.start().await;
        let key = Api::of(&gateway, "acme").register("a", &key.arn).await;

        (gateway, key)
    }

    /// Waits until a region signed so often again that nobody waits for another one any more.
    async fn sign_in(&self, region: &StandIn) {
        let before = region.count("Sign");

        eventually("signatures in a region", async || {
            (region.count("Sign") >= before + ENOUGH).then_some(())
        })
        .await;
    }

    fn events_say_who_signed(&self) {
        let entries = entries(&self.site.data());
        let by_west = entries.iter().filter(|entry| entry.text("detail") == "signed by replica `west`");

        assert_eq!(by_west.count(), self.west.count("Sign"));
    }
}

fn connection(name: &str, region: &str, stand_in: &StandIn, more: &str) -> String {
    let url = stand_in.url();

    format!(
        "[[connection]]\nname = \"{name}\"\nkind = \"aws\"\nregion = \"{region}\"\nprefix = \"keyport\"\n\
         multi-region = true\nsettling = \"0s\"\nendpoint = \"{url}\"\nsts-endpoint = \"{url}\"\ntagging-endpoint = \"{url}\"\n\
         credentials = {{ access-key-id = \"{ACCESS_KEY}\", file = \"secret\" }}\n{more}"
    )
}

const PROVIDER: &str = "[[provider]]\nname = \"kms\"\ncomponent = \"builtin:aws-kms\"\n\n[[provider.grant]]\n\
    connection = \"kms\"\nuses = [\"generate\", \"public-key\", \"sign\", \"destroy\"]\nobjects = [\"arn:*\"]\n";
const WEST: &str = "eu-west-1";
const CLIENTS: usize = 8;
/// More signatures than clients have on their way.
const ENOUGH: usize = 4 * CLIENTS;
