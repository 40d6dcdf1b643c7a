//! Connections over loopback: good ones, slow ones, and ones that mean harm.

use http_body_util::{BodyExt, Empty};
use hyper::client::conn::http2 as client;
use hyper::{StatusCode, Version};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::*;
use crate::request::{BadBody, Body};
use crate::testing::certificates;

/// Answers with the body that was sent, in brackets, once it is let.
#[derive(Debug)]
struct Brackets {
    gate: Semaphore,
    arrived: Notify,
}

impl Brackets {
    fn open() -> Arc<Self> {
        Arc::new(Self { gate: Semaphore::new(1000), arrived: Notify::new() })
    }

    fn closed() -> Arc<Self> {
        Arc::new(Self { gate: Semaphore::new(0), arrived: Notify::new() })
    }
}

impl Answer for Brackets {
    async fn answer(&self, request: Request<Incoming>) -> Response<Full<Bytes>> {
        self.arrived.notify_one();
        self.gate.acquire().await.unwrap().forget();
        let outside = crate::outside::outside(tokio::runtime::Handle::current());
        let deadline = outside.clock.now() + Duration::from_secs(8);
        let (head, body) = request.into_parts();
        let body = Body::new(body, &head.headers, deadline, &outside);

        let (status, text) = match body.read(64 * 1024).await {
            Ok(body) if body.len() > 100 => (StatusCode::OK, format!("[{} bytes]", body.len())),
            Ok(body) => (StatusCode::OK, format!("[{}]", String::from_utf8(body).unwrap())),
            Err(BadBody::TooLarge { .. }) => (StatusCode::PAYLOAD_TOO_LARGE, String::new()),
            Err(BadBody::TooSlow) => (StatusCode::REQUEST_TIMEOUT, String::new()),
            Err(BadBody::Broken) => (StatusCode::BAD_REQUEST, String::new()),
        };
        let mut response = Response::new(Full::from(text));
        *response.status_mut() = status;
        response
    }
}

const LIMITS: Limits = Limits {
    connections: 3,
    handshake: Duration::from_secs(5),
    header: Duration::from_secs(10),
    idle: Duration::from_secs(60),
    drain: Duration::from_secs(30),
};

/// A connection without a network, served by a task of its own.
fn connect(answer: &Arc<Brackets>) -> (DuplexStream, JoinHandle<()>, watch::Sender<Phase>) {
    let (client, server) = duplex(256 * 1024);
    let phase = watch::Sender::new(Phase::Serving);
    let connection =
        Connection::new(Arc::clone(answer), LIMITS, Arc::new(Semaphore::new(1)), phase.subscribe());
    let served =
        tokio::spawn(async move { connection.serve(server, Protocol::Http1, Peer::default()).await });

    (client, served, phase)
}

/// Everything that comes back for `request` until the connection is closed.
async fn exchange(request: impl AsRef<[u8]>) -> String {
    let (mut client, served, _phase) = connect(&Brackets::open());
    client.write_all(request.as_ref()).await.unwrap();
    let mut answer = String::new();
    client.read_to_string(&mut answer).await.unwrap();
    served.await.unwrap();
    answer
}

fn statuses(answer: &str) -> Vec<&str> {
    answer.split("HTTP/1.1 ").skip(1).map(|response| &response[..3]).collect()
}

#[tokio::test(start_paused = true)]
async fn requests_on_one_connection_are_answered_in_turn() {
    let one = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\none";
    let two = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n3\r\ntwo\r\n0\r\n\r\n";
    let answer = exchange(format!("{one}{two}")).await;

    assert_eq!(statuses(&answer), ["200", "200"]);
    assert!(answer.contains("[one]") && answer.contains("[two]"));
}

