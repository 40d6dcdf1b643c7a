//! The WIT package `keyport:provider`, as wasmtime's bindings have it.

wasmtime::component::bindgen!({
    world: "importing-provider-world",
    path: "../../wit",
    imports: {
        "keyport:provider/random": trappable,
        "keyport:provider/soft-token": async | trappable,
    },
    exports: { default: async },
    trappable_error_type: { "keyport:provider/types.error" => keyport_core::Failure },
    require_store_data_send: true,
});

pub(crate) use exports::keyport::provider::{import_key, provider};
pub(crate) use keyport::provider::{clock, log, random, settings, soft_token, types};
