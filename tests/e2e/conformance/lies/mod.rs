//! Servers that are right but for one thing: the gateway, with somebody between who changes what is said.

mod told;

use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper::header::{AUTHORIZATION, CONTENT_LENGTH, HeaderValue};
use hyper::{Method, Request, Response};
use hyper_util::rt::TokioIo;

use self::told::LIES;
use super::impostor::{Impostor, TOKEN};
use super::{broken, names, nothing_is_left, report};
use crate::dev::token;
use crate::harness::{Gateway, Server};

/// One thing that is wrong, and the cases of a contract that find it.
struct Lie {
    contract: &'static str,
    about: &'static str,
    found_by: &'static [&'static str],
    ask: Ask,
    answer: Tell,
}

/// Changes what is asked.
type Ask = fn(&mut Request<Bytes>);
/// Changes what is answered.
type Tell = fn(&Asked, &mut Response<Bytes>);

/// What was asked, before it was changed.
struct Asked {
    method: Method,
    path: String,
    authorization: Option<HeaderValue>,
}

#[tokio::test]
async fn one_lie_is_found_by_the_cases_it_breaks_and_by_no_others() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let gateway = Gateway::dev(&data).await;

    for Lie { contract, about, found_by, ask, answer } in LIES {
        let tried = LIES.iter().filter(|lie| lie.contract == contract).flat_map(|lie| lie.found_by);
        let only: Vec<_> = tried.flat_map(|name| ["--only", name]).collect();
        let (server, token) = (gateway.server.clone(), token(&data));
        let between =
            Impostor::start(move |request| pass_on(request, server.clone(), token.clone(), (ask, answer)));
        let ended = between.await.target(contract, &format!("/{contract}")).run(&only).await;

        let report = report(&ended);
        let mut expected = found_by.to_vec();
        expected.sort_unstable();
        assert_eq!(names(&report, "failed"), expected, "{contract}, {about}: {}", broken(&report));
        assert_eq!(ended.code(), Some(i32::from(!found_by.is_empty())), "{about}");
    }
    nothing_is_left(&gateway, &data).await;
}

/// Asks the gateway in the caller's stead.
async fn pass_on(
    mut request: Request<Bytes>,
    server: Server,
    token: String,
    (ask, answer): (Ask, Tell),
) -> Response<Bytes> {
    let asked = Asked {
        method: request.method().clone(),
        path: request.uri().path().to_owned(),
        authorization: request.headers().get(AUTHORIZATION).cloned(),
    };
    ask(&mut request);
    // The gateway has a token of its own for who presented the impostor's.
    let is_known = request.headers().get(AUTHORIZATION).is_some_and(|it| it == &format!("Bearer {TOKEN}"));
    if is_known {
        let bearer = HeaderValue::from_str(&format!("Bearer {token}")).expect("a header");
        request.headers_mut().insert(AUTHORIZATION, bearer);
    }
    if request.headers_mut().remove(CONTENT_LENGTH).is_some() {
        let length = HeaderValue::from(request.body().len());
        request.headers_mut().insert(CONTENT_LENGTH, length);
    }

    let stream = server.connect(rustls::ALL_VERSIONS, "http/1.1").await.expect("the gateway");
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.expect("HTTP");
    let connection = tokio::spawn(connection);
    let (mut head, body) = sender.send_request(request.map(Full::new)).await.expect("an answer").into_parts();
    let body = body.collect().await.expect("a body").to_bytes();
    connection.abort();
    head.headers.remove(CONTENT_LENGTH);
    let mut response = Response::from_parts(head, body);
    answer(&asked, &mut response);
    response
}
