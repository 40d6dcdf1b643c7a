//! Native code that reaches key custodians: implements core's `Backend` port once per kind of custodian.
//!
//! Only custody calls what is here, and only the server's assembly names it. What blocks or computes for long goes
//! through one door, [`blocking::Door`], bounded in number and time.
//!
//! - `aws`: AWS KMS (feature `aws`).
//! - `azure`: Azure Key Vault (feature `azure`).
//! - `cloud`: what the backends for key management services share.
//! - [`derived`]: Ed25519 keys that follow from a seed, for development.
//! - `gcp`: Google Cloud KMS (feature `gcp`).
//! - [`http`]: custodians that speak HTTP, whose providers word the requests.
//! - [`soft`]: the token in the gateway's own process, whose keys lie sealed in the gateway's store.
//! - `vault`: the transit engine of Vault and OpenBao (feature `vault`).
//! - [`pkcs11`]: HSMs and other tokens, through a vendor's library in a [`worker`] process.

#[cfg(feature = "aws")]
pub mod aws;
#[cfg(feature = "azure")]
pub mod azure;
pub mod blocking;
#[cfg(any(feature = "aws", feature = "azure", feature = "gcp", feature = "vault"))]
#[cfg_attr(
    not(all(feature = "aws", feature = "azure", feature = "gcp", feature = "vault")),
    allow(dead_code, unused_imports, reason = "each service needs some of it")
)]
pub mod cloud;
pub mod derived;
#[cfg(feature = "gcp")]
pub mod gcp;
pub mod http;
pub mod pkcs11;
mod random;
pub mod secret_file;
pub mod soft;
#[cfg(feature = "vault")]
pub mod vault;
pub mod worker;
