//! What every provider does, and how it becomes a component's exports.

use crate::types::{CreateRequest, Created, Descriptor, KeyRef, Result, SignRequest};

/// A provider: what the gateway calls.
///
/// Any function may be called in a fresh instance, so nothing may be kept between two calls. A provider never
/// retries.
pub trait Provider {
    /// Says what the provider is. Called once when it is loaded; no capability answers meanwhile.
    fn describe(&self) -> Descriptor;

    /// Makes a key pair. Idempotent by key-id: a second call with the same one finishes or returns the first
    /// key, never makes another.
    ///
    /// # Errors
    ///
    /// [`Unsupported`](crate::ErrorKind::Unsupported), [`Throttled`](crate::ErrorKind::Throttled) and
    /// [`Unavailable`](crate::ErrorKind::Unavailable) keep their meaning for the caller; every other kind is
    /// for the operator.
    fn create_key(&self, request: &CreateRequest) -> Result<Created>;

    /// The public half of a key, as the custodian has it now: SubjectPublicKeyInfo, DER.
    ///
    /// # Errors
    ///
    /// Whatever the custodian says, in the closest [kind](crate::ErrorKind).
    fn public_key(&self, key: &KeyRef) -> Result<Vec<u8>>;

    /// Signs. ECDSA signatures are r and s, big-endian, each as long as the curve's order, one after the
    /// other; others are as their standard has them.
    ///
    /// # Errors
    ///
    /// [`Throttled`](crate::ErrorKind::Throttled) and [`Unavailable`](crate::ErrorKind::Unavailable) keep
    /// their meaning for the caller; every other kind is for the operator.
    fn sign(&self, request: &SignRequest) -> Result<Vec<u8>>;

    /// Destroys a key. Idempotent, and by key-id alone if there is no handle: destroying what is not there
    /// succeeds.
    ///
    /// # Errors
    ///
    /// Whatever the custodian says, in the closest [kind](crate::ErrorKind).
    fn destroy_key(&self, key: &KeyRef) -> Result<()>;

    /// Whether the provider could serve now. Cheap: called every few seconds.
    ///
    /// # Errors
    ///
    /// Why it could not.
    fn health(&self) -> Result<()>;
}

/// Makes a provider the exports of the component that this crate becomes.
///
/// Takes an expression that yields the provider; it is evaluated at each call. Elsewhere than in WebAssembly
/// nothing is exported, and the same crate is tested natively.
#[macro_export]
macro_rules! export {
    ($provider:expr $(,)?) => {
        #[cfg(not(target_arch = "wasm32"))]
        const _: fn() = || {
            fn exported(_: &impl $crate::Provider) {}

            exported(&$provider);
        };

        #[cfg(target_arch = "wasm32")]
        const _: () = {
            struct Exported;

            impl $crate::bindings::exports::keyport::provider::provider::Guest for Exported {
                fn describe() -> $crate::Descriptor {
                    $crate::Provider::describe(&$provider)
                }

                fn create_key(request: $crate::CreateRequest) -> $crate::Result<$crate::Created> {
                    $crate::Provider::create_key(&$provider, &request)
                }

                fn public_key(key: $crate::KeyRef) -> $crate::Result<Vec<u8>> {
                    $crate::Provider::public_key(&$provider, &key)
                }

                fn sign(request: $crate::SignRequest) -> $crate::Result<Vec<u8>> {
                    $crate::Provider::sign(&$provider, &request)
                }

                fn destroy_key(key: $crate::KeyRef) -> $crate::Result<()> {
                    $crate::Provider::destroy_key(&$provider, &key)
                }

                fn health() -> $crate::Result<()> {
                    $crate::Provider::health(&$provider)
                }
            }

    $crate::bindings::__export_provider!(Exported with_types_in $crate::bindings);
        };
    };
}
