//! The provider of keys in another server that speaks `remote_kms`, the contract of EUDIPLO's HTTP provider: that of a wallet
//! issuer's key service, or of another gateway like this one.
//!
//! The server knows each key by its key-id. It hashes by itself, so that this provider is handed messages; where it takes
//! digests, too, as this gateway does, the setting `digests` says so. The contract has no word for reading a public half
//! again, and private keys are not for providers, so that none is taken over.

mod algorithm;
mod jwk;
mod signature;

use keyport_sdk::http::{Base64, Request, Response};
use keyport_sdk::{
    CreateRequest, Created, Descriptor, Error, ErrorKind, Gateway, Http, Input, KeyRef, KeyType, Provider,
    Result, Settings, SignRequest,
};
use serde::{Deserialize, Serialize};

use algorithm::{Algorithm, offered};
use jwk::Jwk;

keyport_sdk::export!(RemoteKms(Gateway));

/// Key pairs in the one server that is granted, named by their key-id.
#[derive(Clone, Copy, Debug)]
pub struct RemoteKms<H>(pub H);

impl<H: Http + Settings> Provider for RemoteKms<H> {
    fn describe(&self) -> Descriptor {
        let descriptor = Descriptor::new("remote-kms", env!("CARGO_PKG_VERSION"));
        let descriptor = offered(descriptor.messages_up_to(LONGEST_MESSAGE));

        match self.digests() {
            Ok(true) => descriptor,
            // What is wrong with the setting is told by whatever is asked.
            Ok(false) | Err(_) => descriptor.handed_messages(),
        }
    }

    fn create_key(&self, request: &CreateRequest) -> Result<Created> {
        self.digests()?;
        let (kid, alg) = (request.key_id.as_str(), Algorithm::making(request.key_type)?);
        let response = self.ask(&Request::post("/keys").json(&Create { kid, alg })?)?;
        let made: Made = match response.status {
            // Nothing else in such a request can be wrong.
            400 | 422 => return Err(Error { kind: ErrorKind::Unsupported, ..refusal(response) }),
            _ => done(response)?.json()?,
        };

        Ok(Created { handle: handle(request), public_key: made.public_jwk.spki()? })
    }

    fn public_key(&self, _: &KeyRef) -> Result<Vec<u8>> {
        Err(Error::unsupported("remote_kms tells a public half once, when the key is made"))
    }

    fn sign(&self, request: &SignRequest) -> Result<Vec<u8>> {
        let alg = algorithm(request)?;
        let body = match &request.input {
            Input::Message(message) if message.is_empty() => {
                return Err(Error::unsupported("an empty message is none to remote_kms"));
            }
            Input::Message(message) => Sign { alg, data: Some(Base64(message.clone())), digest: None },
            Input::Digest(digest) if self.digests()? => {
                Sign { alg, data: None, digest: Some(Base64(digest.clone())) }
            }
            Input::Digest(_) => return Err(Error::unsupported("the server signs messages alone")),
        };
        let response = self.ask(&Request::post("/keys/{key}/sign").json(&body)?)?;
        let signed: Signed = match response.status {
            // The key is there, and was given up.
            409 => return Err(Error { kind: ErrorKind::KeyGone, ..refusal(response) }),
            _ => done(response)?.json()?,
        };

        signature::read(alg, &signed.signature)
    }

    fn destroy_key(&self, _: &KeyRef) -> Result<()> {
        let response = self.ask(&Request::delete("/keys/{key}"))?;

        if response.is_missing() { Ok(()) } else { done(response).map(drop) }
    }

    fn health(&self) -> Result<()> {
        self.digests()?;

        done(self.ask(&Request::get("/health"))?).map(drop)
    }
}

impl<H: Http + Settings> RemoteKms<H> {
    /// Asks the server that needs no name.
    fn ask(&self, request: &Request) -> Result<Response> {
        self.0.send(None, request)
    }

    /// Whether the server signs digests, too.
    fn digests(&self) -> Result<bool> {
        match self.0.setting("digests").as_deref() {
            None | Some("no") => Ok(false),
            Some("yes") => Ok(true),
            Some(other) => {
                let message = format!("the setting `digests` is {other:?}: write \"yes\" or \"no\"");
                Err(Error::new(ErrorKind::OperatorNeeded, message))
            }
        }
    }
}

#[derive(Serialize)]
struct Create<'a> {
    kid: &'a str,
    alg: Algorithm,
}

#[derive(Deserialize)]
struct Made {
    #[serde(rename = "publicJwk")]
    public_jwk: Jwk,
}

#[derive(Serialize)]
struct Sign {
    alg: Algorithm,
    /// The message.
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<Base64>,
    /// The message, hashed as the algorithm has it.
    #[serde(skip_serializing_if = "Option::is_none")]
    digest: Option<Base64>,
}

#[derive(Deserialize)]
struct Signed {
    signature: String,
}

#[derive(Deserialize)]
struct Refused {
    error: String,
}

/// What tells a key from one of another type that signs by the same scheme, of which there is one pair.
fn handle(request: &CreateRequest) -> Option<Vec<u8>> {
    (request.key_type == KeyType::EcSecp256k1).then(|| secp256k1(&request.key_id))
}

fn algorithm(request: &SignRequest) -> Result<Algorithm> {
    let (algorithm, key) = (Algorithm::of(request.scheme)?, &request.key);
    let is_other = algorithm == Algorithm::Es256 && key.handle == Some(secp256k1(&key.key_id));

    Ok(if is_other { Algorithm::Es256k } else { algorithm })
}

fn secp256k1(key_id: &str) -> Vec<u8> {
    format!("secp256k1 {key_id}").into_bytes()
}

/// The response, if the server did what it was asked.
fn done(response: Response) -> Result<Response> {
    if response.is_success() { Ok(response) } else { Err(refusal(response)) }
}

/// What a status means, and what the server said to it: for the operator.
fn refusal(response: Response) -> Error {
    let said = response.json::<Refused>().map(|refused| refused.error.chars().take(LONGEST_WORDS).collect());
    let words: String = said.unwrap_or_default();

    match response.success() {
        Ok(_) => Error::internal("the server did what it was asked, and that is no refusal"),
        Err(error) if words.is_empty() => error,
        Err(error) => Error { message: format!("{}: {words}", error.message), ..error },
    }
}

/// Bytes. As base64 in JSON it is well within what a request may carry.
const LONGEST_MESSAGE: u32 = 256 << 10;

/// Characters of the server's own words that are told.
const LONGEST_WORDS: usize = 200;

#[cfg(test)]
mod tests;
