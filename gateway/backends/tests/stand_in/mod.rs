//! What stand-ins for services have in common: they read requests, misbehave when they are told to, and say what they heard.

pub(crate) mod fault;

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use futures_util::stream;
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, StreamBody};
use hyper::body::{Bytes, Frame, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{HeaderMap, Request, Response};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::sync::watch;

use fault::{Fault, Faults};

/// A service that is stood in for.
pub(crate) trait Service: Send + Sync + 'static {
    /// What it is told, and heard.
    fn record(&self) -> &Record;

    /// What it answers: JSON, or a status with JSON.
    fn answer(&self, asked: &Asked) -> Answer;

    /// What it says whom to ask for a token (`WWW-Authenticate`), with every 401.
    fn challenge(&self) -> String {
        "Bearer".to_owned()
    }
}

/// What a stand-in is told, and heard.
#[derive(Default)]
pub(crate) struct Record {
    pub(crate) faults: Faults,
    heard: Mutex<Vec<String>>,
    count: watch::Sender<usize>,
}

impl Record {
    /// The method and path of each call so far.
    pub(crate) fn heard(&self) -> Vec<String> {
        self.heard.lock().unwrap().clone()
    }

    /// Waits until it was asked so many times.
    pub(crate) async fn asked(&self, times: usize) {
        self.count.subscribe().wait_for(|count| *count >= times).await.unwrap();
    }
}

/// A request, read.
#[derive(Debug)]
pub(crate) struct Asked {
    pub(crate) method: String,
    pub(crate) path: String,
    query: String,
    headers: HeaderMap,
    pub(crate) body: Bytes,
}

/// What is answered.
pub(crate) type Answer = Result<Value, (u16, Value)>;
type Body = BoxBody<Bytes, io::Error>;

/// Starts a service on this machine; says where it is.
pub(crate) async fn start(service: &Arc<impl Service>) -> SocketAddr {
    let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (address, service) = (socket.local_addr().unwrap(), Arc::clone(service));

    tokio::spawn(async move {
        while let Ok((stream, _)) = socket.accept().await {
            let service = Arc::clone(&service);
            let serve = service_fn(move |request| served(Arc::clone(&service), request));
            tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), serve));
        }
    });
    address
}

impl Asked {
    async fn read(request: Request<Incoming>) -> Self {
        let (method, path) = (request.method().to_string(), request.uri().path().to_owned());
        let query = request.uri().query().unwrap_or_default().to_owned();
        let headers = request.headers().clone();
        let body = request.into_body().collect().await.map(|body| body.to_bytes()).unwrap_or_default();

        Self { method, path, query, headers, body }
    }

    /// A header field; nothing where it is not there.
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map(|value| value.to_str().unwrap()).unwrap_or_default()
    }

    /// A field of the body, which is a form.
    pub(crate) fn form(&self, name: &str) -> String {
        field(&String::from_utf8_lossy(&self.body), name)
    }

    /// A parameter of the query.
    pub(crate) fn parameter(&self, name: &str) -> String {
        field(&self.query, name)
    }
}

fn field(form: &str, name: &str) -> String {
    let written = form.split('&').find_map(|field| field.strip_prefix(name)?.strip_prefix('='));

    written.map(decoded).unwrap_or_default()
}

/// A value of a form, as it was before it was encoded (WHATWG URL, application/x-www-form-urlencoded).
fn decoded(written: &str) -> String {
    let (mut bytes, mut rest) = (Vec::new(), written.as_bytes());
    while let [first, more @ ..] = rest {
        let (byte, taken) = match (first, more) {
            (b'+', _) => (b' ', 1),
            (b'%', [high, low, ..]) => (hex::decode([*high, *low]).unwrap()[0], 3),
            _ => (*first, 1),
        };
        bytes.push(byte);
        rest = &rest[taken..];
    }

    String::from_utf8(bytes).unwrap()
}

async fn served(
    service: Arc<impl Service>,
    request: Request<Incoming>,
) -> Result<Response<Body>, Infallible> {
    let asked = Asked::read(request).await;
    let call = format!("{} {}", asked.method, asked.path);
    let record = service.record();
    let fault = record.faults.next(&call);
    record.heard.lock().unwrap().push(call);
    record.count.send_modify(|count| *count += 1);

    match fault {
        Some(Fault::Answer(status, headers, body)) => return Ok(response(status, &headers, whole(body))),
        Some(Fault::HangBefore) => std::future::pending().await,
        Some(Fault::Cut | Fault::HangAfter | Fault::Lie(_)) | None => {}
    }
    let (status, mut body) = service.answer(&asked).map_or_else(|refused| refused, |body| (200, body));
    if let Some(Fault::Lie(lie)) = &fault {
        lie(&mut body);
    }
    let body = match fault {
        Some(Fault::HangAfter) => std::future::pending().await,
        Some(Fault::Cut) => cut(&body.to_string()),
        _ => whole(body.to_string()),
    };
    let mut response = response(status, &[], body);
    if status == 401 {
        response.headers_mut().insert("www-authenticate", service.challenge().parse().unwrap());
    }
    Ok(response)
}

fn response(status: u16, headers: &[(&'static str, &'static str)], body: Body) -> Response<Body> {
    let builder = Response::builder().status(status).header("content-type", "application/json");
    let builder = headers.iter().fold(builder, |builder, (name, value)| builder.header(*name, *value));

    builder.body(body).unwrap()
}

fn whole(body: String) -> Body {
    http_body_util::Full::from(body).map_err(|never| match never {}).boxed()
}

fn cut(body: &str) -> Body {
    let half = Bytes::from(body.as_bytes()[..body.len() / 2].to_vec());
    let frames = [Ok(Frame::data(half)), Err(io::ErrorKind::ConnectionReset.into())];

    BodyExt::boxed(StreamBody::new(stream::iter(frames)))
}
