//! Many signatures in one request.

use keyport_core::scheme::{Hash, KeyType, Scheme};
use serde_json::{Value, json};

use super::{Key, base64, key, refused_as};
use crate::conformance::answer::{list, text};
use crate::conformance::case::{Case, Verdict, ensure, failed};
use crate::conformance::server::Server;
use crate::conformance::signature::{self, Form, standard_base64};

/// The cases of batches.
pub(in crate::conformance) fn cases() -> Vec<Case> {
    vec![
        Case::new("batch", "A hundred items are signed, each its own, in their order.", hundred),
        Case::new("batch-mixed", "An item that cannot be served does not stop the others.", mixed),
        Case::new("batch-empty", "A batch of nothing is refused.", empty),
        Case::new("batch-too-many", "A batch of more than a hundred is refused.", too_many),
        Case::new("batch-no-list", "A batch that is no list is refused.", no_list),
    ]
}

async fn hundred(server: &Server) -> Verdict {
    let key = key(server, KeyType::EcP256).await?;
    let digests: Vec<_> = (0..100_u8).map(|number| [number; 32]).collect();
    let items = digests.iter().map(|digest| item(&key, digest)).collect();

    let results = ask(server, items).await?;
    ensure(results.len() == digests.len(), "100 results", results.len().to_string())?;
    for (result, digest) in results.iter().zip(&digests) {
        is_signed(&key, result, digest)?;
    }
    Ok(())
}

async fn mixed(server: &Server) -> Verdict {
    let key = key(server, KeyType::EcP256).await?;
    let absent = json!({ "key": server.name("nobody"), "digest": base64(&[7; 32]) });
    let wrong = json!({ "key": key.name, "digest": "!" });
    let results = ask(server, vec![item(&key, &[1; 32]), absent, wrong, item(&key, &[2; 32])]).await?;

    let [first, absent, wrong, last] = results.as_slice() else {
        return failed("4 results", results.len().to_string());
    };
    is_signed(&key, first, &[1; 32])?;
    is_signed(&key, last, &[2; 32])?;
    for (result, status, code) in [(absent, 404, "key_not_found"), (wrong, 400, "invalid_request")] {
        let is_refused = result.get("status") == Some(&json!(status)) && text(result, "code")? == code;
        ensure(is_refused, &format!("{status} and {code}"), result.to_string())?;
    }
    Ok(())
}

async fn empty(server: &Server) -> Verdict {
    refused_as(&server.post("/sign", &json!({ "items": [] })).await?, (400, "invalid_request"))
}

async fn too_many(server: &Server) -> Verdict {
    let key = key(server, KeyType::EcP256).await?;
    let items: Vec<_> = (0..101).map(|_| item(&key, &[7; 32])).collect();

    refused_as(&server.post("/sign", &json!({ "items": items })).await?, (400, "invalid_request"))
}

async fn no_list(server: &Server) -> Verdict {
    for wrong in [json!({}), json!({ "items": {} }), json!({ "items": "a" }), json!([])] {
        refused_as(&server.post("/sign", &wrong).await?, (400, "invalid_request"))?;
    }
    Ok(())
}

async fn ask(server: &Server, items: Vec<Value>) -> Verdict<Vec<Value>> {
    let answer = server.post("/sign", &json!({ "items": items })).await?.json_with(200)?;

    list(&answer, "results").cloned()
}

fn item(key: &Key, digest: &[u8]) -> Value {
    json!({ "key": key.name, "digest": base64(digest) })
}

fn is_signed(key: &Key, result: &Value, digest: &[u8]) -> Verdict {
    ensure(result.get("status") == Some(&json!(200)), "the status 200", result.to_string())?;

    let signature = standard_base64(text(result, "signature")?)?;
    let scheme = (Scheme::Ecdsa(Hash::Sha256), Form::Der);
    signature::verify(&key.public, scheme, &signature::digest(Hash::Sha256, digest)?, &signature)
}
