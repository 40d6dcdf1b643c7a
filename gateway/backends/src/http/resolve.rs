//! Looks up names, and lets through only the addresses that a request may go to.

use std::error::Error;
use std::fmt::Debug;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use async_trait::async_trait;
use ipnet::IpNet;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};

use super::address::is_allowed;

/// Says where a name leads. Whoever owns the name decides that, and may say another thing each time.
#[async_trait]
pub trait Names: Debug + Send + Sync {
    /// The addresses of `name`.
    async fn addresses(&self, name: &str) -> io::Result<Vec<IpAddr>>;
}

/// The operating system's resolver.
#[derive(Clone, Copy, Debug)]
pub(super) struct System;

#[async_trait]
impl Names for System {
    async fn addresses(&self, name: &str) -> io::Result<Vec<IpAddr>> {
        Ok(tokio::net::lookup_host((name, 0)).await?.map(|address| address.ip()).collect())
    }
}

/// A resolver, behind a check of what it says.
#[derive(Debug)]
pub(super) struct Checked {
    pub(super) names: Arc<dyn Names>,
    pub(super) listed: Arc<[IpNet]>,
}

impl Resolve for Checked {
    fn resolve(&self, name: Name) -> Resolving {
        let (names, listed) = (Arc::clone(&self.names), Arc::clone(&self.listed));

        Box::pin(async move {
            let mut found = names.addresses(name.as_str()).await?;
            found.retain(|address| is_allowed(*address, &listed));
            if found.is_empty() {
                return Err(Refused(name.as_str().to_owned()).into());
            }
            // The port is the connector's business.
            let found = found.into_iter().map(|address| SocketAddr::new(address, 0));
            Ok::<Addrs, Box<dyn Error + Send + Sync>>(Box::new(found))
        })
    }
}

/// A name leads to no address that a request may go to.
#[derive(Debug, thiserror::Error)]
#[error("`{0}` leads to no public address; list its network in `private-addresses` if it is yours")]
pub(super) struct Refused(String);

/// Whether what ended a request was that its address is none that it may go to.
pub(super) fn was_refused(error: &(dyn Error + 'static)) -> bool {
    let mut cause = Some(error);
    while let Some(error) = cause {
        if error.is::<Refused>() || is_refused(error) {
            return true;
        }
        cause = error.source();
    }

    false
}

/// A connector may wrap what a resolver said.
fn is_refused(error: &(dyn Error + 'static)) -> bool {
    error.downcast_ref::<io::Error>().and_then(io::Error::get_ref).is_some_and(|inner| inner.is::<Refused>())
}

/// Whether a literal address in a URL may be called: names go through the resolver, and these do not.
pub(super) fn literal_is_allowed(host: &str, listed: &[IpNet]) -> bool {
    let host = host.trim_start_matches('[').trim_end_matches(']');

    host.parse().map_or(true, |address| is_allowed(address, listed))
}
