//! What a look at a module found, in lines for people.

use std::path::Path;

use keyport_core::{Failure, FailureKind};

use crate::assemble::probe::{Ability, Opened, PinState, Report, SlotFound, TokenReport};
use crate::command::print::{BAD, FAINT, GOOD, Painted};
use crate::command::test_key::{compact, lines as test_lines};

/// Whether the chosen token can be opened, and every key type that it offers works.
pub(super) fn is_well(report: &Report) -> bool {
    match &report.opened {
        None => true,
        Some(Err(_)) => false,
        Some(Ok(opened)) => opened.test_keys.iter().filter(|key| key.is_offered()).all(|key| key.works()),
    }
}

/// The report, a line each.
pub(super) fn lines(report: &Report, module: &Path) -> Vec<String> {
    let mut lines = vec![
        format!("module   {}", module.display()),
        format!("library  {}; PKCS#11 {}", report.inventory.library, report.inventory.standard),
    ];
    if report.inventory.slots.is_empty() {
        lines.push("It has no slots: its configuration, or the way to its tokens, is missing.".to_owned());
    }
    for slot in &report.inventory.slots {
        lines.push(String::new());
        let tokens = report.tokens.iter().find(|token| token.slot == slot.number);
        lines.extend(slot_lines(slot, tokens));
    }
    match &report.opened {
        None => lines.extend(next(report, module)),
        Some(Err(refusal)) => {
            lines.extend([String::new(), format!("{} {refusal}", Painted(BAD, "cannot be opened:"))]);
        }
        Some(Ok(opened)) => lines.extend(opened_lines(opened)),
    }

    lines
}

fn slot_lines(slot: &SlotFound, report: Option<&TokenReport>) -> Vec<String> {
    let mut lines = vec![format!("slot {}  {}", slot.number, slot.description)];
    let Some(token) = &slot.token else {
        lines.push(format!("  {}", Painted(FAINT, "empty")));
        return lines;
    };

    match &token.facts {
        Err(why) => {
            lines.push(format!("  token      its information cannot be read: {why}; choose it by --slot"));
        }
        Ok(facts) if !facts.initialised => {
            let made = format!("{} by {}", facts.model, facts.manufacturer);
            lines.push(format!(
                "  token      {made}, not initialised: that comes first, with its vendor's tool"
            ));
            return lines;
        }
        Ok(facts) => {
            let made = format!("{} by {}", facts.model, facts.manufacturer);
            lines.push(format!("  token      \"{}\", serial {}, {made}", facts.label, facts.serial));
            if let Some(state) = facts.pin {
                lines.push(format!("  pin        {}", Painted(BAD, pin(state))));
            }
            if facts.write_protected {
                lines.push("  writing    protected: use it with read-only = true".to_owned());
            }
            if let Some(most) = facts.most_sessions {
                lines.push(format!("  sessions   at most {most}"));
            }
        }
    }
    match (&token.mechanisms, report) {
        (Err(why), _) => lines.push(format!("  mechanisms cannot be listed: {why}")),
        (Ok(_), Some(report)) => lines.extend(ability_lines(report)),
        (Ok(_), None) => {}
    }
    lines
}

fn pin(state: PinState) -> &'static str {
    match state {
        PinState::CountLow => "a wrong one was tried since the last right one",
        PinState::FinalTry => "one more wrong one locks it: the gateway will not try any",
        PinState::Locked => "locked: the security officer must set it anew",
        PinState::ToBeChanged => "must be changed before the token takes it",
        PinState::NotInitialised => "the security officer has set none",
    }
}

fn ability_lines(report: &TokenReport) -> Vec<String> {
    let listed = report.mechanisms.iter().filter(|(_, listed)| *listed).map(|(name, _)| name.as_str());
    let mut lines = vec![format!("  mechanisms {}", listed.collect::<Vec<_>>().join(", "))];
    for Ability { key_type, make, schemes } in &report.abilities {
        let key_type = key_type.as_str();
        let names = compact(schemes.iter().filter(|(_, serves)| serves.is_ok()).map(|(scheme, _)| *scheme));
        lines.push(match make {
            Ok(()) => format!("  {}    {key_type:<13} {names}", Painted(GOOD, "serves ")),
            Err(why) if names.is_empty() => {
                format!("  {}    {key_type:<13} {}", Painted(FAINT, "refuses"), why.message)
            }
            Err(why) => {
                let signs = Painted(FAINT, "signs  ");
                format!("  {signs}    {key_type:<13} {names}, with keys that are there: {}", why.message)
            }
        });
        for (scheme, serves) in schemes.iter().filter(|_| make.is_ok()) {
            if let Err(why) = serves {
                let word = Painted(FAINT, refusal(why));
                lines.push(format!("  {word}    {key_type:<13} {scheme}: {}", why.message));
            }
        }
    }

    lines
}

/// Whether it is refused, or only a signature tells.
fn refusal(why: &Failure) -> &'static str {
    if why.kind == FailureKind::Other { "untold " } else { "refuses" }
}

fn opened_lines(Opened { identity, test_keys }: &Opened) -> Vec<String> {
    let mut lines = vec![String::new(), format!("{} {identity}", Painted(GOOD, "logged in to"))];
    for key in test_keys {
        lines.extend(test_lines(key));
    }

    lines
}

/// What to do next, where no token was chosen.
fn next(report: &Report, module: &Path) -> Vec<String> {
    let initialised =
        report.tokens.iter().filter_map(|token| token.facts.as_ref()).find(|facts| facts.initialised);
    let Some(facts) = initialised else { return Vec::new() };
    let [module, label] = [&module.to_string_lossy(), facts.label.as_str()].map(|text| format!("{text:?}"));

    vec![
        String::new(),
        "Log in, and try a key of each type:".to_owned(),
        format!("  keyport pkcs11 probe --module {module} --token {label} --pin-file pin --test-keys"),
        String::new(),
        "Use it:".to_owned(),
        "  [[connection]]".to_owned(),
        "  name = \"hsm\"".to_owned(),
        "  kind = \"pkcs11\"".to_owned(),
        format!("  module = {module}"),
        format!("  token = {label}"),
        "  pin = { file = \"pin\" }".to_owned(),
    ]
}
