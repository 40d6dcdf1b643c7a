//! `kill -9` of a gateway in the middle of a call to its custodian, and what is left of that.

use std::collections::BTreeSet;
use std::path::PathBuf;

use hyper::Method;
use keyport_core::key::State;
use keyport_stand_ins::{Fault, Faults, Service, StandIn};
use serde_json::Value;

use super::api::{Api, text};
use super::{Gateway, Stored, destroyed, entries, eventually, keyport, within};

/// A gateway that has one life after another, and the service that has its keys.
pub(crate) struct Lives<'a, S, G, A> {
    /// Where its calls come by.
    pub(crate) custodian: &'a StandIn<S>,
    /// Starts it.
    pub(crate) start: G,
    /// How many keys are alive at the custodian.
    pub(crate) alive: A,
    /// Who has a caller that may do everything: see [`super::token_of`].
    pub(crate) caller: &'static str,
    /// The data folder.
    pub(crate) data: PathBuf,
}

/// The call at which it is killed, and what becomes of that.
pub(crate) type Moment = (&'static str, Fault);

impl<S: Service, G: AsyncFn() -> Gateway, A: AsyncFn() -> usize> Lives<'_, S, G, A> {
    /// Kills it again and again while it makes a key. Nothing stays of these keys, and the one that it had before is there.
    pub(crate) async fn make_nothing_that_stays(self, moments: Vec<Moment>) {
        let kept = Box::pin(self.one_key()).await;

        for (at, moment) in moments.into_iter().enumerate() {
            let gateway = self.started().await;
            let api = self.api(&gateway);
            let name = format!("made-{at}");
            self.is_killed(gateway, moment, Box::pin(api.ask_to_create(&name, "ec-p256"))).await;
        }
        Box::pin(self.undo_what_was_half_done(&kept)).await;
    }

    /// The same while it destroys a key.
    pub(crate) async fn destroy_what_they_began_to(self, moments: Vec<Moment>) {
        let kept = Box::pin(self.one_key()).await;

        for (at, moment) in moments.into_iter().enumerate() {
            let gateway = self.started().await;
            let api = self.api(&gateway);
            let name = format!("destroyed-{at}");
            Box::pin(api.create(&name, "ec-p256")).await;
            let path = format!("/keys/{name}");
            self.is_killed(gateway, moment, Box::pin(api.0.call(Method::DELETE, &path, ""))).await;
        }
        Box::pin(self.undo_what_was_half_done(&kept)).await;
    }

    /// Kills it while it makes a key, which the custodian makes when the gateway that comes after it has looked for it.
    pub(crate) async fn find_what_comes_late(self, call: &'static str) {
        let kept = Box::pin(self.one_key()).await;
        let gateway = self.started().await;
        let api = self.api(&gateway);
        self.is_killed(gateway, (call, Fault::Late), Box::pin(api.ask_to_create("late", "ec-p256"))).await;

        let half_done = self.half_done().await;
        let gateway = self.started().await;
        eventually("the key to be looked for", async || {
            entries(&self.data).iter().any(|entry| entry.is("destroy", "failed")).then_some(())
        })
        .await;
        assert_eq!((self.alive)().await, 1, "it is late");
        self.faults().let_go();
        eventually("the key to be made", async || ((self.alive)().await == 2).then_some(())).await;
        self.has_only_one().await;
        Box::pin(self.knows_only(gateway, text(&kept, "id"), &half_done)).await;
    }

    async fn started(&self) -> Gateway {
        Box::pin((self.start)()).await
    }

    /// A key that nothing happens to.
    async fn one_key(&self) -> Value {
        let gateway = self.started().await;
        let kept = self.api(&gateway).create("kept", "ec-p256").await;

        assert_eq!(gateway.stop().await.code(), Some(0));
        kept
    }

    async fn undo_what_was_half_done(&self, kept: &Value) {
        let half_done = self.half_done().await;
        let gateway = self.started().await;

        self.has_only_one().await;
        self.api(&gateway).sign(kept).await;
        self.knows_only(gateway, text(kept, "id"), &half_done).await;
    }

    /// Kills it as soon as this call of what it is asked for hangs.
    async fn is_killed(&self, gateway: Gateway, (call, fault): Moment, asked: impl Future + Unpin) {
        self.faults().add(call, 1, fault);
        let asked = async {
            asked.await;
            std::future::pending::<()>().await;
        };

        tokio::select! {
            () = asked => {}
            () = within(call, self.faults().has_hung()) => {}
        }
        gateway.kill().await;
    }

    async fn has_only_one(&self) {
        eventually("what was half done to be undone", async || ((self.alive)().await == 1).then_some(()))
            .await;
    }

    /// Waits until what was half done is undone, and looks at what is written of it.
    async fn knows_only(&self, gateway: Gateway, id: &str, half_done: &BTreeSet<String>) {
        eventually("every row of them to be at its end", async || {
            half_done.is_subset(&destroyed(&self.data)).then_some(())
        })
        .await;
        assert_eq!(gateway.stop().await.code(), Some(0));

        let stored = Stored::read(&self.data).await;
        assert_eq!(stored.ids(State::Active), BTreeSet::from([id.to_owned()]));
        assert_eq!((stored.half_done(), stored.ids(State::Released)), Default::default());
        let verified = keyport(&[&"audit", &"verify", &self.data]).await;
        assert_eq!(verified.code(), Some(0), "{verified:#?}");
    }

    /// The keys of which the row says that something was begun and not ended.
    async fn half_done(&self) -> BTreeSet<String> {
        let half_done = Stored::of_a_copy(&self.data).await.half_done();

        assert!(!half_done.is_empty(), "nothing was half done");
        half_done
    }

    fn api(&self, gateway: &Gateway) -> Api {
        Api::of(gateway, self.caller)
    }

    fn faults(&self) -> &Faults {
        self.custodian.faults()
    }
}
