//! Runs provider components in wasmtime.
//!
//! A [`Host`] holds one hardened engine. [`Host::load`] admits a component: its size and digest are checked, what it
//! imports is compared with what its provider is granted, it is compiled, instantiated once and asked to describe
//! itself. What comes out implements [`Provider`](keyport_core::provider::Provider): each call gets an instance, a
//! deadline and [`Limits`], and whatever the guest asks of its imports is passed on to
//! [`Capabilities`](keyport_core::custody::Capabilities) with the operation's id. This crate decides nothing about
//! keys. It decides what a guest may cost.
//!
//! Whoever makes the host may hand it a [`CodeCache`], so that what was compiled once need not be compiled again, and a
//! [`Compiler`], so that what is not trusted is compiled in a process that may end.
//!
//! Guests of providers that are not trusted run on threads of their own, at a lower priority than the caller's.

mod bindings;
mod call;
mod code;
mod compiler;
mod convert;
mod engine;
mod export;
mod guest;
mod host;
mod imports;
mod inspect;
mod instances;
mod limits;
mod lines;
mod load;
mod meter;
mod refusal;
mod stats;
mod tenants;
mod text;
mod threads;
mod world;

pub use code::{CodeCache, CodeStore};
pub use compiler::{Compiler, compiler_host};
pub use host::{Host, HostError, HostOptions};
pub use imports::Need;
pub use inspect::{Import, Inspection, identify};
pub use instances::Instances;
pub use limits::Limits;
pub use load::Source;
pub use refusal::{Detail, LoadError, Refusal, RefusedImport};
pub use stats::{Bound, ProviderStats};
