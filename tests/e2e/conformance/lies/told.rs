//! The lies, each about one thing.

use base64::Engine;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD};
use hyper::body::Bytes;
use hyper::header::{AUTHORIZATION, HeaderValue};
use hyper::{Method, StatusCode};
use keyport_core::scheme::KeyType;
use keyport_core::signature::Signature;
use serde_json::{Value, json};

use super::super::impostor::TOKEN;
use super::Lie;

/// Of each contract one that is true, and then those that are not.
pub(super) const LIES: [Lie; 17] = [
    Lie { contract: "webhook", about: "nothing", found_by: &[], ask: |_| {}, answer: |_, _| {} },
    Lie {
        contract: "webhook",
        about: "who asks",
        found_by: &["no-credential-reads", "wrong-token"],
        ask: |request| {
            let bearer = HeaderValue::from_str(&format!("Bearer {TOKEN}")).expect("a header");
            request.headers_mut().insert(AUTHORIZATION, bearer);
        },
        answer: |_, _| {},
    },
    Lie {
        contract: "webhook",
        about: "what is signed",
        found_by: &["sign-ec-p256-zeros"],
        ask: |request| {
            let zeros = BASE64_STANDARD.encode([0; 32]);
            change(request.body_mut(), |body| match body.get_mut("digest") {
                Some(digest) if *digest == json!(zeros) => *digest = json!(BASE64_STANDARD.encode([1; 32])),
                Some(_) | None => {}
            });
        },
        answer: |_, _| {},
    },
    Lie {
        contract: "webhook",
        about: "the form of signatures",
        found_by: &["sign-ec-p256-sha-256", "sign-ec-p256-zeros"],
        ask: |_| {},
        answer: |_, response| {
            change(response.body_mut(), |body| {
                let Some(text) = body["signature"].as_str() else { return };
                let der = BASE64_STANDARD.decode(text).expect("base64");
                let signature = Signature::new(KeyType::EcP256, der).expect("a signature");
                body["signature"] = json!(BASE64_STANDARD.encode(signature.bytes()));
            });
        },
    },
    Lie {
        contract: "webhook",
        about: "fingerprints",
        found_by: &["create-fingerprint"],
        ask: |_| {},
        answer: |_, response| {
            let text = String::from_utf8_lossy(response.body()).replace("\":\"sha256:", "\":\"SHA256:");
            *response.body_mut() = text.into();
        },
    },
    Lie {
        contract: "webhook",
        about: "how many keys there are",
        found_by: &["list-same"],
        ask: |_| {},
        answer: |asked, response| {
            if asked.method == Method::GET {
                change(response.body_mut(), |body| {
                    let Some(keys) = body["keys"].as_array_mut() else { return };
                    keys.extend(keys.clone());
                });
            }
        },
    },
    Lie {
        contract: "webhook",
        about: "what there is not",
        found_by: &["release-unknown"],
        ask: |_| {},
        answer: |asked, response| {
            if asked.path.ends_with("/release") && response.status() == StatusCode::NOT_FOUND {
                *response.status_mut() = StatusCode::OK;
            }
        },
    },
    Lie {
        contract: "webhook",
        about: "whose fault it is",
        found_by: &["create-not-json"],
        ask: |_| {},
        answer: |_, response| {
            if response.status() == StatusCode::BAD_REQUEST {
                *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
            }
        },
    },
    Lie {
        contract: "webhook",
        about: "what it was told",
        found_by: &["no-secret-in-answers"],
        ask: |_| {},
        answer: |asked, response| {
            if let Some(authorization) = &asked.authorization {
                response.headers_mut().insert("x-authorization", authorization.clone());
            }
        },
    },
    Lie { contract: "remote-kms", about: "nothing", found_by: &[], ask: |_| {}, answer: |_, _| {} },
    Lie {
        contract: "remote-kms",
        about: "the form of signatures",
        found_by: &["sign-es256", "sign-raw"],
        ask: |_| {},
        answer: |_, response| {
            change(response.body_mut(), |body| {
                let Some(text) = body["signature"].as_str() else { return };
                let fixed = BASE64_URL_SAFE_NO_PAD.decode(text).expect("base64url");
                let signature = Signature::new(KeyType::EcP256, fixed).expect("a signature");
                body["signature"] = json!(BASE64_URL_SAFE_NO_PAD.encode(signature.der().expect("DER")));
            });
        },
    },
    Lie {
        contract: "remote-kms",
        about: "whether a half is public",
        found_by: &["create-public", "import"],
        ask: |_| {},
        answer: |_, response| {
            change(response.body_mut(), |body| {
                if let Some(jwk) = body["publicJwk"].as_object_mut() {
                    jwk.insert("d".to_owned(), json!("AQAB"));
                }
            });
        },
    },
    Lie {
        contract: "remote-kms",
        about: "what there is not",
        found_by: &["delete-unknown"],
        ask: |_| {},
        answer: |asked, response| {
            if asked.method == Method::DELETE && asked.path.ends_with("nobody") {
                *response.status_mut() = StatusCode::NOT_FOUND;
            }
        },
    },
    Lie { contract: "v1", about: "nothing", found_by: &[], ask: |_| {}, answer: |_, _| {} },
    Lie {
        contract: "v1",
        about: "what verifies",
        found_by: &["verify-not-valid"],
        ask: |_| {},
        answer: |_, response| {
            change(response.body_mut(), |body| {
                if body.get("valid").is_some() {
                    body["valid"] = json!(true);
                }
            });
        },
    },
    Lie {
        contract: "v1",
        about: "the order of a batch",
        found_by: &["batch", "batch-mixed"],
        ask: |_| {},
        answer: |_, response| {
            change(response.body_mut(), |body| {
                if let Some(results) = body["results"].as_array_mut() {
                    results.reverse();
                }
            });
        },
    },
    Lie {
        contract: "v1",
        about: "where a list goes on",
        found_by: &["list-pages"],
        ask: |_| {},
        answer: |_, response| {
            change(response.body_mut(), |body| {
                if let Some(next) = body.get_mut("next_cursor") {
                    *next = json!(null);
                }
            });
        },
    },
];

/// Changes a body that is a JSON object.
fn change(body: &mut Bytes, change: impl FnOnce(&mut Value)) {
    if let Ok(mut value @ Value::Object(_)) = serde_json::from_slice(body) {
        change(&mut value);
        *body = value.to_string().into();
    }
}
