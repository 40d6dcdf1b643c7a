//! The way to the services.

use keyport_backends::aws::{Aws, OpenError};
use keyport_core::FailureKind;
use keyport_core::backend::Backend;
use keyport_stand_ins::aws::StandIn;
use keyport_stand_ins::{Answer, Fault};

use crate::account::{connection, opened_with};
use crate::front;
use crate::suite::soon;

#[tokio::test]
async fn requests_go_through_the_proxy() {
    // The services answer whatever they are asked; nobody is at the endpoint.
    let proxy = StandIn::start();
    let mut connection = connection("http://127.0.0.9:1");
    connection.proxy = Some(proxy.url());

    let aws = Aws::open(connection).unwrap();

    aws.health(soon()).await.unwrap();
    assert_eq!(proxy.count("DescribeKey"), 1);
}

#[tokio::test]
async fn a_proxy_that_wants_a_login_is_for_the_operator() {
    let proxy = StandIn::start();
    proxy.faults().always("", Fault::Answer(Answer::of(407, "")));

    for url in ["http://127.0.0.9:1", "https://kms.example"] {
        let mut connection = connection(url);
        connection.proxy = Some(proxy.url());
        let failure = Aws::open(connection).unwrap().health(soon()).await.unwrap_err();
        assert_eq!(failure.kind, FailureKind::OperatorNeeded, "{failure}");
        assert!(failure.message.contains("the proxy wants a login"), "{failure}");
    }
    assert_eq!(proxy.heard().len(), 2);
}

#[tokio::test]
async fn only_an_authority_that_is_named_vouches_for_a_service_of_ones_own() {
    let service = StandIn::start();

    front::only_who_is_named_vouches(&service.url(), |url, ca| {
        let mut described = connection(url);
        described.ca = ca.map(Into::into);
        Aws::open(described).unwrap()
    })
    .await;
}

#[tokio::test]
async fn a_service_that_nobody_finds_is_unavailable() {
    for url in ["https://kms.invalid", "http://127.0.0.9:1"] {
        let aws = Aws::open(connection(url)).unwrap();

        let failure = aws.health(soon()).await.unwrap_err();
        assert!(
            failure.kind == FailureKind::Unavailable && failure.message.contains("no answer"),
            "{failure}"
        );
    }
}

#[tokio::test]
async fn an_endpoint_that_is_none_is_refused_at_once() {
    for url in ["kms.eu-central-1.amazonaws.com", "http://kms.example", "ftp://127.0.0.1"] {
        assert!(matches!(Aws::open(connection(url)).unwrap_err(), OpenError::Endpoint), "{url}");
    }
}

#[tokio::test]
async fn health_is_one_call_and_says_what_is_wrong() {
    let service = StandIn::start();
    let aws = opened_with(&service, |_| ());

    aws.health(soon()).await.unwrap();

    assert_eq!(service.heard(), ["DescribeKey"]);
}