#[tokio::test(start_paused = true)]
async fn what_two_readers_could_frame_differently_never_yields_a_second_request() {
    let hidden = "GET /hidden HTTP/1.1\r\nHost: a\r\n\r\n";
    for (head, status) in [
        ("Content-Length: 3\r\nContent-Length: 4\r\n", Some("400")),
        ("Content-Length: +3\r\n", Some("400")),
        ("Content-Length: 3, 4\r\n", Some("400")),
        ("Content-Length: 0x3\r\n", Some("400")),
        ("Transfer-Encoding: gzip\r\n", Some("400")),
        ("Transfer-Encoding: chunked, identity\r\n", Some("400")),
        ("Transfer-Encoding : chunked\r\n", Some("400")),
        ("Content-Length: 3\r\n folded: 1\r\n", Some("400")),
        ("X: 1\r\n\tfolded\r\n", Some("400")),
        ("X: a\0b\r\n", Some("400")),
        ("X: a\rb\r\n", Some("400")),
        ("Bad Name: 1\r\n", Some("400")),
    ] {
        let answer = exchange(format!("POST / HTTP/1.1\r\nHost: a\r\n{head}\r\n{hidden}")).await;
        assert_eq!(statuses(&answer).as_slice(), status.as_slice(), "{head:?}: {answer}");
    }

    // Both lengths: the chunks count, and the connection ends with them (RFC 9112, section 6.1).
    for head in [
        "Content-Length: 9\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: chunked\r\nContent-Length: 9\r\n",
    ] {
        let answer = exchange(format!("POST / HTTP/1.1\r\nHost: a\r\n{head}\r\n0\r\n\r\n{hidden}")).await;
        assert_eq!(statuses(&answer), ["200"], "{head}: {answer}");
        assert!(answer.contains("[]"), "{answer}");
    }
}

#[tokio::test(start_paused = true)]
async fn heads_that_are_none_are_refused() {
    for (head, status) in [
        ("GET / HTTP/1.1\r\nHost: a\r\nX: ".to_owned() + &"x".repeat(17_000) + "\r\n\r\n", "431"),
        ("GET /".to_owned() + &"x".repeat(70_000) + " HTTP/1.1\r\nHost: a\r\n\r\n", "431"),
        ("GET / HTTP/1.1\r\n".to_owned() + &"X: 1\r\n".repeat(200) + "\r\n", "431"),
        ("GET / HTTP/3.0\r\nHost: a\r\n\r\n".to_owned(), "400"),
        ("\x16\x03\x01\x02\0\x01\0\x01".to_owned() + &"\0".repeat(200) + "\r\n\r\n", "400"),
        ("GET\r\n\r\n".to_owned(), "400"),
    ] {
        let answer = exchange(&head).await;
        assert_eq!(statuses(&answer), [status], "{}: {answer}", &head[..20.min(head.len())]);
    }
}

#[tokio::test(start_paused = true)]
async fn body_that_is_too_large_is_refused_and_the_answer_arrives() {
    let declared = exchange(format!(
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 70000\r\n\r\n{}",
        "x".repeat(70_000)
    ))
    .await;
    assert_eq!(statuses(&declared), ["413"]);

    let chunk = format!("4000\r\n{}\r\n", "x".repeat(0x4000)).repeat(6);
    let chunked =
        exchange(format!("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n{chunk}0\r\n\r\n"))
            .await;
    assert_eq!(statuses(&chunked), ["413"]);

    let endless = exchange("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999\r\n\r\nx").await;
    assert_eq!(statuses(&endless), ["413"]);

    let whole = exchange(format!(
        "POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 65536\r\n\r\n{}",
        "x".repeat(65_536)
    ))
    .await;
    assert!(whole.contains("[65536 bytes]"));
}

