//! What a module has, as it says itself.

use serde::{Deserialize, Serialize};

use super::mechanism::Offers;

/// What a module has.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Inventory {
    /// The library's manufacturer, description and version.
    pub library: String,
    /// The version of PKCS#11 that it speaks.
    pub standard: String,
    /// Its slots.
    pub slots: Vec<SlotFound>,
}

/// A slot.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct SlotFound {
    /// Its number, which many libraries choose anew at every start.
    pub number: u64,
    /// What the library calls it.
    pub description: String,
    /// What is in it; `None` where nothing is.
    pub token: Option<TokenFound>,
}

/// A token.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct TokenFound {
    /// What it says of itself, or why that cannot be read.
    pub facts: Result<TokenFacts, String>,
    /// The mechanisms that it lists, or why it lists none.
    pub mechanisms: Result<Offers, String>,
}

/// What a token says of itself.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct TokenFacts {
    /// Its label.
    pub label: String,
    /// Who made it.
    pub manufacturer: String,
    /// Its model.
    pub model: String,
    /// Its serial number.
    pub serial: String,
    /// Whether it has been initialised.
    pub initialised: bool,
    /// Whether it wants a login.
    pub login_required: bool,
    /// Whether nothing can be made or destroyed on it.
    pub write_protected: bool,
    /// What it says of the user's PIN, if that is anything to worry about.
    pub pin: Option<PinState>,
    /// Sessions that it can have at once; `None` where it names no limit.
    pub most_sessions: Option<u64>,
}

/// What is to worry about a PIN.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub enum PinState {
    /// A wrong one was tried since the last right one.
    CountLow,
    /// One more wrong one locks it.
    FinalTry,
    /// It is locked.
    Locked,
    /// It must be changed before it is taken.
    ToBeChanged,
    /// The security officer has set none.
    NotInitialised,
}

impl TokenFacts {
    /// What tells this token from every other.
    #[must_use]
    pub fn identity(&self) -> String {
        // A serial number is unique for a manufacturer's model only.
        format!("{}/{}/{}", self.manufacturer, self.model, self.serial)
    }
}
