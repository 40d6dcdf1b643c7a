//! What every provider does, and how it becomes a component's exports.

use crate::types::{CreateRequest, Created, Descriptor, Error, ImportRequest, KeyRef, Result, SignRequest};

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
    /// [`Unsupported`](crate::ErrorKind::Unsupported) where the custodian tells it but once, when the key is made.
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

    /// Whether the provider could serve now. Cheap: called several times a minute.
    ///
    /// # Errors
    ///
    /// Why it could not.
    fn health(&self) -> Result<()>;
}

/// A provider whose custodian can take over key pairs that were made elsewhere.
///
/// The gateway holds such a key pair and hands it to the custodian itself; the provider only passes on what it is
/// named by. Without this trait among its exports a provider is never asked.
pub trait ImportKey: Provider {
    /// Has the custodian take over a key pair. Idempotent by key-id: a second call with the same one finishes or
    /// returns the first key.
    ///
    /// # Errors
    ///
    /// As for [`Provider::create_key`]; besides, [`InvalidArgument`](crate::ErrorKind::InvalidArgument) says that
    /// the halves of the key pair do not belong together.
    fn import_key(&self, request: &ImportRequest) -> Result<Created>;
}

/// Refuses what the provider does not offer before it is asked: a custodian may offer more than its provider knows.
#[doc(hidden)]
pub fn __create_key(provider: &impl Provider, request: &CreateRequest) -> Result<Created> {
    let offers = provider.describe().offers;
    if offers.iter().all(|offer| offer.key_type != request.key_type) {
        return Err(Error::unsupported(format!("{} is not offered", request.key_type)));
    }

    provider.create_key(request)
}

/// Makes a provider the exports of the component that this crate becomes.
///
/// Takes an expression that yields the provider; it is evaluated at each call. The traits that it implements
/// besides [`Provider`] follow: `export!(Example(Gateway), ImportKey)`. Elsewhere than in WebAssembly nothing is
/// exported, and the same crate is tested natively.
#[macro_export]
macro_rules! export {
    ($provider:expr $(, $optional:ident)* $(,)?) => {
        #[cfg(not(target_arch = "wasm32"))]
        const _: fn() = || {
            fn exported(_: &impl $crate::Provider) {}

            exported(&$provider);
            $({
                fn exported(_: &impl $crate::$optional) {}

                exported(&$provider);
            })*
        };

        #[cfg(target_arch = "wasm32")]
        const _: () = {
            struct Exported;

            impl $crate::bindings::exports::keyport::provider::provider::Guest for Exported {
                fn describe() -> $crate::Descriptor {
                    $crate::Provider::describe(&$provider)
                }

                fn create_key(request: $crate::CreateRequest) -> $crate::Result<$crate::Created> {
                    $crate::__create_key(&$provider, &request)
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
            $($crate::__export_optional!($optional, Exported, $provider);)*
        };
    };
}

/// The exports of an optional trait.
#[doc(hidden)]
#[macro_export]
macro_rules! __export_optional {
    (ImportKey, $exported:ident, $provider:expr) => {
        impl $crate::bindings::import_key::exports::keyport::provider::import_key::Guest for $exported {
            fn import_key(request: $crate::ImportRequest) -> $crate::Result<$crate::Created> {
                $crate::ImportKey::import_key(&$provider, &request)
            }
        }

        $crate::bindings::import_key::__export_import_key!(
            $exported with_types_in $crate::bindings::import_key
        );
    };
}
