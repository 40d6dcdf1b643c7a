//! Key rings of Google Cloud KMS in the backend's terms.

#[cfg(test)]
#[cfg(feature = "gcp")]
pub(super) use with::described;
#[cfg(feature = "gcp")]
pub(super) use with::opened;
#[cfg(not(feature = "gcp"))]
pub(super) use without::opened;

#[cfg(feature = "gcp")]
mod with {
    use std::sync::Arc;

    use anyhow::Result;
    use keyport_backends::cloud::Template;
    use keyport_backends::gcp::{Connection, Credentials, Gcp, Protection, Rsa};
    use keyport_core::backend::Backend;
    use tokio::runtime::Handle;

    use super::super::custodians::{DOUBT, Purpose};
    use super::super::rates::taken;
    use crate::config::{self, GcpCredentials, GcpProtection, GcpRsa};
    use crate::outside::outside;

    /// A key ring's backend. Nothing is sent.
    pub(in crate::assemble) fn opened(ring: &config::Gcp, purpose: Purpose) -> Result<Arc<dyn Backend>> {
        let clock = outside(Handle::current()).clock;

        Ok(Arc::new(Gcp::open(described(ring, purpose)?, clock)?))
    }

    pub(in crate::assemble) fn described(ring: &config::Gcp, purpose: Purpose) -> Result<Connection> {
        let protection = match ring.protection {
            GcpProtection::Hsm => Protection::Hsm,
            GcpProtection::Software => Protection::Software,
        };
        let labels = ring.labels.iter().map(|(name, text)| Ok((name.clone(), text.parse::<Template>()?)));

        Ok(Connection {
            key_ring: ring.key_ring.clone(),
            prefix: ring.prefix.clone(),
            endpoint: ring.endpoint.clone(),
            credentials: match ring.credentials.clone() {
                GcpCredentials::Default { file, folder, metadata } => {
                    Credentials::Default { file, folder, metadata }
                }
                GcpCredentials::File(file) => Credentials::File(file),
                GcpCredentials::Metadata(host) => Credentials::Metadata(host),
            },
            quota_project: ring.quota_project.clone(),
            protection,
            rsa: rsa(ring.rsa),
            labels: labels.collect::<Result<_>>()?,
            destroy_after: ring.destroy_after,
            verify: ring.verify,
            doubt: DOUBT,
            first: purpose == Purpose::Try,
            rates: taken(ring.rates, protection.rates()),
            ca: ring.ca.clone(),
            proxy: ring.proxy.clone(),
        })
    }

    fn rsa(rsa: GcpRsa) -> Rsa {
        match rsa {
            GcpRsa::Pkcs1Raw => Rsa::Pkcs1Raw,
            GcpRsa::Pkcs1Sha256 => Rsa::Pkcs1Sha256,
            GcpRsa::Pkcs1Sha512 => Rsa::Pkcs1Sha512,
            GcpRsa::PssSha256 => Rsa::PssSha256,
            GcpRsa::PssSha512 => Rsa::PssSha512,
        }
    }
}

#[cfg(not(feature = "gcp"))]
mod without {
    use std::sync::Arc;

    use anyhow::{Result, bail};
    use keyport_core::backend::Backend;

    use super::super::custodians::Purpose;
    use crate::config;

    pub(in crate::assemble) fn opened(_ring: &config::Gcp, _purpose: Purpose) -> Result<Arc<dyn Backend>> {
        bail!("this keyport was built without connections of kind \"gcp\": build it with `--features gcp`")
    }
}
