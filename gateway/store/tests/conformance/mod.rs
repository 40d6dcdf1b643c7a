//! What every adapter of core's storage ports promises. Each suite takes a way to open an empty store; the guard that
//! comes with it keeps the store alive.

mod keys;
mod sealed;

use keyport_core::key::{Key, KeyId, KeyName, NativeId};
use keyport_core::name::TenantId;
use keyport_core::outside::Timestamp;
use keyport_core::public_key::PublicKey;
use keyport_core::scheme::KeyType;

pub use keys::keys;
pub use sealed::sealed_keys;

/// A tenant's id.
pub fn tenant(name: &str) -> TenantId {
    name.parse().unwrap()
}

/// The name of a key.
pub fn name(name: &str) -> KeyName {
    KeyName::new("name", name).unwrap()
}

/// The key-id that ends in this number.
pub fn id(number: u32) -> KeyId {
    format!("{number:032x}").parse().unwrap()
}

/// A pending row of tenant `acme`.
pub fn pending(key_name: &str, number: u32) -> Key {
    pending_of("acme", key_name, number)
}

/// A pending row.
pub fn pending_of(owner: &str, key_name: &str, number: u32) -> Key {
    let provider = ("soft".parse().unwrap(), Timestamp(1_700_000_000_000 + u64::from(number)));

    Key::pending(tenant(owner), name(key_name), id(number), KeyType::EcP256, provider)
}

/// The same row once the backend made the object.
pub fn made(key: &Key, object: &str) -> Key {
    key.planned("token".parse().unwrap()).made(NativeId::new(object), public(object))
}

/// A public half, not on the curve, that differs from object to object.
pub fn public(object: &str) -> PublicKey {
    let mut der = hex::decode("3059301306072a8648ce3d020106082a8648ce3d03010703420004").unwrap();
    der.extend(object.bytes().chain(std::iter::repeat(0)).take(64));

    PublicKey::from_der(&der).unwrap()
}
