//! A provider that passes everything on to a service over HTTP: what becomes of a service that misbehaves is tested with
//! it.

use keyport_sdk::http::Request;
use keyport_sdk::{
    CreateRequest, Created, Descriptor, Error, Gateway, Hash, Http, Input, KeyRef, KeyType, Provider, Result,
    Scheme, SignRequest,
};

keyport_sdk::export!(PassesOn(Gateway));

/// The provider that passes everything on, over a gateway or a test's.
#[derive(Clone, Copy, Debug)]
pub struct PassesOn<H>(pub H);

impl<H: Http> Provider for PassesOn<H> {
    fn describe(&self) -> Descriptor {
        Descriptor::new("passes-on", env!("CARGO_PKG_VERSION"))
            .offer(KeyType::EcP256, [Scheme::Ecdsa(Hash::Sha256)])
    }

    fn create_key(&self, request: &CreateRequest) -> Result<Created> {
        let public_key = self.ask(&Request::post("/keys").body(&request.key_id))?;
        Ok(Created { handle: None, public_key })
    }

    fn public_key(&self, _key: &KeyRef) -> Result<Vec<u8>> {
        Err(Error::internal("it was told when the key was made"))
    }

    fn sign(&self, request: &SignRequest) -> Result<Vec<u8>> {
        let (Input::Digest(bytes) | Input::Message(bytes)) = &request.input;
        self.ask(&Request::post("/keys/{key}/sign").body(bytes))
    }

    fn destroy_key(&self, _key: &KeyRef) -> Result<()> {
        self.0.send(None, &Request::delete("/keys/{key}"))?.gone()
    }

    fn health(&self) -> Result<()> {
        Ok(())
    }
}

impl<H: Http> PassesOn<H> {
    fn ask(&self, request: &Request) -> Result<Vec<u8>> {
        Ok(self.0.send(None, request)?.success()?.body)
    }
}

#[cfg(test)]
mod tests {
    use keyport_sdk::http::Response;
    use keyport_sdk::testing::Host;

    use super::*;

    #[test]
    fn a_signature_is_what_the_service_answers() {
        let answer = Response { status: 200, headers: Vec::new(), body: b"signature".to_vec() };
        let host = Host::new().respond(Ok(answer));
        let key = KeyRef { key_id: "k".to_owned(), handle: None };
        let input = Input::Digest(vec![7; 32]);

        let signed = PassesOn(&host).sign(&SignRequest { key, scheme: Scheme::Ecdsa(Hash::Sha256), input });
        assert_eq!(signed, Ok(b"signature".to_vec()));
    }
}
