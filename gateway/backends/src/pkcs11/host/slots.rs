//! Which slot has the configured token.

use cryptoki::slot::Slot;

use super::super::connection::TokenChoice;
use super::super::inventory::{SlotFound, TokenFacts};
use super::super::refusal::Refusal;
use super::away;
use super::module::Module;

/// The slot with the configured token.
#[derive(Debug)]
pub(super) struct Chosen {
    pub(super) slot: Slot,
    /// What the token says of itself, where that can be read.
    pub(super) facts: Option<TokenFacts>,
}

impl Chosen {
    /// What tells the token from every other.
    pub(super) fn identity(&self) -> String {
        match &self.facts {
            Some(facts) => facts.identity(),
            None => format!("slot {}", self.slot),
        }
    }
}

/// Finds the slot. A token whose information cannot be read is passed over, or taken where its slot is named.
pub(super) fn choose(module: &Module, wanted: &TokenChoice) -> Result<Chosen, Refusal> {
    let inventory = module.inventory().map_err(away)?;
    let fits = |slot: &&SlotFound| match wanted {
        TokenChoice::Slot(number) => slot.number == *number,
        TokenChoice::Label(label) => facts(slot).is_some_and(|facts| facts.label == *label),
        TokenChoice::Serial(serial) => facts(slot).is_some_and(|facts| facts.serial == *serial),
    };

    let found: Vec<&SlotFound> = inventory.slots.iter().filter(fits).collect();
    match found.as_slice() {
        [one] if one.token.is_none() => Err(Refusal::Away(format!("slot {} is empty", one.number))),
        [one] => {
            let slot = Slot::try_from(one.number).map_err(|error| away(error.into()))?;
            Ok(Chosen { slot, facts: facts(one).cloned() })
        }
        // A reader without its card: the token may come.
        [] if !inventory.slots.iter().any(|slot| slot.token.is_some()) => Err(Refusal::Away(format!(
            "the library has {} slots, and a token in none",
            inventory.slots.len()
        ))),
        // Several are no better than none: a key would be made on the wrong one.
        [] | [_, ..] => Err(unknown(wanted, &inventory.slots)),
    }
}

/// Refuses a token that is another one than before, under the same name: its objects are other keys.
pub(super) fn confirm(chosen: &Chosen, identity: Option<String>) -> Result<(), Refusal> {
    let found = chosen.identity();
    match identity {
        Some(bound) if bound != found => Err(Refusal::OtherToken { bound, found }),
        Some(_) | None => Ok(()),
    }
}

fn unknown(wanted: &TokenChoice, slots: &[SlotFound]) -> Refusal {
    let there = slots.iter().filter(|slot| slot.token.is_some());

    Refusal::UnknownToken { wanted: wanted.clone(), there: there.map(describe).collect() }
}

fn describe(slot: &SlotFound) -> String {
    match facts(slot) {
        Some(facts) if facts.initialised => {
            format!(
                "one with label \"{}\" and serial \"{}\" in slot {}",
                facts.label, facts.serial, slot.number
            )
        }
        Some(_) => format!("an uninitialised one in slot {}", slot.number),
        None => format!("one that cannot be read in slot {}", slot.number),
    }
}

fn facts(slot: &SlotFound) -> Option<&TokenFacts> {
    slot.token.as_ref()?.facts.as_ref().ok()
}
