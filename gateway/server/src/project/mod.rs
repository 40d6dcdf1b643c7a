//! Folders in which somebody writes a provider: made new, and built into a component.

mod build;
mod language;
mod new;
mod template;

pub(crate) use build::build;
pub(crate) use language::Language;
pub(crate) use new::new;

/// What a provider may reach, in a project's folder: the part of a configuration that follows its `[[provider]]`.
pub(crate) const GRANTS: &str = "grants.toml";
