//! What the backends for key management services share: every call to a service goes through its account's [`Gate`], which
//! paces it, retries it where that is safe, and stops asking a service that does not answer.

mod breaker;
mod bucket;
#[cfg_attr(not(test), expect(dead_code, reason = "for services that take one hash for each curve"))]
mod digest;
#[cfg_attr(
    not(test),
    expect(dead_code, reason = "for services that make another key when they are asked twice")
)]
mod gate;
mod publics;
#[cfg_attr(not(test), expect(dead_code, reason = "for services that have a place for names"))]
mod template;

pub use bucket::{Rate, Rates};
#[expect(unused_imports, reason = "for services that take one hash for each curve")]
pub(crate) use digest::widened;
pub(crate) use gate::{Call, Gate, Retry};
pub(crate) use publics::Publics;
pub use template::{BadTemplate, Template};
