//! What the author of a Keyport provider needs.
//!
//! A provider is a WebAssembly component that knows one kind of key custodian. It holds no keys: it is told
//! what to do by the gateway, and reaches its custodian through capabilities that the gateway grants, each a
//! small trait: [`SoftToken`], [`Pkcs11`], [`CloudKms`], [`Http`], [`Settings`], [`Log`], [`Random`], [`Clock`]. Write a provider as a
//! type that implements [`Provider`], generic over the capabilities it uses (those are what its component
//! imports), and [`export!`] it with [`Gateway`] in their place. `testing::Host` takes that place in unit tests.
//!
//! ```
//! use keyport_sdk::{
//!     CreateRequest, Created, Descriptor, Hash, KeyRef, KeyType, Log, Mechanism, Provider, Result, Scheme,
//!     SignRequest, SoftToken,
//! };
//!
//! /// P-256 keys in the gateway's embedded token.
//! struct Example<H>(H);
//!
//! impl<H: Log + SoftToken> Provider for Example<H> {
//!     fn describe(&self) -> Descriptor {
//!         Descriptor::new("example", env!("CARGO_PKG_VERSION"))
//!             .offer(KeyType::EcP256, [Scheme::Ecdsa(Hash::Sha256)])
//!     }
//!
//!     fn create_key(&self, request: &CreateRequest) -> Result<Created> {
//!         let public_key = self.0.generate(&request.key_id, request.key_type)?;
//!         self.0.info(&format!("made {}", request.key_id));
//!
//!         Ok(Created { handle: None, public_key })
//!     }
//!
//!     fn public_key(&self, key: &KeyRef) -> Result<Vec<u8>> {
//!         self.0.public_key(&key.key_id)
//!     }
//!
//!     fn sign(&self, request: &SignRequest) -> Result<Vec<u8>> {
//!         self.0.sign(&request.key.key_id, Mechanism::try_from(request.scheme)?)
//!     }
//!
//!     fn destroy_key(&self, key: &KeyRef) -> Result<()> {
//!         self.0.destroy(&key.key_id)
//!     }
//!
//!     fn health(&self) -> Result<()> {
//!         self.0.health()
//!     }
//! }
//!
//! keyport_sdk::export!(Example(keyport_sdk::Gateway));
//!
//! // And how it is tested:
//! use keyport_sdk::testing::{Call, Host};
//!
//! let host = Host::new().answer(Ok(b"a signature".to_vec()));
//! let key = KeyRef { key_id: "k1".to_owned(), handle: None };
//! let request = SignRequest {
//!     key,
//!     scheme: Scheme::Ecdsa(Hash::Sha256),
//!     input: keyport_sdk::Input::Digest(vec![0; 32]),
//! };
//!
//! assert_eq!(Example(&host).sign(&request).unwrap(), b"a signature");
//! assert_eq!(host.calls(), [Call::Sign { key_id: "k1".to_owned(), mechanism: Mechanism::Ecdsa }]);
//! ```
//!
//! The package is a `cdylib`, built for `wasm32-unknown-unknown` and wrapped as a component (the crate
//! `keyport-sdk-build` does both). It then imports the capabilities that it uses and nothing else.
//!
//! A provider that can do more implements more: [`ImportKey`] where its custodian takes over keys that were made
//! elsewhere. `export!` is told: `export!(Example(Gateway), ImportKey)`.
//!
//! # What to know
//!
//! - Any function may be called in a fresh instance: keep nothing between two calls. What a key needs to be
//!   found again goes into its handle.
//! - Never retry. The gateway does where that is safe.
//! - Take randomness from [`Random`], time from [`Clock`]: there are no others.
//! - With the feature `arena` (the default) this crate brings a global allocator on a static arena, which
//!   spares the gateway the growing of the memory at each call.

#[cfg(all(feature = "arena", any(test, target_arch = "wasm32")))]
mod arena;
#[doc(hidden)]
#[expect(clippy::mem_forget, reason = "generated")]
pub mod bindings;
mod capability;
pub mod cloud_kms;
pub mod http;
pub mod pkcs11;
mod provider;
#[cfg(not(target_arch = "wasm32"))]
pub mod testing;
mod types;

pub use crate::capability::{
    Clock, CloudKms, Gateway, Http, Level, Log, Pkcs11, Random, Settings, SoftToken,
};
#[doc(hidden)]
pub use crate::provider::__create_key;
pub use crate::provider::{ImportKey, Provider};
pub use crate::types::{
    CreateRequest, Created, Descriptor, Error, ErrorKind, Hash, ImportRequest, Input, KeyRef, KeyType, Label,
    Mechanism, Offer, Result, Scheme, SignRequest, Usage,
};
