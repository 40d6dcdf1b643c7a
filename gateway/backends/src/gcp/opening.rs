//! Prepares the way to a key ring: every mistake that shows without asking anybody shows here.

use std::sync::Arc;
use std::time::Duration;

use keyport_core::outside::Clock;
use reqwest::header::{HeaderMap, HeaderValue};

use super::connection::{Connection, OpenError};
use super::credentials::Source;
use super::methods::Service;
use super::name::{Names, is_prefix};
use super::rsa::Algorithms;
use super::{Gcp, making, now};
use crate::cloud::{Doubts, Rest, Web};
use crate::http;

impl Gcp {
    /// Prepares the connection; nothing is sent. To be called on the runtime where exchanges shall run. The clock dates what a
    /// service account signs for itself.
    ///
    /// Reads files.
    pub fn open(connection: Connection, clock: Arc<dyn Clock>) -> Result<Self, OpenError> {
        if !is_prefix(&connection.prefix) {
            return Err(OpenError::Prefix(connection.prefix));
        }
        let Some(names) = Names::in_ring(&connection.key_ring, &connection.prefix) else {
            return Err(OpenError::KeyRing(connection.key_ring));
        };
        let other = connection.labels.iter().find(|(label, _)| !making::is_label_of_others(label));
        if let Some((label, _)) = other {
            return Err(OpenError::Label(label.clone()));
        }
        let is_allowed = |time: &Duration| (DAY..=120 * DAY).contains(time);
        if !connection.destroy_after.as_ref().is_none_or(is_allowed) {
            return Err(OpenError::DestroyAfter);
        }

        let service = service(&connection, names, clock)?;
        Ok(Self {
            service,
            algorithms: Algorithms::new(),
            doubts: Doubts::new(now(), connection.doubt, connection.first),
            prefix: connection.prefix,
            protection: connection.protection,
            rsa: connection.rsa,
            labels: connection.labels,
            destroy_after: connection.destroy_after,
            verify: connection.verify,
        })
    }
}

fn service(connection: &Connection, names: Names, clock: Arc<dyn Clock>) -> Result<Service, OpenError> {
    let endpoint = http::base(&connection.endpoint).map_err(|_bad| OpenError::Endpoint)?;
    let mut fields = HeaderMap::new();
    if let Some(project) = &connection.quota_project {
        let project = HeaderValue::from_str(project).map_err(|_bad| OpenError::QuotaProject)?;
        fields.insert("x-goog-user-project", project);
    }

    let ca = connection.ca.as_deref();
    let web = Web::open(ca, connection.proxy.as_deref())?;
    let clients = (web.clone(), Web::open(ca, None)?);
    let source = Source::open(&connection.credentials, clients, Arc::clone(&clock))?;
    let rest = Rest::new(web, connection.rates, Box::new(source), fields);
    Ok(Service { rest, clock, endpoint, names })
}

const DAY: Duration = Duration::from_secs(24 * 3600);
