//! What the gateway means: types, rules, custody and ports.
//!
//! Programs that need signatures reach the [`Gateway`] through a contract. It asks the [`policy`] whether the
//! caller may, enters what was allowed as an operation in [`custody`]'s ledger, and calls a
//! [`Provider`](provider::Provider). Whatever the provider wants from a custodian goes through custody, which alone
//! calls a [`Backend`](backend::Backend) and keeps what came back. Nothing leaves before the
//! [`AuditLog`](audit::AuditLog) has it.
//!
//! This crate does no I/O: what it needs from outside comes in through the ports in [`audit`], [`backend`],
//! [`outside`], [`provider`] and [`store`], which other crates implement.

pub mod audit;
pub mod backend;
pub mod caller;
pub mod custody;
mod error;
mod every;
mod failure;
pub mod gateway;
pub mod grant;
pub mod import;
pub mod input;
pub mod key;
pub mod name;
pub mod outbound;
pub mod outside;
pub mod policy;
pub mod provider;
pub mod public_key;
pub mod quota;
pub mod room;
pub mod scheme;
pub mod secret;
pub mod signature;
pub mod store;
#[cfg(test)]
mod testing;
pub mod trial;

pub use error::{Cause, Error, Result};
pub use failure::{Failure, FailureKind};
pub use gateway::Gateway;
