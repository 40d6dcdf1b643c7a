//! What `wit-bindgen` makes of the WIT package: the rest of the crate gives it a nicer shape.

wit_bindgen::generate!({
    path: "../wit",
    world: "provider-world",
    generate_all,
    additional_derives: [Eq, PartialEq],
    default_bindings_module: "keyport_sdk::bindings",
    export_macro_name: "__export_provider",
    pub_export_macro: true,
});

/// What a provider may export besides: a world of its own for each, so that a component exports any of them or none.
/// The worlds of a component are added up when it is made.
pub mod import_key {
    wit_bindgen::generate!({
        path: "../wit",
        inline: "
            package keyport:sdk;
            world import-key-world { export keyport:provider/import-key@0.1.0; }
        ",
        with: { "keyport:provider/types@0.1.0": crate::bindings::keyport::provider::types },
        additional_derives: [Eq, PartialEq],
        default_bindings_module: "keyport_sdk::bindings::import_key",
        export_macro_name: "__export_import_key",
        pub_export_macro: true,
    });
}
