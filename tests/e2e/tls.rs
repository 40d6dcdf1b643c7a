//! TLS: which versions, whose certificates, and how they are replaced.

use rustix::process::Signal;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::harness::{Authority, Hash, Plan, Server, Site, Wire, entries, eventually, token_of, within};

#[tokio::test]
async fn tls_1_2_and_1_3_are_spoken_and_1_1_is_not() {
    let site = Site::new(&Plan::soft());
    let gateway = site.start().await;

    for version in rustls::ALL_VERSIONS {
        let stream = gateway.server.connect(&[version], "http/1.1").await.unwrap();
        assert_eq!(stream.get_ref().1.protocol_version(), Some(version.version));
    }
    // Two hellos that differ in nothing but the version.
    let answer = plain_exchange(&gateway.server, &client_hello(TLS_1_2)).await;
    assert_eq!(answer.first(), Some(&HANDSHAKE), "TLS 1.2 goes on: {answer:?}");
    let answer = plain_exchange(&gateway.server, &client_hello(TLS_1_1)).await;
    assert_eq!(answer.first(), Some(&ALERT), "TLS 1.1 is refused: {answer:?}");
    assert_eq!(answer.get(5..), Some(&[FATAL, PROTOCOL_VERSION][..]), "another alert: {answer:?}");
}

#[tokio::test]
async fn who_does_not_speak_tls_is_told_nothing() {
    let site = Site::new(&Plan::soft());
    let gateway = site.start().await;

    let answer = plain_exchange(&gateway.server, b"GET /webhook/keys HTTP/1.1\r\nHost: a\r\n\r\n").await;
    assert!(!String::from_utf8_lossy(&answer).contains("HTTP/1"), "{answer:?}");
    let answer = plain_exchange(&gateway.server, &[0x16, 3, 1, 0xff, 0xff]).await;
    assert!(!String::from_utf8_lossy(&answer).contains("HTTP/1"), "{answer:?}");
}

#[tokio::test]
async fn a_silent_client_is_let_go_before_long() {
    let site = Site::new(&Plan { limits: "handshake-timeout = \"300ms\"".to_owned(), ..Plan::soft() });
    let gateway = site.start().await;

    let answer = plain_exchange(&gateway.server, b"").await;
    assert!(answer.is_empty(), "{answer:?}");
}

#[tokio::test]
async fn a_new_certificate_is_shown_without_dropping_a_connection() {
    let site = Site::new(&Plan::soft());
    let gateway = site.start().await;
    let webhook = gateway.webhook(&token_of("acme"));
    let key = webhook.create("reload", "EC-P256").await;
    let old = certificate(&gateway.server).await;

    site.certify(&site.authority.server());
    gateway.signal(Signal::HUP);
    let new = eventually("the new certificate", async || {
        let shown = certificate(&gateway.server).await;
        (shown != old).then_some(shown)
    })
    .await;

    // The client still has the connection that it made before.
    webhook.sign(&key, Hash::Sha256, b"over the old connection").await;
    webhook.another().sign(&key, Hash::Sha256, b"over a new one").await;
    assert_ne!(new, old);
    eventually("the reload on record", async || {
        entries(&site.data()).into_iter().find(|entry| entry.is("configure", "ok"))
    })
    .await;
}

#[tokio::test]
async fn a_certificate_that_does_not_fit_its_key_changes_nothing() {
    let site = Site::new(&Plan::soft());
    let gateway = site.start().await;
    let old = certificate(&gateway.server).await;

    let (certificate_pem, _) = site.authority.server();
    site.write("server.pem", certificate_pem);
    gateway.signal(Signal::HUP);
    eventually("a complaint", async || gateway.logged().contains("nothing is changed").then_some(())).await;

    assert_eq!(certificate(&gateway.server).await, old);
}

#[tokio::test]
async fn a_client_certificate_is_optional_and_must_be_a_known_authoritys() {
    let clients = Authority::new();
    let site = Site::new(&Plan { tls: "client-ca = \"clients.pem\"".to_owned(), ..Plan::soft() });
    site.write("clients.pem", clients.pem());
    let gateway = site.start().await;

    gateway.webhook(&token_of("acme")).create("without", "EC-P256").await;
    assert!(answers_to(&gateway.server, clients.client()).await, "a known authority's");
    assert!(!answers_to(&gateway.server, Authority::new().client()).await, "an unknown authority's");
}

/// Whether there is any HTTP answer for a client that presents this certificate. In TLS 1.3 the client has finished
/// before the server looks at it.
async fn answers_to(server: &Server, (certificate, key): (String, String)) -> bool {
    let certificate = CertificateDer::from_pem_slice(certificate.as_bytes()).unwrap();
    let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap();
    let Ok(stream) = server.connect_as(certificate, key).await else { return false };

    let mut wire = Wire::over(stream);
    wire.send("GET /webhook/keys HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").await;
    wire.until_closed().await.starts_with("HTTP/1.1 401")
}

/// What a new connection is shown.
async fn certificate(server: &Server) -> CertificateDer<'static> {
    let stream = server.connect(rustls::ALL_VERSIONS, "http/1.1").await.unwrap();
    stream.get_ref().1.peer_certificates().unwrap()[0].clone().into_owned()
}

/// Sends `bytes` as they are; everything that comes back before the server closes, or falls silent.
async fn plain_exchange(server: &Server, bytes: &[u8]) -> Vec<u8> {
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    stream.write_all(bytes).await.unwrap();
    if !bytes.is_empty() {
        // Half of it: a record that was announced will not come.
        stream.shutdown().await.unwrap();
    }

    let mut answer = Vec::new();
    let read = within("the server to close the connection", stream.read_to_end(&mut answer)).await;
    if let Err(error) = read {
        eprintln!("closed with {error}");
    }
    answer
}

/// A ClientHello whose highest version is 3.`minor` (RFC 5246, section 7.4.1.2).
fn client_hello(minor: u8) -> Vec<u8> {
    // ECDHE-ECDSA with AES-128-GCM-SHA256 and with AES-128-CBC-SHA, and their like with RSA.
    let suites = [0xc0, 0x2b, 0xc0, 0x09, 0xc0, 0x2f, 0xc0, 0x13];
    // The curve P-256, points uncompressed, signatures by ECDSA and RSA with SHA-256.
    let extensions = [0, 10, 0, 4, 0, 2, 0, 23, 0, 11, 0, 2, 1, 0, 0, 13, 0, 6, 0, 4, 4, 3, 4, 1];

    let mut hello = vec![3, minor];
    hello.extend([7; 32]);
    hello.push(0);
    hello.extend([0, 8]);
    hello.extend(suites);
    hello.extend([1, 0]);
    hello.extend([0, 24]);
    hello.extend(extensions);

    let length = u8::try_from(hello.len()).unwrap();
    let mut record = vec![HANDSHAKE, 3, 1, 0, length + 4, CLIENT_HELLO, 0, 0, length];
    record.extend(hello);
    record
}

const ALERT: u8 = 21;
const HANDSHAKE: u8 = 22;
const CLIENT_HELLO: u8 = 1;
const FATAL: u8 = 2;
const PROTOCOL_VERSION: u8 = 70;
const TLS_1_1: u8 = 2;
const TLS_1_2: u8 = 3;
