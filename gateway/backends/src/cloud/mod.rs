//! What the backends for key management services share: every call to a service goes through its account's gate, which
//! paces it, retries it where that is safe, and stops asking a service that does not answer.

mod breaker;
mod bucket;
mod call;
mod digest;
mod doubt;
mod form;
#[cfg(any(fuzzing, test))]
pub mod fuzz;
mod gate;
pub(crate) mod jwt;
mod patience;
mod publics;
mod rest;
mod revived;
mod said;
mod setback;
mod shown;
mod template;
mod tokens;
mod turns;
mod web;

pub use bucket::{Rate, Rates};
#[cfg(feature = "vault")]
pub(crate) use call::Class;
pub(crate) use call::{Call, Retry};
pub(crate) use digest::widened;
pub(crate) use doubt::Doubts;
#[cfg(feature = "aws")]
pub(crate) use doubt::{Raised, is_answer};
pub(crate) use form::posted;
pub(crate) use gate::Gate;
pub(crate) use patience::Patience;
pub(crate) use publics::Publics;
pub(crate) use rest::Rest;
pub(crate) use revived::{MOMENT, Revived};
pub(crate) use said::said;
pub(crate) use setback::Setback;
pub(crate) use shown::Shown;
pub use template::{BadTemplate, Template};
pub(crate) use tokens::{Issuer, Token, Tokens};
pub(crate) use turns::Turns;
pub use web::WebError;
pub(crate) use web::{Web, host};

use keyport_core::{Failure, FailureKind};

/// Says that the key of this name is not deleted: it does not bear the gateway's mark and the key-id that it was asked for by.
pub(crate) fn not_own(name: &str) -> Failure {
    Failure::new(FailureKind::Denied, format!("`{name}` was not made for this key, and is not deleted"))
}
