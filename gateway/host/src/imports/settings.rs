//! The import `settings`.

use crate::bindings::settings::Host;
use crate::guest::State;

impl Host for State {
    fn get(&mut self, name: String) -> Option<String> {
        self.guest.settings.get(&name).cloned()
    }

    fn all(&mut self) -> Vec<(String, String)> {
        self.guest.settings.iter().map(|(name, value)| (name.clone(), value.clone())).collect()
    }
}
