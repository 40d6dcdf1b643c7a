//! Servers that answer as key management services are documented to, with real keys and real signatures, on an address of
//! this machine; and that misbehave when a test tells them to.
//!
//! That each is taken for the service by its vendor's own client is tested where the gateway's backend for it is.
#![expect(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a test ends by panicking, and so does what it is made of"
)]

mod answer;
mod asked;
pub mod aws;
pub mod azure;
mod clock;
mod fault;
pub mod gcp;
mod stand_in;

pub use answer::Answer;
pub use asked::Asked;
pub use clock::wall;
pub use fault::{Fault, Faults};
pub use stand_in::{Service, StandIn};
