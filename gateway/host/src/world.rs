//! What a component exports: `provider` always, and of the rest what it has.

use wasmtime::Store;
use wasmtime::component::InstancePre;

use crate::bindings::{import_key, provider};
use crate::guest::State;

/// A linked component and where its exports are.
pub(crate) struct WorldPre {
    instance: InstancePre<State>,
    provider: provider::GuestIndices,
    import_key: Option<import_key::GuestIndices>,
}

impl WorldPre {
    /// Finds the exports. A component that has an optional one must have the whole of it.
    pub(crate) fn new(instance: InstancePre<State>) -> wasmtime::Result<Self> {
        let imports = instance.component().get_export_index(None, IMPORT_KEY).is_some();

        Ok(Self {
            provider: provider::GuestIndices::new(&instance)?,
            import_key: imports.then(|| import_key::GuestIndices::new(&instance)).transpose()?,
            instance,
        })
    }

    /// Whether it exports `import-key`.
    pub(crate) fn imports(&self) -> bool {
        self.import_key.is_some()
    }

    pub(crate) async fn instantiate(&self, store: &mut Store<State>) -> wasmtime::Result<World> {
        let instance = self.instance.instantiate_async(&mut *store).await?;
        let import_key = self.import_key.as_ref().map(|exports| exports.load(&mut *store, &instance));

        Ok(World {
            provider: self.provider.load(&mut *store, &instance).map_err(|error| error.context(PROVIDER))?,
            import_key: import_key.transpose().map_err(|error| error.context(IMPORT_KEY))?,
        })
    }
}

/// The exports of one instance.
pub(crate) struct World {
    pub(crate) provider: provider::Guest,
    pub(crate) import_key: Option<import_key::Guest>,
}

const IMPORT_KEY: &str = "keyport:provider/import-key@0.1.0";
const PROVIDER: &str = "keyport:provider/provider@0.1.0";
