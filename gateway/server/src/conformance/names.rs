//! Cases of names: those that are seen, and those that nobody should take.

use hyper::Method;

use super::case::{Case, Verdict, advised, advised_unless, ensure};
use super::contract::Contract;
use super::server::{Server, key_path};

/// The cases of names for a contract.
pub(super) fn cases(contract: Contract) -> Vec<Case> {
    // What a contract's clients are known to call keys must be served; further names only by our own.
    let is_ours = contract.is_ours();
    let served = [
        ("dots-and-plus", "a.b+c", true),
        ("slash", "spire/server/x509", true),
        ("space", "with slash/and space+plus", contract != Contract::Webhook),
        ("percent", "100%25", is_ours),
        ("unicode", "Schlüssel-東京-🔑", is_ours),
        ("quotes", "\"quoted\" and 'quoted'", is_ours),
        ("dots-alone", "...", is_ours),
    ];

    let mut cases: Vec<_> = served
        .into_iter()
        .map(|(name, end, must)| {
            let promise = format!("A key whose name ends in {end} can be made, used and given up.");
            Case::new(format!("name-{name}"), promise, async move |server: &Server| {
                let lived = lives(server, end).await;
                advised_unless(must, lived)
            })
        })
        .collect();
    cases.extend([
        Case::new("name-empty", "A name without a letter is refused.", empty),
        Case::new(
            "name-control-characters",
            "A name with control characters is refused.",
            control_characters,
        ),
        Case::new("name-too-long", "A name of ten thousand letters is refused.", too_long),
        Case::new("name-path-traversal", "A name that climbs up the path finds nothing.", path_traversal),
        Case::new("name-bad-encoding", "A name that is encoded wrongly finds nothing.", bad_encoding),
        Case::new("name-no-injection", "A name cannot add headers to the answer.", no_injection),
        Case::new("name-exact", "Names that differ in case are of two keys.", exact),
    ]);
    cases
}

async fn lives(server: &Server, end: &str) -> Verdict {
    let name = server.create(end).await?;

    server.sign(&name).await?.expect(200)?;
    server.give_up(&name).await?.succeeded()
}

async fn empty(server: &Server) -> Verdict {
    server.post("/keys", &server.contract.create("")).await?.refused(400)
}

async fn control_characters(server: &Server) -> Verdict {
    for end in ["a\u{0}b", "a\nb", "a\u{7f}"] {
        let reply = server.post("/keys", &server.contract.create(&server.name(end))).await?;
        reply.survived()?;
        advised_unless(server.contract.is_ours(), reply.refused(400))?;
    }
    Ok(())
}

async fn too_long(server: &Server) -> Verdict {
    let name = server.name(&"x".repeat(10_000));

    let created = server.post("/keys", &server.contract.create(&name)).await?;
    created.survived()?;
    // A path so long may be refused before it is read.
    let (path, body) = (format!("{}/sign", key_path(&name)), server.contract.sign().to_string());
    if let Ok(signed) = server.try_ask(&server.client, (Method::POST, &path), &[], body).await {
        signed.survived()?;
    }
    advised_unless(server.contract.is_ours(), created.refused(400))
}

async fn path_traversal(server: &Server) -> Verdict {
    for segment in ["..", "%2e%2e", "..%2f..%2fkeys", "%2e%2e%2fetc%2fpasswd", "a/../b", "..%5c..%5c"] {
        nothing_found(server, segment).await?;
    }
    Ok(())
}

async fn bad_encoding(server: &Server) -> Verdict {
    for segment in ["%", "%zz", "a%2", "%ff", "%c3%28", "%00", "a%00b"] {
        nothing_found(server, segment).await?;
    }
    Ok(())
}

async fn no_injection(server: &Server) -> Verdict {
    let path = "/keys/%0d%0aX-Injected:%20yes/sign";
    let reply = server.ask(Method::POST, path, server.contract.sign().to_string()).await?;

    ensure(reply.header("x-injected").is_none(), "no header of the caller's making", reply.came())?;
    nothing_found(server, "%0d%0aX-Injected:%20yes").await
}

async fn exact(server: &Server) -> Verdict {
    let name = server.create("Case").await?;

    server.sign(&name).await?.expect(200)?;
    server.sign(&name.to_lowercase()).await?.refused(404)
}

/// A segment that is no key's name is the caller's mistake. Whoever redirects to another path finds nothing either.
async fn nothing_found(server: &Server, segment: &str) -> Verdict {
    let path = format!("/keys/{segment}/sign");
    let reply = server.ask(Method::POST, &path, server.contract.sign().to_string()).await?;

    let expected = reply.expected("400 or 404");
    ensure(!reply.is_success(), &expected, reply.came())?;
    reply.survived()?;
    advised(ensure(matches!(reply.status(), 400 | 404), &expected, reply.came()))
}
