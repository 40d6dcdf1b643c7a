//! What is to be done at a service, and by when.

use std::time::Instant;

/// What a call is for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Class {
    /// A signature.
    Sign,
    /// Something to be read.
    Read,
    /// Something to be changed.
    Manage,
}

/// Whether a call can be made again when nobody knows what became of it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Retry {
    /// It changes nothing, or nothing more the second time.
    Safe,
    /// It may have made something.
    Never,
}

/// A call to be made.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Call {
    /// What it is for.
    pub(crate) class: Class,
    /// Whether it can be made again.
    pub(crate) retry: Retry,
    /// When it must have ended.
    pub(crate) deadline: Instant,
}

impl Call {
    /// A signature: made twice, it is two signatures of the same, and only one leaves.
    pub(crate) fn sign(deadline: Instant) -> Self {
        Self { class: Class::Sign, retry: Retry::Safe, deadline }
    }

    /// Something to be read.
    pub(crate) fn read(deadline: Instant) -> Self {
        Self { class: Class::Read, retry: Retry::Safe, deadline }
    }

    /// Something to be changed.
    pub(crate) fn manage(retry: Retry, deadline: Instant) -> Self {
        Self { class: Class::Manage, retry, deadline }
    }
}
