//! A custodian that somebody described: connections and a provider, as they stand in a configuration.

use std::path::Path;

use anyhow::{Context, Result};
use toml::de::{DeTable, DeValue};

/// A piece of a configuration.
#[derive(Clone, Debug)]
pub(crate) struct Written {
    /// The provider that makes new keys: the first one in it.
    pub(crate) provider: String,
    /// All of it.
    pub(crate) text: String,
}

impl Written {
    /// Reads the piece in `file`. What is wrong with it otherwise is said of the configuration that it becomes a part of.
    pub(crate) fn read(file: &Path) -> Result<Self> {
        let text =
            std::fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
        let table = DeTable::parse(&text).with_context(|| format!("{} is no TOML", file.display()))?;
        let provider = table.get_ref().get("provider").and_then(|providers| {
            let first = providers.get_ref().as_array()?.iter().next()?;
            first.get_ref().as_table()?.get("name").map(|name| name.get_ref())
        });
        let Some(DeValue::String(provider)) = provider else {
            anyhow::bail!("{} has no [[provider]] with a name, to make keys with", file.display());
        };

        let provider = provider.clone().into_owned();
        Ok(Self { provider, text })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Written> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();

        Written::read(file.path())
    }

    #[test]
    fn the_first_provider_makes_new_keys() {
        let written = read("[[provider]]\nname = \"one\"\n[[provider]]\nname = \"two\"\n").unwrap();

        assert_eq!(written.provider, "one");
    }

    #[test]
    fn a_piece_without_a_provider_is_refused_by_name() {
        for piece in
            ["", "provider = 1", "[[provider]]\nname = 1", "[provider]\nname = \"one\"", "provider = []"]
        {
            let refused = read(piece).unwrap_err().to_string();
            assert!(refused.contains("[[provider]] with a name"), "{piece}: {refused}");
        }
        assert!(read("[[").unwrap_err().to_string().contains("no TOML"));
    }
}
