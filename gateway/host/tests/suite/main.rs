//! What the host promises of the guests it runs, shown with guests that behave and guests that do not.

#![expect(clippy::indexing_slicing, clippy::unwrap_used, clippy::panic, reason = "a test")]

mod admission;
mod bounds;
mod calls;
mod cloud_kms;
mod code;
mod compiling;
mod composed;
mod crafted;
mod handles;
mod lines;
mod log;
mod loops;
mod mutants;
mod pkcs11;
mod support;
mod wasi;
