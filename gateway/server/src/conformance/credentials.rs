//! Cases of credentials, and of what no answer may tell.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hyper::Method;
use keyport_core::secret::Secret;

use super::answer::Reply;
use super::case::{Break, Case, Verdict, advised, ensure, skipped};
use super::server::{Server, key_path};
use crate::client::Client;

/// The same for every contract; they come last, because servers may slow down who failed, and what leaked is known then.
pub(super) fn cases() -> Vec<Case> {
    vec![
        Case::new("no-credential-reads", "Who presents nothing reads nothing.", no_credential_reads),
        Case::new("no-credential-creates", "Who presents nothing makes no key.", no_credential_creates),
        Case::new("no-credential-signs", "Who presents nothing gets no signature.", no_credential_signs),
        Case::new("no-credential-gives-up", "Who presents nothing gives up no key.", no_credential_gives_up),
        Case::new("wrong-token", "A token that nobody has is refused.", wrong_token),
        Case::new("token-of-another-case", "A token in another case is another one.", token_of_another_case),
        Case::new("other-scheme", "The token under another scheme is no credential.", other_scheme),
        Case::new("says-how-to-authenticate", "A 401 says how to authenticate.", says_how_to_authenticate),
        Case::new(
            "strangers-learn-nothing",
            "Who presents nothing cannot tell keys that exist from those that do not.",
            strangers_learn_nothing,
        ),
        Case::new(
            "no-secret-in-answers",
            "No answer of the run had the token or a private key in it.",
            no_secrets,
        ),
    ]
}

async fn no_credential_reads(server: &Server) -> Verdict {
    let asked = (Method::GET, server.contract.readable());

    server.ask_as(&stranger(server)?, asked, &[], "").await?.refused(401)
}

async fn no_credential_creates(server: &Server) -> Verdict {
    let body = server.contract.create(&server.name("stranger"));

    server.ask_as(&stranger(server)?, (Method::POST, "/keys"), &[], body.to_string()).await?.refused(401)
}

async fn no_credential_signs(server: &Server) -> Verdict {
    let client = stranger(server)?;
    let name = server.create("stranger-signs").await?;

    sign_as(server, &client, &name).await?.refused(401)
}

async fn no_credential_gives_up(server: &Server) -> Verdict {
    let client = stranger(server)?;
    let name = server.create("stranger-gives-up").await?;
    let (method, path) = server.contract.give_up(&name);

    server.ask_as(&client, (method, &path), &[], "").await?.refused(401)?;
    server.sign(&name).await?.expect(200).map(|_| ())
}

async fn wrong_token(server: &Server) -> Verdict {
    stranger(server)?;
    let wrong = Secret::new(URL_SAFE_NO_PAD.encode([7; 32]).into_bytes());

    with(server, &wrong).await?.refused(401)
}

async fn token_of_another_case(server: &Server) -> Verdict {
    let Some(token) = &server.token else { return skipped(NO_TOKEN) };
    let other = token.expose().to_ascii_uppercase();
    if other == token.expose() {
        return skipped("the token is in upper case as it is");
    }

    with(server, &Secret::new(other)).await?.refused(401)
}

async fn other_scheme(server: &Server) -> Verdict {
    let client = stranger(server)?;
    let token = server.token.as_ref().map(Secret::expose).unwrap_or_default();
    let basic = format!("Basic {}", String::from_utf8_lossy(token));
    let asked = (Method::GET, server.contract.readable());

    server.ask_as(&client, asked, &[("authorization", &basic)], "").await?.refused(401)
}

async fn says_how_to_authenticate(server: &Server) -> Verdict {
    let asked = (Method::GET, server.contract.readable());
    let reply = server.ask_as(&stranger(server)?, asked, &[], "").await?;
    reply.refused(401)?;

    // RFC 9110, section 15.5.2.
    let said = reply.header("www-authenticate").unwrap_or_default();
    advised(ensure(
        said.to_ascii_lowercase().starts_with("bearer"),
        "a WWW-Authenticate header with Bearer",
        format!("WWW-Authenticate: {said}"),
    ))
}

async fn strangers_learn_nothing(server: &Server) -> Verdict {
    let client = stranger(server)?;
    let there = server.create("stranger-asks").await?;

    let there = sign_as(server, &client, &there).await?;
    let absent = sign_as(server, &client, "nobody").await?;
    there.refused(401)?;
    ensure(
        there.status() == absent.status(),
        "the same status for a key that exists and one that does not",
        format!("{} and {}", there.status(), absent.status()),
    )
}

async fn no_secrets(server: &Server) -> Verdict {
    let leaks = server.leaks();

    ensure(leaks.is_empty(), "no secret in any answer", leaks.join(", "))
}

/// Somebody who presents nothing. Where no token is presented, it is another thing that tells callers apart, or nothing.
fn stranger(server: &Server) -> Verdict<Client> {
    if server.token.is_none() {
        return skipped(NO_TOKEN);
    }

    server.client.with_token(None).map_err(|error| Break::Skipped(format!("{error:#}")))
}

async fn with(server: &Server, token: &Secret) -> Verdict<Reply> {
    let client =
        server.client.with_token(Some(token)).map_err(|error| Break::Skipped(format!("{error:#}")))?;

    server.ask_as(&client, (Method::GET, server.contract.readable()), &[], "").await
}

async fn sign_as(server: &Server, client: &Client, name: &str) -> Verdict<Reply> {
    let path = format!("{}/sign", key_path(name));

    server.ask_as(client, (Method::POST, &path), &[], server.contract.sign().to_string()).await
}

const NO_TOKEN: &str = "no token is presented: give --token-file to have it tried";
