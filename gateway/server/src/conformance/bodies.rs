//! Cases of bodies that cannot be served.

use hyper::Method;
use hyper::body::Bytes;
use serde_json::json;

use super::case::{Case, Verdict, advised, advised_unless};
use super::server::{Server, key_path};

/// The same for every contract.
pub(super) fn cases() -> Vec<Case> {
    vec![
        Case::new("create-empty-body", "A create without a body is refused.", create_empty_body),
        Case::new("create-not-json", "A create whose body is not JSON is refused.", create_not_json),
        Case::new(
            "create-no-object",
            "A create whose body is JSON but no object is refused.",
            create_no_object,
        ),
        Case::new("create-not-utf-8", "A create whose body is not UTF-8 is refused.", create_not_utf_8),
        Case::new("create-without-name", "A create that names no key is refused.", create_without_name),
        Case::new(
            "create-name-no-text",
            "A create whose key's name is no text is refused.",
            create_name_no_text,
        ),
        Case::new("create-deep-json", "JSON as deep as it is long hurts nobody.", create_deep_json),
        Case::new("create-oversized-body", "A create of megabytes is refused.", create_oversized_body),
        Case::new(
            "create-other-content-type",
            "A body that is called another type is no failure of the server's.",
            create_other_content_type,
        ),
        Case::new("sign-empty-body", "A sign without a body is refused.", sign_empty_body),
        Case::new("sign-not-json", "A sign whose body is not JSON is refused.", sign_not_json),
        Case::new("sign-no-object", "A sign whose body is JSON but no object is refused.", sign_no_object),
        Case::new("sign-without-fields", "A sign that does not say what is refused.", sign_without_fields),
        Case::new("sign-field-no-text", "A sign of what is no text is refused.", sign_field_no_text),
    ]
}

async fn create_empty_body(server: &Server) -> Verdict {
    server.ask(Method::POST, "/keys", "").await?.refused(400)
}

async fn create_not_json(server: &Server) -> Verdict {
    all_refused(server, "/keys", &NOT_JSON).await
}

async fn create_no_object(server: &Server) -> Verdict {
    all_refused(server, "/keys", &NO_OBJECT).await
}

async fn create_not_utf_8(server: &Server) -> Verdict {
    // What readers put in its place is in the name, so that the key is given up should there be one.
    let name = server.name("not-utf-8-\u{fffd}");
    let body = server.contract.create(&name).to_string().into_bytes();
    let body = body.into_iter().filter(|byte| !matches!(byte, 0xbf | 0xbd));
    let body: Vec<_> = body.map(|byte| if byte == 0xef { 0xff } else { byte }).collect();

    let reply = server.ask(Method::POST, "/keys", body).await?;
    reply.survived()?;
    advised_unless(server.contract.is_ours(), reply.refused(400))
}

async fn create_without_name(server: &Server) -> Verdict {
    let mut body = server.contract.create("");
    if let Some(fields) = body.as_object_mut() {
        fields.remove(server.contract.name_field());
    }

    server.post("/keys", &body).await?.refused(400)
}

async fn create_name_no_text(server: &Server) -> Verdict {
    // Whoever makes a text of these makes a name that is given up again.
    let text = server.name("no-text");
    for wrong in [json!(null), json!([text]), json!({ "name": text })] {
        let mut body = server.contract.create("");
        if let Some(name) = body.get_mut(server.contract.name_field()) {
            *name = wrong;
        }
        let reply = server.post("/keys", &body).await?;
        reply.survived()?;
        advised_unless(server.contract.is_ours(), reply.refused(400))?;
    }
    Ok(())
}

async fn create_deep_json(server: &Server) -> Verdict {
    for body in ["[".repeat(DEPTH), "{\"a\":".repeat(DEPTH / 4), format!("{{\"a\":{}", "[".repeat(DEPTH))] {
        server.ask(Method::POST, "/keys", body).await?.refused(400)?;
    }

    serves_on(server).await
}

async fn create_oversized_body(server: &Server) -> Verdict {
    let mut body = server.contract.create(&server.name("oversized")).to_string();
    body.extend(std::iter::repeat_n(' ', OVERSIZED));

    // A server that reads no further may close before its answer is read (RFC 9112, section 9.6).
    if let Ok(reply) = server.try_ask(&server.client, (Method::POST, "/keys"), &[], body).await {
        reply.survived()?;
        advised(reply.refused(413))?;
    }
    serves_on(server).await
}

async fn create_other_content_type(server: &Server) -> Verdict {
    for content_type in ["text/plain", "application/x-www-form-urlencoded", "application/json; charset=utf-8"]
    {
        let body = server.contract.create(&server.name("content-type")).to_string();
        let headers = [("content-type", content_type)];
        let reply = server.ask_as(&server.client, (Method::POST, "/keys"), &headers, body).await?;
        reply.survived()?;
    }
    Ok(())
}

async fn sign_empty_body(server: &Server) -> Verdict {
    let path = sign_path(server).await?;

    server.ask(Method::POST, &path, "").await?.refused(400)
}

async fn sign_not_json(server: &Server) -> Verdict {
    all_refused(server, &sign_path(server).await?, &NOT_JSON).await
}

async fn sign_no_object(server: &Server) -> Verdict {
    all_refused(server, &sign_path(server).await?, &NO_OBJECT).await
}

async fn sign_without_fields(server: &Server) -> Verdict {
    let path = sign_path(server).await?;

    server.post(&path, &json!({})).await?.refused(400)
}

async fn sign_field_no_text(server: &Server) -> Verdict {
    let path = sign_path(server).await?;
    let good = server.contract.sign();
    let fields = good.as_object().into_iter().flatten().map(|(field, _)| field);

    for field in fields {
        for wrong in [json!(1), json!({}), json!(["a"]), json!(true)] {
            let mut body = good.clone();
            if let Some(value) = body.get_mut(field) {
                *value = wrong;
            }
            server.post(&path, &body).await?.refused(400)?;
        }
    }
    Ok(())
}

/// A key that can sign, so that nothing but the body is wrong.
async fn sign_path(server: &Server) -> Verdict<String> {
    let name = server.create("bodies").await?;

    Ok(format!("{}/sign", key_path(&name)))
}

async fn all_refused(server: &Server, path: &str, bodies: &[&'static str]) -> Verdict {
    for body in bodies {
        server.ask(Method::POST, path, Bytes::from_static(body.as_bytes())).await?.refused(400)?;
    }
    Ok(())
}

/// Whether the server is still there.
async fn serves_on(server: &Server) -> Verdict {
    server.get(server.contract.readable()).await?.succeeded()
}

const NOT_JSON: [&str; 5] = ["{", "{}}", "{\"a\":}", "key=value", "<key/>"];
const NO_OBJECT: [&str; 5] = ["null", "[]", "\"text\"", "1", "[{}]"];
const DEPTH: usize = 20_000;
/// Spaces behind a good body: far more than is legitimate.
const OVERSIZED: usize = 2 * 1024 * 1024;

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    #[test]
    fn wrong_bodies_are_wrong() {
        for text in NOT_JSON {
            assert!(serde_json::from_str::<Value>(text).is_err(), "{text}");
        }
        for text in NO_OBJECT {
            assert!(!serde_json::from_str::<Value>(text).unwrap().is_object(), "{text}");
        }
    }
}
