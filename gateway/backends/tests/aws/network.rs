//! The way to the services.

use keyport_backends::aws::{Aws, OpenError};
use keyport_core::FailureKind;
use keyport_core::backend::Backend;

use crate::account::{connection, opened_with};
use crate::standin::Service;
use crate::suite::soon;

#[tokio::test]
async fn requests_go_through_the_proxy() {
    // The services answer whatever they are asked; nobody is at the endpoint.
    let proxy = Service::start().await;
    let mut connection = connection("http://127.0.0.9:1");
    connection.proxy = Some(proxy.url());

    let aws = Aws::open(connection).unwrap();

    aws.health(soon()).await.unwrap();
    assert_eq!(proxy.count("DescribeKey"), 1);
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
    let service = Service::start().await;
    let aws = opened_with(&service, |_| ());

    aws.health(soon()).await.unwrap();

    assert_eq!(service.calls(), ["DescribeKey"]);
}
