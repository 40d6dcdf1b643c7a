//! How many calls a service takes.

use super::section::Section;
use super::value::count;

/// `[connection.rates]`: calls in a second, by what they are for. What is not there is not bounded, or as the kind of connection
/// has it.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct Rates {
    /// `sign`: signatures.
    pub(crate) sign: Option<u32>,
    /// `read`: public halves and descriptions.
    pub(crate) read: Option<u32>,
    /// `manage`: keys made and destroyed.
    pub(crate) manage: Option<u32>,
}

impl Rates {
    pub(super) fn read(connection: &mut Section<'_>) -> Self {
        let Some(mut section) = connection.table("rates") else { return Self::default() };
        let rates = Self {
            sign: section.optional("sign", count),
            read: section.optional("read", count),
            manage: section.optional("manage", count),
        };

        section.end();
        rates
    }
}
