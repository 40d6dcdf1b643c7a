//! Native code that reaches key custodians: implements core's `Backend` port once per kind of custodian.
//!
//! Only custody calls what is here, and only the server's assembly names it. What blocks or computes for long goes
//! through one door, [`blocking::Door`], bounded in number and time.
//!
//! - [`soft`]: the token in the gateway's own process, whose keys lie sealed in the gateway's store.

pub mod blocking;
pub mod soft;
