//! Components from outside: by whom they are signed.

mod key;
mod signature;
#[cfg(test)]
mod tests;

pub(crate) use key::{Signer, SigningKey};
pub(crate) use signature::{Signatures, Unsigned, file_beside, signers};
