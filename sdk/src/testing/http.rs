//! A custodian that speaks HTTP, as a test has it.

use super::{Call, Host};
use crate::capability::Http;
use crate::http::{Request, Response};
use crate::types::{Error, Result};

impl Host {
    /// Adds what the next request gets for an answer that has none yet.
    #[must_use]
    pub fn respond(mut self, response: Result<Response>) -> Self {
        self.responses.get_mut().push_back(response);
        self
    }
}

impl Http for &Host {
    fn send(&self, connection: Option<&str>, request: &Request) -> Result<Response> {
        let call = Call::Http { connection: connection.map(str::to_owned), request: request.clone() };
        let response = self
            .responses
            .borrow_mut()
            .pop_front()
            .unwrap_or_else(|| Err(Error::internal(format!("the test has no response to {call:?}"))));
        self.record(call);

        response
    }
}
