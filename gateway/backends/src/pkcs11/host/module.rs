//! The vendor's library, loaded and initialised.

use std::path::Path;

use cryptoki::context::Pkcs11;
use cryptoki::error::Error;
use cryptoki::slot::{Limit, Slot, TokenInfo};

use super::super::ckr::{Then, Trouble};
use super::super::inventory::{Inventory, PinState, SlotFound, TokenFacts, TokenFound};
use super::super::mechanism::{Offer, Offers};
use super::super::refusal::Refusal;
use super::initialise::initialise;

/// The vendor's library, initialised.
#[derive(Clone, Debug)]
pub(super) struct Module(pub(super) Pkcs11);

impl Module {
    /// Loads and initialises the library.
    pub(super) fn load(path: &Path, initialisation: Option<&str>) -> Result<Self, Refusal> {
        if !path.exists() {
            return Err(Refusal::ModuleMissing(path.to_owned()));
        }
        let unusable = |why: String| Refusal::Module { module: path.to_owned(), why };
        let library = Pkcs11::new(path).map_err(|error| unusable(reason(error)))?;

        match initialise(&library, initialisation) {
            Ok(()) => Ok(Self(library)),
            Err(error @ Error::Pkcs11(..)) => Err(match Trouble::from(error) {
                // What the library is a client of is not there, and may come.
                Trouble { failure, then: Then::Restart } => Refusal::Away(failure.message),
                Trouble { failure, .. } => Refusal::Initialisation(failure.message),
            }),
            Err(error) => Err(unusable(reason(error))),
        }
    }

    /// Everything that the library says of itself and its tokens.
    pub(super) fn inventory(&self) -> Result<Inventory, Trouble> {
        let library = self.0.get_library_info()?;
        let mut slots = Vec::new();
        for slot in self.0.get_all_slots()? {
            slots.push(self.slot(slot)?);
        }

        Ok(Inventory {
            library: format!(
                "{} {} {}",
                library.manufacturer_id(),
                library.library_description(),
                library.library_version()
            ),
            standard: library.cryptoki_version().to_string(),
            slots,
        })
    }

    fn slot(&self, slot: Slot) -> Result<SlotFound, Trouble> {
        let found = self.0.get_slot_info(slot)?;
        let token = found.token_present().then(|| TokenFound {
            facts: self.facts(slot).map_err(|trouble| trouble.failure.message),
            mechanisms: self.offers(slot).map_err(|trouble| trouble.failure.message),
        });

        Ok(SlotFound { number: slot.id(), description: found.slot_description().trim().to_owned(), token })
    }

    /// What a token says of itself. Some cannot be read, and work all the same.
    pub(super) fn facts(&self, slot: Slot) -> Result<TokenFacts, Trouble> {
        let token = self.0.get_token_info(slot)?;

        Ok(TokenFacts {
            label: token.label().trim_end().to_owned(),
            manufacturer: token.manufacturer_id().trim_end().to_owned(),
            model: token.model().trim_end().to_owned(),
            serial: token.serial_number().trim_end().to_owned(),
            initialised: token.token_initialized(),
            login_required: token.login_required(),
            write_protected: token.write_protected(),
            pin: pin(&token),
            most_sessions: match token.max_session_count() {
                Limit::Max(most) => Some(most),
                Limit::Infinite | Limit::Unavailable => None,
            },
        })
    }

    /// The mechanisms of a token, of those that the standard has.
    pub(super) fn offers(&self, slot: Slot) -> Result<Offers, Trouble> {
        let mut offers = Vec::new();
        for ckm in self.0.get_mechanism_list(slot)? {
            let found = self.0.get_mechanism_info(slot, ckm)?;
            let size = |size: usize| u64::try_from(size).unwrap_or(u64::MAX);
            offers.push(Offer {
                code: *ckm,
                smallest: size(found.min_key_size()),
                largest: size(found.max_key_size()),
                generates: found.generate_key_pair(),
                signs: found.sign(),
            });
        }

        Ok(Offers(offers))
    }
}

/// The most alarming of what a token says of its PIN.
fn pin(token: &TokenInfo) -> Option<PinState> {
    let states = [
        (token.user_pin_locked(), PinState::Locked),
        (token.user_pin_final_try(), PinState::FinalTry),
        (token.user_pin_to_be_changed(), PinState::ToBeChanged),
        (!token.user_pin_initialized(), PinState::NotInitialised),
        (token.user_pin_count_low(), PinState::CountLow),
    ];

    states.into_iter().find_map(|(is_so, state)| is_so.then_some(state))
}

fn reason(error: Error) -> String {
    if let Error::LibraryLoading(error) = error {
        return error.to_string();
    }
    if let Error::MissingSymbol(name) = error {
        return format!("it has no {name}");
    }

    Trouble::from(error).failure.message
}
