//! A provider of keys in a REST key service.

use keyport_sdk::http::{Base64, Request};
use keyport_sdk::{CreateRequest, Created, Descriptor, Hash, Http, Input, KeyRef, KeyType};
use keyport_sdk::{Provider, Result, Scheme, SignRequest};
use serde::Deserialize;
use serde_json::json;

pub struct RestKms<H>(pub H);

#[derive(Deserialize)]
struct Answer {
    #[serde(alias = "public_key", alias = "signature")]
    bytes: Base64,
}

impl<H: Http> RestKms<H> {
    fn ask(&self, request: &Request) -> Result<Vec<u8>> {
        let answer: Answer = self.0.send(None, request)?.success()?.json()?;
        Ok(answer.bytes.0)
    }
}

impl<H: Http> Provider for RestKms<H> {
    fn describe(&self) -> Descriptor {
        Descriptor::new(env!("CARGO_PKG_NAME"), env!("CARGO_PKG_VERSION"))
            .offer(KeyType::EcP256, [Scheme::Ecdsa(Hash::Sha256)])
            .offer(KeyType::Ed25519, [Scheme::Ed25519])
            .messages_up_to(65536)
    }

    fn create_key(&self, request: &CreateRequest) -> Result<Created> {
        let body = json!({ "name": request.key_id, "type": request.key_type.to_string() });
        let public_key = self.ask(&Request::post("/keys").json(&body)?)?;
        Ok(Created { handle: None, public_key })
    }

    fn public_key(&self, _: &KeyRef) -> Result<Vec<u8>> {
        self.ask(&Request::get("/keys/{key}"))
    }

    fn sign(&self, request: &SignRequest) -> Result<Vec<u8>> {
        let (what, bytes) = match &request.input {
            Input::Digest(digest) => ("digest", digest),
            Input::Message(message) => ("message", message),
        };
        let body = json!({ "scheme": request.scheme.to_string(), what: Base64(bytes.clone()) });
        self.ask(&Request::post("/keys/{key}/sign").json(&body)?)
    }

    fn destroy_key(&self, _: &KeyRef) -> Result<()> {
        self.0.send(None, &Request::delete("/keys/{key}"))?.gone()
    }

    fn health(&self) -> Result<()> {
        self.0.send(None, &Request::get("/health"))?.success().map(drop)
    }
}

keyport_sdk::export!(RestKms(keyport_sdk::Gateway));
