//! What a look at a module found, in lines for people.

use std::fmt::Display;
use std::path::Path;
use std::time::Duration;

use keyport_core::scheme::Scheme;
use keyport_core::{Failure, FailureKind};

use crate::assemble::probe::{Ability, Opened, PinState, Report, SlotFound, TestKey, TokenReport};
use crate::command::print::{BAD, FAINT, GOOD, Painted};

/// Whether the chosen token can be opened, and every key type that it offers works.
pub(super) fn is_well(report: &Report) -> bool {
    match &report.opened {
        None => true,
        Some(Err(_)) => false,
        Some(Ok(opened)) => opened.test_keys.iter().filter(|key| is_offered(key)).all(works),
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
                let word = if why.kind == FailureKind::Other { "untold " } else { "refuses" };
                lines.push(format!("  {}    {key_type:<13} {scheme}: {}", Painted(FAINT, word), why.message));
            }
        }
    }

    lines
}

/// Schemes in as few words as they need: `ecdsa(sha-256, sha-384)`.
fn compact(schemes: impl Iterator<Item = Scheme>) -> String {
    let mut families: Vec<(String, Vec<String>)> = Vec::new();
    for scheme in schemes {
        let text = scheme.to_string();
        let (family, hash) = text.split_once('(').unwrap_or((&text, ""));
        let hash = hash.trim_end_matches(')').to_owned();
        match families.iter_mut().find(|(name, _)| name == family) {
            Some((_, hashes)) => hashes.push(hash),
            None => families.push((family.to_owned(), vec![hash])),
        }
    }

    let family = |(name, hashes): (String, Vec<String>)| match hashes.join(", ") {
        none if none.is_empty() => name,
        hashes => format!("{name}({hashes})"),
    };
    families.into_iter().map(family).collect::<Vec<_>>().join(", ")
}

fn opened_lines(Opened { identity, test_keys }: &Opened) -> Vec<String> {
    let mut lines = vec![String::new(), format!("{} {identity}", Painted(GOOD, "logged in to"))];
    for key in test_keys {
        lines.extend(test_lines(key));
    }

    lines
}

fn test_lines(key: &TestKey) -> Vec<String> {
    let took = match &key.made {
        Ok(took) => *took,
        // Mechanism lists say nothing of curves, for one.
        Err(why) if !is_offered(key) => {
            let (refuses, key_type) = (Painted(FAINT, "refuses"), key.key_type.as_str());
            return vec![format!("  {refuses}    {key_type:<13} cannot be made: {}", why.message)];
        }
        Err(why) => return vec![bad(key, "cannot be made", why)],
    };
    let verified: Vec<_> =
        key.signed.iter().filter_map(|(scheme, took)| Some((*scheme, *took.as_ref().ok()?))).collect();
    let names = compact(verified.iter().map(|(scheme, _)| *scheme));
    let slowest = verified.iter().map(|(_, took)| *took).max().unwrap_or_default();

    let state = if works(key) { Painted(GOOD, "works  ") } else { Painted(BAD, "fails  ") };
    let mut lines = vec![format!(
        "  {state}    {:<13} made in {}, signed and verified {names} in at most {}",
        key.key_type.as_str(),
        milliseconds(took),
        milliseconds(slowest),
    )];
    for (scheme, outcome) in &key.signed {
        match outcome {
            Ok(_) => {}
            Err(why) if why.kind == FailureKind::Unsupported => {
                let (refuses, key_type) = (Painted(FAINT, "refuses"), key.key_type.as_str());
                lines.push(format!("  {refuses}    {key_type:<13} {scheme}: {}", why.message));
            }
            Err(why) => lines.push(bad(key, scheme, why)),
        }
    }
    if let Some(Err(why)) = &key.destroyed {
        lines.push(bad(key, "cannot be destroyed", why));
    }
    lines
}

fn bad(key: &TestKey, what: impl Display, why: &Failure) -> String {
    format!("  {}    {:<13} {what}: {}", Painted(BAD, "fails  "), key.key_type.as_str(), why.message)
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

/// What the token does not offer is no fault of it.
fn is_offered(key: &TestKey) -> bool {
    !matches!(&key.made, Err(why) if why.kind == FailureKind::Unsupported)
}

fn works(key: &TestKey) -> bool {
    let signs = |outcome: &Result<Duration, Failure>| match outcome {
        Ok(_) => true,
        Err(why) => why.kind == FailureKind::Unsupported,
    };

    key.made.is_ok()
        && key.signed.iter().all(|(_, outcome)| signs(outcome))
        && matches!(key.destroyed, Some(Ok(())))
}

fn milliseconds(took: Duration) -> String {
    format!("{:.1} ms", took.as_secs_f64() * 1000.0)
}
