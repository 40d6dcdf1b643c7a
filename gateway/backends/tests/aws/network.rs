//! The way to the services.

use std::net::SocketAddr;
use std::sync::Arc;

use keyport_backends::aws::{Aws, OpenError};
use keyport_core::FailureKind;
use keyport_core::backend::Backend;
use keyport_stand_ins::aws::StandIn;
use keyport_stand_ins::{Answer, Fault};
use rcgen::{CertifiedKey, KeyPair};
use rustls::ServerConfig;
use rustls_pki_types::PrivateKeyDer;
use tempfile::TempDir;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

use crate::account::{connection, opened_with};
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
    let (service, folder) = (StandIn::start(), TempDir::new().unwrap());
    let certified = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    let (address, ca) = (behind_tls(&service, &certified).await, folder.path().join("ca.pem"));
    std::fs::write(&ca, certified.cert.pem()).unwrap();

    let mut known = connection(&format!("https://{address}"));
    known.ca = Some(ca);
    Aws::open(known).unwrap().health(soon()).await.unwrap();

    let unknown = Aws::open(connection(&format!("https://{address}"))).unwrap();
    let failure = unknown.health(soon()).await.unwrap_err();
    assert!(
        failure.kind == FailureKind::OperatorNeeded && failure.message.ends_with("vouches for it in `ca`"),
        "{failure}"
    );
}

/// An address where the services speak TLS, with this certificate.
async fn behind_tls(service: &StandIn, certified: &CertifiedKey<KeyPair>) -> SocketAddr {
    let key = PrivateKeyDer::try_from(certified.signing_key.serialize_der()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let config =
        config.with_no_client_auth().with_single_cert(vec![certified.cert.der().clone()], key).unwrap();
    let (acceptor, socket) =
        (TlsAcceptor::from(Arc::new(config)), TcpListener::bind("127.0.0.1:0").await.unwrap());
    let address = socket.local_addr().unwrap();

    let services = service.url().replace("http://", "");
    tokio::spawn(async move {
        while let Ok((stream, _)) = socket.accept().await {
            let (acceptor, services) = (acceptor.clone(), services.clone());
            tokio::spawn(pass_on(acceptor, stream, services));
        }
    });
    address
}

/// What ends on one side ends on the other.
async fn pass_on(acceptor: TlsAcceptor, stream: TcpStream, services: String) -> Option<()> {
    let mut outer = acceptor.accept(stream).await.ok()?;
    let mut inner = TcpStream::connect(services).await.ok()?;

    tokio::io::copy_bidirectional(&mut outer, &mut inner).await.ok().map(drop)
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
