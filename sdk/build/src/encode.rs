//! A core module becomes a component.

use wasmparser::{Chunk, Parser, Payload};
use wit_component::ComponentEncoder;

use crate::error::{Error, Result};

/// Wraps `module`, a core module that the SDK's `export!` was used in, as a component.
///
/// # Errors
///
/// [`Error::Encode`] where it is no such module.
pub fn encode(module: &[u8]) -> Result<Vec<u8>> {
    let component = ComponentEncoder::default()
        .module(module)
        .and_then(|encoder| encoder.validate(true).encode())
        .map_err(|error| Error::Encode(error.into()))?;

    without_custom_sections(&component)
}

/// The component without its own custom sections: names for debuggers, and who made it.
pub(crate) fn without_custom_sections(component: &[u8]) -> Result<Vec<u8>> {
    let mut parser = Parser::new(0);
    let mut rest = component;
    let mut kept = Vec::with_capacity(component.len());

    loop {
        let (size, custom, end) = match parser.parse(rest, true).map_err(encoded)? {
            // A module or component inside is taken as it is.
            Chunk::Parsed {
                payload:
                    Payload::ModuleSection { unchecked_range, .. }
                    | Payload::ComponentSection { unchecked_range, .. },
                consumed,
            } => {
                let inside = unchecked_range.len();
                (consumed + inside, false, false)
            }
            Chunk::Parsed { payload, consumed } => {
                (consumed, matches!(payload, Payload::CustomSection(_)), matches!(payload, Payload::End(_)))
            }
            Chunk::NeedMoreData(_) => return Err(encoded("the component ends within a section")),
        };

        let Some((section, after)) = rest.split_at_checked(size) else {
            return Err(encoded("the component ends within a section"));
        };
        if !custom {
            kept.extend_from_slice(section);
        }
        if end {
            return Ok(kept);
        }
        rest = after;
    }
}

pub(crate) fn encoded(error: impl Into<Box<dyn core::error::Error + Send + Sync>>) -> Error {
    Error::Encode(error.into())
}
