//! The way to the service, and to who gives out tokens for it.

use std::sync::Arc;

use keyport_backends::gcp::{Connection, Credentials, Gcp};
use keyport_core::FailureKind;
use keyport_core::backend::Backend;
use keyport_stand_ins::gcp::StandIn;
use keyport_stand_ins::{Answer, Fault};

use crate::clock::Ahead;
use crate::front;
use crate::ring::{Ring, connection};
use crate::suite::soon;

#[tokio::test]
async fn a_service_that_nobody_finds_is_unavailable() {
    for nowhere in ["https://nothing.invalid", NOWHERE] {
        let ring = Ring::with(|connection| connection.endpoint = nowhere.to_owned());

        let failure = ring.gcp.health(soon()).await.unwrap_err();
        assert_eq!(failure.kind, FailureKind::Unavailable, "{failure}");
        assert!(failure.message.contains("no answer"), "{failure}");
    }
}

#[tokio::test]
async fn only_an_authority_that_is_named_vouches_for_a_service_of_ones_own() {
    let ring = Ring::new();

    front::only_who_is_named_vouches(&ring.stand_in.url(), |url, ca| {
        ring.again_with(|connection| {
            connection.endpoint = url.to_owned();
            connection.ca = ca.map(Into::into);
        })
    })
    .await;
}

#[tokio::test]
async fn a_proxy_that_wants_a_login_is_for_the_operator() {
    for endpoint in ["http://127.0.0.9:1", "https://kms.example"] {
        let proxy = StandIn::start();
        proxy.faults().always("", Fault::Answer(Answer::of(407, "")));
        let url = proxy.url();
        let ring = Ring::with(move |described| {
            endpoint.clone_into(&mut described.endpoint);
            described.proxy = Some(url);
        });

        let refused = ring.gcp.health(soon()).await.unwrap_err();
        assert_eq!(refused.kind, FailureKind::OperatorNeeded, "{refused}");
        assert!(refused.message.starts_with("the proxy wants a login"), "{refused}");
        assert_eq!(proxy.heard().len(), 1);
    }
}

#[tokio::test]
async fn nothing_goes_round_the_proxy() {
    let proxy = StandIn::start();
    let ring = Ring::with(|connection| {
        connection.endpoint = NOWHERE.to_owned();
        connection.proxy = Some(proxy.url());
    });

    ring.gcp.health(soon()).await.unwrap();
    assert_eq!(proxy.heard().len(), 1);
}

#[tokio::test]
async fn a_machines_account_is_asked_for_directly_and_never_through_the_proxy() {
    let (proxy, machine) = (StandIn::start(), StandIn::start());
    // The first token that is given out there.
    proxy.access.admit("ya29.a0AS3H6N1");
    let credentials = Credentials::Metadata(machine.address.to_string());
    let described = Connection { proxy: Some(proxy.url()), ..connection(NOWHERE, credentials) };

    Gcp::open(described, Arc::new(Ahead::default())).unwrap().health(soon()).await.unwrap();

    assert_eq!(machine.heard(), ["GET /computeMetadata/v1/instance/service-accounts/default/token"]);
    assert_eq!(proxy.heard().len(), 1);
    assert!(proxy.heard()[0].ends_with(":testIamPermissions"), "{:?}", proxy.heard());
}

/// An address where nobody is.
const NOWHERE: &str = "http://127.0.0.9:1";
