//! The connection to a custodian that speaks HTTP: where it goes, what it carries, and what ends it.

#![expect(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "clippy's leave for tests does not reach the helpers of a test crate"
)]

mod server;

use std::io;
use std::net::IpAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use keyport_backends::http::{Connection, Credential, Http, Names, OpenError};
use keyport_core::FailureKind;
use keyport_core::backend::Backend;
use keyport_core::outbound::{Inbound, Method, Outbound};
use keyport_core::secret::Secret;
use server::{Server, response};

fn connection(server: &Server) -> Connection {
    Connection {
        url: format!("http://{}/base/", server.address),
        ca: None,
        credential: None,
        private_addresses: vec!["127.0.0.1/32".parse().unwrap()],
        timeout: Duration::from_secs(5),
        response_size: 1024,
    }
}

fn with_credential(server: &Server) -> Connection {
    let value = Secret::new(b"Bearer s3cr3t-t0ken".to_vec());

    Connection {
        credential: Some(Credential { header: "authorization".to_owned(), value }),
        ..connection(server)
    }
}

fn post(path: &str) -> Outbound {
    Outbound { method: Method::Post, path: path.to_owned(), headers: Vec::new(), body: b"{}".to_vec() }
}

async fn send(http: &Http, request: &Outbound) -> Result<Inbound, FailureKind> {
    http.send(request, Some("/key/id"), soon()).await.map_err(|failure| failure.kind)
}

#[expect(clippy::disallowed_methods, reason = "this is the clock")]
fn soon() -> Instant {
    Instant::now() + Duration::from_secs(5)
}

