//! The import `http`: passes on what is asked, with the operation's id, and decides nothing.

use keyport_core::Failure;

use crate::bindings::http::{Host, Request, Response};
use crate::convert;
use crate::guest::State;
use crate::imports::Interface;

impl Host for State {
    async fn send(&mut self, connection: Option<String>, request: Request) -> Result<Response, Failure> {
        let connection = self.guest.connection(Interface::Http, connection.as_deref())?;
        let answer =
            self.guest.capabilities.request(self.origin(connection)?, convert::outbound(request)).await?;

        Ok(convert::response(answer))
    }
}
