//! How components are run.

use std::path::{Path, PathBuf};

use super::mistake::Problem;
use super::section::Section;
use super::value::{Value, path, size, truth};
use crate::assemble::COMPILER_MEMORY;

/// `[host]`: how components are run.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Host {
    /// `cache`: where compiled components are kept from one start to the next.
    pub(crate) cache: Cache,
    /// `cache-size`: how many bytes of them, at most; the oldest go first.
    pub(crate) cache_size: usize,
    /// `compiler-memory`: how many bytes compiling a component may take.
    pub(crate) compiler_memory: usize,
}

/// `cache`: where compiled components are kept.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Cache {
    /// In the data folder, where nothing is written.
    Data,
    /// In a folder of its own.
    Folder(PathBuf),
    /// `false`: nowhere. Every start compiles.
    Off,
}

impl Host {
    pub(super) fn read(section: Option<Section<'_>>, folder: &Path) -> Self {
        let default = Self::default();
        let Some(mut section) = section else { return default };

        let host = Self {
            cache: section.or("cache", default.cache, cache(folder)),
            cache_size: section.or("cache-size", default.cache_size, size),
            compiler_memory: section.or("compiler-memory", default.compiler_memory, size),
        };
        section.end();
        host
    }
}

impl Default for Host {
    fn default() -> Self {
        Self { cache: Cache::Data, cache_size: 512 << 20, compiler_memory: COMPILER_MEMORY }
    }
}

fn cache(folder: &Path) -> impl Fn(&Value<'_>) -> Result<Cache, Problem> {
    move |value| match truth(value) {
        Ok(true) => Ok(Cache::Data),
        Ok(false) => Ok(Cache::Off),
        Err(_) => path(folder)(value).map(Cache::Folder).map_err(|Problem { what, .. }| {
            Problem::new(what, "write a folder, absolute or relative to this file, or false for none")
        }),
    }
}
