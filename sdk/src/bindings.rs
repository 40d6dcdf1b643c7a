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
