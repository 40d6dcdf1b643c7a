//! Two services that hold the same keys: the connection to the first is asked, the connection to the second takes over. What
//! holds of every kind of them.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use keyport_stand_ins::{Service, StandIn};
use serde_json::{Value, json};

use crate::harness::api::{Api, tenant};
use crate::harness::load::{Load, are_signatures};
use crate::harness::{Gateway, Plan, Site, entries, eventually};

/// What operators do where keys are held.
pub(crate) trait Held: Service {
    /// What the provider is that is granted the first connection.
    const PROVIDER: &str;

    /// Puts a key of type `ec-p256` there that no gateway made; what it is called.
    fn add(&self) -> String;

    /// Copies every key of `first` here.
    fn copy(&self, first: &Self);

    /// Puts another key here under each name that a key of `first` would have here.
    fn mistake(&self, first: &Self);

    /// How many keys there are that are not destroyed.
    fn alive(&self) -> usize;

    /// Whether a call asks for a signature.
    fn is_signature(call: &str) -> bool;
}

/// The services, and the folder of a gateway with a connection to each.
pub(crate) struct Pair<S> {
    pub(crate) first: StandIn<S>,
    pub(crate) second: StandIn<S>,
    pub(crate) site: Site,
}

impl<S: Held> Pair<S> {
    /// Services with what is configured of the connection to each, but for its name. `secret` is in a file of that name.
    pub(crate) fn new(
        [(first, to_first), (second, to_second)]: [(StandIn<S>, String); 2],
        secret: &str,
    ) -> Self {
        let provider = format!(
            "[[provider]]\nname = \"kms\"\ncomponent = \"builtin:{}\"\n\n[[provider.grant]]\nconnection = \"first\"\n\
             uses = [\"generate\", \"public-key\", \"sign\", \"destroy\"]\nobjects = [\"*\"]\n",
            S::PROVIDER
        );
        let site = Site::new(&Plan::of([
            format!("[[connection]]\nname = \"first\"\nreplicas = [\"second\"]\n{to_first}"),
            format!("[[connection]]\nname = \"second\"\n{to_second}"),
            provider,
            tenant("acme", "kms"),
            "[contract.v1]\n".to_owned(),
        ]));
        site.write("secret", secret);
        fs::set_permissions(site.path("secret"), fs::Permissions::from_mode(0o600)).expect("its mode");

        Self { first, second, site }
    }

    /// A key that is there already is registered where both services have it, and signed with in either, and stays.
    pub(crate) async fn serve_a_key_that_both_have(&self) {
        let object = self.first.add();
        let gateway = self.site.start().await;
        let api = Api::of(&gateway, "acme");
        api.ask_to_register("a", &object).await.expect(400);
        self.second.mistake(&self.first);
        api.ask_to_register("a", &object).await.expect(400);

        self.second.copy(&self.first);
        let key = api.register("a", &object).await;
        api.sign(&key).await;
        assert_eq!(self.signed_by_the_second(), 0);
        self.first.go_away().await;
        api.sign(&key).await;
        assert_eq!(self.signed_by_the_second(), 1);

        self.first.come_back();
        api.release("a").await;
        self.is_recorded("destroy").await;
        assert_eq!((self.first.alive(), self.second.alive()), (1, 1));
    }

    /// A key that the gateway made takes part once an operator has copied it; it is destroyed and restored in both.
    pub(crate) async fn destroy_a_key_in_both(&self) {
        let gateway = self.site.start().await;
        let api = Api::of(&gateway, "acme");
        let key = api.create("a", "ec-p256").await;
        self.first.go_away().await;
        api.ask_to_sign("a").await.expect(503);
        self.second.copy(&self.first);
        api.sign(&key).await;
        self.first.come_back();

        api.release("a").await;
        self.is_recorded("destroy").await;
        assert_eq!((self.first.alive(), self.second.alive()), (0, 0));
        let restored = api.0.post_when_there("/keys/a/restore", &json!({ "id": key["id"] })).await;
        restored.expect(200);
        assert_eq!((self.first.alive(), self.second.alive()), (1, 1));
        api.sign(&key).await;
        self.first.go_away().await;
        api.sign(&key).await;
        assert_eq!(self.signed_by_the_second(), 2);
    }

    /// Every signature is made while the first service goes and comes back under load.
    pub(crate) async fn miss_no_signature_between(
        &self,
        go: impl AsyncFnOnce(&StandIn<S>),
        come_back: impl FnOnce(&StandIn<S>),
    ) {
        let (gateway, key) = self.serve().await;
        let load = Load::start(&Api::of(&gateway, "acme"), &key, CLIENTS);

        signs(&self.first).await;
        go(&self.first).await;
        signs(&self.second).await;
        come_back(&self.first);
        signs(&self.first).await;

        are_signatures(&load.end().await);
        gateway.stop().await;
        assert_eq!(self.signed_by_the_second(), signatures(&self.second));
    }

    /// A gateway that starts while the first service is away has the second one sign.
    pub(crate) async fn start_without_the_first(&self) {
        let (gateway, key) = self.serve().await;
        gateway.stop().await;

        self.first.go_away().await;
        let gateway = self.site.start().await;
        Api::of(&gateway, "acme").sign(&key).await;

        assert_eq!(signatures(&self.second), 1);
    }

    /// A gateway with the key `a`, which both services have.
    async fn serve(&self) -> (Gateway, Value) {
        let object = self.first.add();
        self.second.copy(&self.first);
        let gateway = self.site.start().await;
        let key = Api::of(&gateway, "acme").register("a", &object).await;

        (gateway, key)
    }

    /// How many signatures the log says are the second service's.
    fn signed_by_the_second(&self) -> usize {
        let entries = entries(&self.site.data());

        entries.iter().filter(|entry| entry.text("detail") == "signed by replica `second`").count()
    }

    async fn is_recorded(&self, operation: &str) {
        let is_done = || entries(&self.site.data()).iter().any(|entry| entry.is(operation, "ok"));

        eventually(operation, async || is_done().then_some(())).await;
    }
}

/// Waits until a service signed so often again that nobody waits for another one any more.
async fn signs<S: Held>(service: &StandIn<S>) {
    let before = signatures(service);

    eventually("signatures", async || (signatures(service) >= before + ENOUGH).then_some(())).await;
}

fn signatures<S: Held>(service: &StandIn<S>) -> usize {
    service.heard().iter().filter(|call| S::is_signature(call)).count()
}

const CLIENTS: usize = 8;
/// More signatures than clients have on their way.
const ENOUGH: usize = 4 * CLIENTS;