#[tokio::test(start_paused = true)]
async fn body_that_drips_is_given_up_at_the_deadline() {
    let (mut client, served, _phase) = connect(&Brackets::open());
    let begun = Instant::now();
    client.write_all(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\n").await.unwrap();
    let dripping = async {
        while begun.elapsed() < Duration::from_secs(20) && client.write_all(b"x").await.is_ok() {
            sleep(Duration::from_secs(1)).await;
        }
        let mut answer = String::new();
        client.read_to_string(&mut answer).await.unwrap();
        answer
    };
    let (answer, ended) = tokio::join!(dripping, async {
        served.await.unwrap();
        begun.elapsed()
    });

    assert_eq!(statuses(&answer), ["408"]);
    assert!(ended < Duration::from_secs(10), "{ended:?}");
}

#[tokio::test(start_paused = true)]
async fn body_is_asked_for_only_where_it_is_wanted() {
    let (mut client, _served, _phase) = connect(&Brackets::open());
    client
        .write_all(b"POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n")
        .await
        .unwrap();
    let mut interim = [0; 25];
    client.read_exact(&mut interim).await.unwrap();
    assert_eq!(&interim, b"HTTP/1.1 100 Continue\r\n\r\n");
    client.write_all(b"hi").await.unwrap();
    let mut status = [0; 12];
    client.read_exact(&mut status).await.unwrap();
    assert_eq!(&status, b"HTTP/1.1 200");

    let refused =
        exchange("POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 70000\r\n\r\n").await;
    assert_eq!(statuses(&refused), ["413"]);
}

#[tokio::test(start_paused = true)]
async fn head_that_does_not_end_is_given_up() {
    let (mut client, served, _phase) = connect(&Brackets::open());
    let begun = Instant::now();
    client.write_all(b"GET / HTTP/1.1\r\nHost: ").await.unwrap();
    served.await.unwrap();

    assert!((LIMITS.header..LIMITS.header * 2).contains(&begun.elapsed()), "{:?}", begun.elapsed());
}

#[tokio::test(start_paused = true)]
async fn silent_connection_is_given_up_after_its_last_answer() {
    let (mut client, served, _phase) = connect(&Brackets::open());
    for _ in 0..3 {
        sleep(LIMITS.idle / 2).await;
        client.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
    }
    let begun = Instant::now();
    served.await.unwrap();

    assert!((LIMITS.idle..LIMITS.idle * 3 / 2).contains(&begun.elapsed()), "{:?}", begun.elapsed());
}

#[tokio::test(start_paused = true)]
async fn client_that_does_not_take_its_answer_is_given_up() {
    let (client, server) = duplex(64);
    let phase = watch::Sender::new(Phase::Serving);
    let connection =
        Connection::new(Brackets::open(), LIMITS, Arc::new(Semaphore::new(1)), phase.subscribe());
    let served =
        tokio::spawn(async move { connection.serve(server, Protocol::Http1, Peer::default()).await });
    let (_reader, mut writer) = tokio::io::split(client);
    writer.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();

    timeout(LIMITS.idle * 2, served).await.unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn request_in_flight_ends_before_its_connection_does() {
    let answer = Brackets::closed();
    let (mut client, served, phase) = connect(&answer);
    client.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
    answer.arrived.notified().await;
    phase.send_replace(Phase::Draining);
    tokio::task::yield_now().await;
    answer.gate.add_permits(1);

    let mut response = String::new();
    client.read_to_string(&mut response).await.unwrap();
    assert_eq!(statuses(&response), ["200"]);
    served.await.unwrap();
}

struct Running {
    address: SocketAddr,
    stop: watch::Sender<bool>,
    served: JoinHandle<()>,
}

async fn listen(answer: &Arc<Brackets>, tls: Option<Arc<Certificates>>, limits: Limits) -> Running {
    let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = socket.local_addr().unwrap();
    let stop = watch::Sender::new(false);
    let telemetry = Arc::new(Telemetry::new(Vec::new, Vec::new));
    let listener = Listener { socket, tls, answer: Arc::clone(answer), limits, telemetry };
    let served = tokio::spawn(listener.serve(stop.subscribe()));

    Running { address, stop, served }
}

#[tokio::test]
async fn stopping_refuses_new_connections_and_lets_old_ones_end() {
    let answer = Brackets::closed();
    let Running { address, stop, served } = listen(&answer, None, LIMITS).await;
    let mut client = TcpStream::connect(address).await.unwrap();
    client.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
    answer.arrived.notified().await;

    stop.send_replace(true);
    while TcpStream::connect(address).await.is_ok() {
        tokio::task::yield_now().await;
    }
    assert!(!served.is_finished());
    answer.gate.add_permits(1);
    let mut response = String::new();
    client.read_to_string(&mut response).await.unwrap();
    assert_eq!(statuses(&response), ["200"]);
    served.await.unwrap();
}

#[tokio::test]
async fn draining_has_a_bound() {
    let answer = Brackets::closed();
    let limits = Limits { drain: Duration::from_millis(50), ..LIMITS };
    let Running { address, stop, served } = listen(&answer, None, limits).await;
    let mut client = TcpStream::connect(address).await.unwrap();
    client.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
    answer.arrived.notified().await;

    stop.send_replace(true);
    served.await.unwrap();
    assert_eq!(client.read(&mut [0; 1]).await.unwrap_or(0), 0);
}

#[tokio::test]
async fn connection_over_the_limit_waits_until_a_silent_one_gives_up_its_place() {
    let limits = Limits { header: Duration::from_millis(200), ..LIMITS };
    let Running { address, stop: _stop, .. } = listen(&Brackets::open(), None, limits).await;
    let mut silent = Vec::new();
    for _ in 0..limits.connections {
        silent.push(TcpStream::connect(address).await.unwrap());
    }

    let mut client = TcpStream::connect(address).await.unwrap();
    client.write_all(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").await.unwrap();
    let mut response = String::new();
    client.read_to_string(&mut response).await.unwrap();
    assert_eq!(statuses(&response), ["200"]);
}

#[tokio::test]
async fn http2_is_served_over_tls_to_many_streams_at_once() {
    let (certificates, connector) = certificates();
    let answer = Brackets::open();
    let Running { address, stop, served } = listen(&answer, Some(certificates), LIMITS).await;
    let stream =
        connector.connect("localhost".try_into().unwrap(), TcpStream::connect(address).await.unwrap()).await;
    let (sender, connection) =
        client::Builder::new(TokioExecutor::new()).handshake(TokioIo::new(stream.unwrap())).await.unwrap();
    let connection = tokio::spawn(connection);

    let mut requests = tokio::task::JoinSet::new();
    for _ in 0..50 {
        let mut sender = sender.clone();
        requests.spawn(async move {
            let request = Request::builder().uri("https://localhost/").body(Empty::<Bytes>::new()).unwrap();
            let response = sender.send_request(request).await.unwrap();
            assert_eq!((response.status(), response.version()), (StatusCode::OK, Version::HTTP_2));
            response.into_body().collect().await.unwrap().to_bytes()
        });
    }
    assert!(requests.join_all().await.iter().all(|body| body == "[]"));

    // Draining says goodbye, so that the client opens no more streams here.
    stop.send_replace(true);
    served.await.unwrap();
    connection.await.unwrap().unwrap();
}

#[tokio::test]
async fn tls_1_1_and_silence_are_refused_at_the_handshake() {
    let (certificates, _) = certificates();
    let limits = Limits { handshake: Duration::from_millis(100), ..LIMITS };
    let Running { address, stop: _stop, .. } = listen(&Brackets::open(), Some(certificates), limits).await;

    let mut client = TcpStream::connect(address).await.unwrap();
    client.write_all(&tls_1_1_hello()).await.unwrap();
    let mut alert = Vec::new();
    client.read_to_end(&mut alert).await.unwrap();
    // An alert: fatal, protocol_version (RFC 8446, section 6.2).
    assert_eq!((alert[0], &alert[5..]), (21, &[2, 70][..]));

    let mut silent = TcpStream::connect(address).await.unwrap();
    assert_eq!(silent.read(&mut [0; 1]).await.unwrap_or(0), 0);
}

/// What a client sends that knows TLS 1.1 and nothing later, and ECDHE-ECDSA-AES128-SHA.
fn tls_1_1_hello() -> Vec<u8> {
    let suites = [0, 2, 0xc0, 0x09];
    // supported_groups: secp256r1; ec_point_formats: uncompressed; signature_algorithms: ecdsa_secp256r1_sha256.
    let extensions = [0, 22, 0, 10, 0, 4, 0, 2, 0, 23, 0, 11, 0, 2, 1, 0, 0, 13, 0, 4, 0, 2, 4, 3];
    let (record, handshake, version) = ([22, 3, 1, 0, 69], [1, 0, 0, 65], [3, 2]);
    let (random, session, compression) = ([7; 32], [0], [1, 0]);

    [&record[..], &handshake, &version, &random, &session, &suites, &compression, &extensions].concat()
}
