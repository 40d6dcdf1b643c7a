//! Cases of HTTP as such: paths, methods and connections.

use hyper::Method;
use hyper::body::Bytes;

use super::answer::Reply;
use super::case::{Case, Verdict, advised, advised_unless, ensure, failed};
use super::server::{Server, key_path};

/// The same for every contract.
pub(super) fn cases() -> Vec<Case> {
    vec![
        Case::new("unknown-path", "A path that the contract does not have is refused.", unknown_path),
        Case::new("wrong-method-on-keys", "PUT on /keys is refused.", wrong_method_on_keys),
        Case::new(
            "wrong-method-on-sign",
            "GET where signatures are asked for is refused.",
            wrong_method_on_sign,
        ),
        Case::new("wrong-method-says-allow", "A 405 says which methods there are.", wrong_method_says_allow),
        Case::new("head", "HEAD is no failure of the server's.", head),
        Case::new("options", "OPTIONS is no failure of the server's.", options),
        Case::new("accept-of-clients", "The Accept header that clients send is served.", accept_of_clients),
        Case::new("keep-alive", "A connection serves one request after the other.", keep_alive),
        Case::new(
            "keep-alive-after-error",
            "After a refusal, the connection serves on or says that it closes.",
            keep_alive_after_error,
        ),
        Case::new("errors-are-json", "A refusal's body is JSON that says what is wrong.", errors_are_json),
    ]
}

async fn unknown_path(server: &Server) -> Verdict {
    server.get("/no-such-thing").await?.refused(404)
}

async fn wrong_method_on_keys(server: &Server) -> Verdict {
    server.ask(Method::PUT, "/keys", "").await?.refused(405)
}

async fn wrong_method_on_sign(server: &Server) -> Verdict {
    let name = server.create("method").await?;

    server.get(&format!("{}/sign", key_path(&name))).await?.refused(405)
}

async fn wrong_method_says_allow(server: &Server) -> Verdict {
    let reply = server.ask(Method::PUT, "/keys", "").await?;
    reply.refused(405)?;

    // RFC 9110, section 15.5.6.
    let allow = reply.header("allow").unwrap_or_default();
    advised(ensure(allow.contains("POST"), "an Allow header with POST", format!("Allow: {allow}")))
}

async fn head(server: &Server) -> Verdict {
    server.ask(Method::HEAD, server.contract.readable(), "").await?.survived()
}

async fn options(server: &Server) -> Verdict {
    server.ask(Method::OPTIONS, "/keys", "").await?.survived()
}

async fn accept_of_clients(server: &Server) -> Verdict {
    let asked = (Method::GET, server.contract.readable());
    let accept = [("accept", "application/json, text/plain, */*"), ("user-agent", "axios/1.7.9")];

    server.ask_as(&server.client, asked, &accept, "").await?.succeeded()
}

async fn keep_alive(server: &Server) -> Verdict {
    let first = (Method::GET, server.contract.readable(), Bytes::new());
    let (first, second) = two(server, first).await?;

    first.succeeded()?;
    served_or_said(&first, second)
}

async fn keep_alive_after_error(server: &Server) -> Verdict {
    let (first, second) = two(server, (Method::POST, "/keys", Bytes::from_static(b"{"))).await?;

    first.refused(400)?;
    served_or_said(&first, second)
}

/// A request and then a good one, over one connection.
async fn two(
    server: &Server,
    (method, path, body): (Method, &str, Bytes),
) -> Verdict<(Reply, Result<Reply, String>)> {
    let asking = async {
        let mut connection = server.client.connect().await.map_err(|error| format!("{error:#}"))?;
        let connection = &mut connection;
        let first = server.ask_over(connection, &server.client, (method, path), (&[], body)).await?;
        let good = (Method::GET, server.contract.readable());
        let second = server.ask_over(connection, &server.client, good, (&[], Bytes::new())).await;
        Ok::<_, String>((first, second))
    };

    match tokio::time::timeout(PATIENCE, Box::pin(asking)).await {
        Ok(Ok(both)) => Ok(both),
        Ok(Err(error)) => failed("an answer", error),
        Err(_late) => failed("two answers", format!("nothing within {PATIENCE:?}")),
    }
}

fn served_or_said(first: &Reply, second: Result<Reply, String>) -> Verdict {
    match second {
        Ok(reply) => reply.succeeded(),
        // RFC 9112, section 9.6: who closes says so.
        Err(_) if first.header("connection").is_some_and(|said| said.eq_ignore_ascii_case("close")) => Ok(()),
        Err(error) => failed("a second answer, or `connection: close` in the first", error),
    }
}

async fn errors_are_json(server: &Server) -> Verdict {
    let replies = [
        server.post("/keys", &serde_json::json!({})).await?,
        server.sign(&server.name("nobody")).await?,
        server.ask(Method::POST, "/keys", "{").await?,
    ];

    for reply in &replies {
        ensure(!reply.is_success(), &reply.expected("a refusal"), reply.came())?;
        advised_unless(server.contract.documents_errors(), reply.says_error())?;
    }
    Ok(())
}

const PATIENCE: std::time::Duration = std::time::Duration::from_secs(20);
