//! The WIT package `keyport:provider`, as wasmtime's bindings have it.

wasmtime::component::bindgen!({
    world: "importing-provider-world",
    path: "../../wit",
    imports: {
        "keyport:provider/cloud-kms": async | trappable,
        // They answer at once, and need no fiber to wait on.
        "keyport:provider/cloud-kms.[drop]key": trappable,
        "keyport:provider/cloud-kms.[static]key.find": trappable,
        "keyport:provider/http": async | trappable,
        "keyport:provider/pkcs11": async | trappable,
        "keyport:provider/pkcs11.[drop]key-pair": trappable,
        "keyport:provider/pkcs11.[static]key-pair.find": trappable,
        "keyport:provider/random": trappable,
        "keyport:provider/soft-token": async | trappable,
    },
    exports: { default: async },
    trappable_error_type: { "keyport:provider/types.error" => keyport_core::Failure },
    require_store_data_send: true,
    with: {
        "keyport:provider/cloud-kms.key": crate::imports::held::Held,
        "keyport:provider/pkcs11.key-pair": crate::imports::held::Held,
    },
});

pub(crate) use exports::keyport::provider::{import_key, provider};
pub(crate) use keyport::provider::{
    clock, cloud_kms, http, log, pkcs11, random, settings, soft_token, types,
};
