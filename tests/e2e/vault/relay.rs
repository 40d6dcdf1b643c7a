//! What stands between the gateway and a server, and does not always do what it should.

use std::net::SocketAddr;

use hyper::Method;
use keyport_stand_ins::{Answer, Asked, Service, StandIn};

use super::bao::Bao;
use crate::harness::Server;

/// Passes everything on to a server, unless it is told to do something wrong.
pub(super) struct Relay {
    server: SocketAddr,
}

impl Relay {
    /// One before this server, which has no TLS.
    pub(super) fn before(bao: &Bao) -> StandIn<Self> {
        let server = bao.address.parse().expect("an address");

        StandIn::of(|_| Self { server })
    }
}

impl Service for Relay {
    async fn answer(&self, asked: &Asked) -> Answer {
        let Asked { method, path, query, body, .. } = asked;
        let method = Method::from_bytes(method.as_bytes()).expect("a method");
        let place = if query.is_empty() { path.clone() } else { format!("{path}?{query}") };
        let client = Server::plain(self.server).client();
        let client = match asked.header("x-vault-token") {
            "" => client,
            token => client.with_header("x-vault-token", token),
        };

        let passed = client.call(method, &place, body.clone()).await;
        Answer::of(passed.status, passed.body)
    }
}