#[tokio::test]
async fn a_request_goes_under_the_connections_url_with_its_credential() {
    let server = Server::answering(response("201 Created", r#"{"key":{"id":"k-7"}}"#)).await;
    let http = Http::open(with_credential(&server)).unwrap();
    let headers = vec![("x-trace".to_owned(), "1".to_owned())];

    let answer = send(&http, &Outbound { headers, ..post("/keys?v=1") }).await.unwrap();
    assert_eq!((answer.status, answer.native_id.unwrap().as_str()), (201, "k-7"));
    let heard = server.heard().remove(0);
    assert!(heard.starts_with("POST /base/keys?v=1 HTTP/1.1\r\n"), "{heard}");
    assert!(
        heard.contains("authorization: Bearer s3cr3t-t0ken\r\n") && heard.contains("x-trace: 1\r\n"),
        "{heard}"
    );
    assert!(heard.ends_with("\r\n\r\n{}"), "{heard}");
}

#[tokio::test]
async fn a_provider_cannot_set_what_is_the_connections() {
    let server = Server::answering(response("200 OK", "")).await;
    let http = Http::open(with_credential(&server)).unwrap();

    for name in [
        "Authorization",
        "host",
        "Content-Length",
        "transfer-encoding",
        "connection",
        "Proxy-Authorization",
        "",
        "a b",
    ] {
        let headers = vec![(name.to_owned(), "1".to_owned())];
        let refused = send(&http, &Outbound { headers, ..post("/") }).await.unwrap_err();
        assert_eq!(refused, FailureKind::InvalidArgument, "{name}");
    }
    let headers = vec![("x".to_owned(), "1\r\nauthorization: other".to_owned())];
    assert_eq!(
        send(&http, &Outbound { headers, ..post("/") }).await.unwrap_err(),
        FailureKind::InvalidArgument
    );
    assert!(server.heard().is_empty());
}

#[tokio::test]
async fn a_redirect_is_an_answer_and_is_not_followed() {
    let elsewhere = Server::answering(response("200 OK", "")).await;
    let redirect = format!(
        "HTTP/1.1 307 Temporary Redirect\r\nlocation: http://{}/\r\ncontent-length: 0\r\nconnection: close\r\n\r\n",
        elsewhere.address
    );
    let server = Server::answering(redirect).await;

    let answer = send(&Http::open(with_credential(&server)).unwrap(), &post("/")).await.unwrap();
    assert_eq!(answer.status, 307);
    assert!(elsewhere.heard().is_empty());
}

#[tokio::test]
async fn a_name_that_leads_to_a_private_address_leads_nowhere() {
    let server = Server::answering(response("200 OK", "")).await;
    let port = server.address.port();
    let unlisted = |url: String| Connection { url, private_addresses: Vec::new(), ..connection(&server) };

    // `localhost` stands for any name whose owner lets it mean something else after it was looked at.
    let rebound = Http::open(unlisted(format!("https://localhost:{port}"))).unwrap();
    assert_eq!(send(&rebound, &post("/")).await.unwrap_err(), FailureKind::Denied);
    for literal in
        ["127.0.0.1", "[::1]", "169.254.169.254", "10.0.0.1", "[::ffff:127.0.0.1]", "2130706433", "0x7f.1"]
    {
        let opened = Http::open(unlisted(format!("https://{literal}:{port}")));
        assert!(matches!(opened, Err(OpenError::Address(_))), "{literal}: {opened:?}");
    }
    assert!(server.heard().is_empty());
}

/// The one address that it may go to answers; then the name's owner lets it mean another.
#[tokio::test]
async fn a_name_that_comes_to_lead_to_a_private_address_leads_nowhere() {
    let server = Server::answering(response("200 OK", "")).await;
    let elsewhere = Server::at("127.0.0.2", server.address.port()).await;
    let url = format!("https://kms.example:{}", server.address.port());

    for rebound in [
        "127.0.0.2",
        "10.0.0.1",
        "169.254.169.254",
        "100.100.100.200",
        "fd00:ec2::254",
        "::1",
        "::ffff:127.0.0.2",
        "64:ff9b::7f00:2",
        "0.0.0.0",
    ] {
        let names = Rebinding::to(rebound);
        let http = Http::open_by(Connection { url: url.clone(), ..connection(&server) }, names).unwrap();
        let before = server.heard().len();

        // It speaks no TLS; that it was asked shows that the first answer was believed.
        assert_eq!(send(&http, &post("/")).await.unwrap_err(), FailureKind::Unavailable, "{rebound}");
        assert_eq!(server.heard().len(), before + 1, "{rebound}");
        assert_eq!(send(&http, &post("/")).await.unwrap_err(), FailureKind::Denied, "{rebound}");
        assert_eq!(server.heard().len(), before + 1, "{rebound}");
    }
    assert!(elsewhere.heard().is_empty());
}

#[tokio::test]
async fn of_a_names_addresses_only_those_that_may_be_called_are() {
    let server = Server::answering(response("200 OK", "")).await;
    let elsewhere = Server::at("127.0.0.2", server.address.port()).await;
    let url = format!("https://kms.example:{}", server.address.port());
    let names =
        Arc::new(Rebinding(Mutex::new(vec![vec!["127.0.0.2".parse().unwrap(), server.address.ip()]])));

    let http = Http::open_by(Connection { url, ..connection(&server) }, names).unwrap();
    send(&http, &post("/")).await.unwrap_err();
    assert_eq!((server.heard().len(), elsewhere.heard().len()), (1, 0));
}

/// A name that leads to each of these in turn.
#[derive(Debug)]
struct Rebinding(Mutex<Vec<Vec<IpAddr>>>);

impl Rebinding {
    /// First to this machine, and then there.
    fn to(address: &str) -> Arc<Self> {
        let turns = [address, "127.0.0.1"].map(|address| vec![address.parse().unwrap()]);

        Arc::new(Self(Mutex::new(turns.into())))
    }
}

#[async_trait]
impl Names for Rebinding {
    async fn addresses(&self, _name: &str) -> io::Result<Vec<IpAddr>> {
        self.0.lock().unwrap().pop().ok_or_else(|| io::ErrorKind::NotFound.into())
    }
}

#[tokio::test]
async fn only_https_leaves_this_machine_and_no_url_carries_a_secret() {
    let server = Server::answering(response("200 OK", "")).await;

    for url in [
        "http://kms.example/",
        "http://localhost/",
        "ftp://kms.example/",
        "https://a:b@kms.example/",
        "https://kms.example/?k=1",
        "kms.example",
        "",
    ] {
        let opened = Http::open(Connection { url: url.to_owned(), ..connection(&server) });
        assert!(matches!(opened, Err(OpenError::Url)), "{url}");
    }
}

#[tokio::test]
async fn an_answer_that_is_too_large_or_never_ends_is_given_up() {
    let large = Server::answering(response("200 OK", &"x".repeat(2000))).await;
    assert_eq!(
        send(&Http::open(connection(&large)).unwrap(), &post("/")).await.unwrap_err(),
        FailureKind::Internal
    );

    let chunk = format!("400\r\n{}\r\n", "x".repeat(0x400));
    let endless = format!("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n{}", chunk.repeat(10));
    let endless = Server::answering(endless).await;
    assert_eq!(
        send(&Http::open(connection(&endless)).unwrap(), &post("/")).await.unwrap_err(),
        FailureKind::Internal
    );

    let slow = Server::dripping(response("200 OK", "{}"), Duration::from_secs(1)).await;
    let hurried = Connection { timeout: Duration::from_millis(100), ..connection(&slow) };
    assert_eq!(send(&Http::open(hurried).unwrap(), &post("/")).await.unwrap_err(), FailureKind::Unavailable);
}

#[tokio::test]
async fn what_is_no_answer_is_unavailable() {
    let garbage = Server::answering("SSH-2.0-OpenSSH\r\n").await;
    assert_eq!(
        send(&Http::open(connection(&garbage)).unwrap(), &post("/")).await.unwrap_err(),
        FailureKind::Unavailable
    );

    let silent = Server::answering("").await;
    assert_eq!(
        send(&Http::open(connection(&silent)).unwrap(), &post("/")).await.unwrap_err(),
        FailureKind::Unavailable
    );
}

#[tokio::test]
async fn an_answer_that_shows_the_credential_reaches_no_provider() {
    for answer in [
        response("200 OK", r#"{"you sent": "Bearer s3cr3t-t0ken"}"#),
        response("400 Bad Request", "s3cr3t-t0ken"),
        "HTTP/1.1 200 OK\r\nx-echo: s3cr3t-t0ken\r\ncontent-length: 0\r\n\r\n".to_owned(),
    ] {
        let server = Server::answering(answer.clone()).await;
        let refused = send(&Http::open(with_credential(&server)).unwrap(), &post("/")).await.unwrap_err();
        assert_eq!(refused, FailureKind::Internal, "{answer}");
    }
}

#[tokio::test]
async fn the_name_of_a_new_key_is_text_or_a_number_where_it_is_expected() {
    for (body, name) in [
        (r#"{"key":{"id":"a/b"}}"#, Some("a/b")),
        (r#"{"key":{"id":42}}"#, Some("42")),
        (r#"{"key":{"id":""}}"#, None),
        (r#"{"key":{"id":null}}"#, None),
        (r#"{"key":{"id":["a"]}}"#, None),
        (r#"{"key":{"id":"a\n"}}"#, None),
        (r#"{"id":"a"}"#, None),
        ("not JSON", None),
    ] {
        let server = Server::answering(response("200 OK", body)).await;
        let answer = send(&Http::open(connection(&server)).unwrap(), &post("/")).await.unwrap();
        assert_eq!(answer.native_id.as_ref().map(|id| id.as_str()), name, "{body}");
    }

    let failed = Server::answering(response("500 Internal Server Error", r#"{"key":{"id":"a"}}"#)).await;
    let answer = send(&Http::open(connection(&failed)).unwrap(), &post("/")).await.unwrap();
    assert_eq!((answer.status, answer.native_id), (500, None));
}
