//! What a component says of itself, and what it could reach.

use std::collections::BTreeSet;

use keyport_core::scheme::Scheme;

use crate::assemble::stage::Inspection;
use crate::kit::subject::Kit;
use crate::kit::verdict::{Broken, Case, Run, Verdict, ensure};

pub(super) const CASES: &[Case] = &[
    read("describe-has-a-name", "It says what it is called, in at most 64 characters.", has_a_name),
    read("describe-has-a-version", "It says which version it is, as semver.org has it.", has_a_version),
    read("describe-offers-schemes", "Every key type that it offers has a scheme.", offers_schemes),
    read(
        "describe-offers-each-scheme-once",
        "It offers no scheme of a key type twice.",
        offers_each_scheme_once,
    ),
    read(
        "describe-limits-messages",
        "Where it signs messages, it says how long they may be, and that is not nothing.",
        limits_messages,
    ),
    read(
        "describe-has-each-property-once",
        "It names no property twice, and none without a name.",
        has_each_property_once,
    ),
    look(
        "imports-only-what-there-is",
        "It imports nothing that the gateway does not have.",
        imports_only_what_there_is,
    ),
    look("imports-no-wasi", "It imports nothing of WASI, and needs no grant of it.", imports_no_wasi),
    look("exports-provider", "It exports the interface of a provider.", exports_provider),
    look(
        "exports-only-what-is-asked-for",
        "It exports nothing that nobody calls.",
        exports_only_what_is_asked_for,
    ),
];

const fn read(name: &'static str, promise: &'static str, run: fn(&Kit) -> Verdict) -> Case {
    Case { name, promise, run: Run::Read(run) }
}

const fn look(name: &'static str, promise: &'static str, run: fn(&Inspection) -> Verdict) -> Case {
    Case { name, promise, run: Run::Look(run) }
}

fn has_a_name(kit: &Kit) -> Verdict {
    let name = &kit.loaded.descriptor.name;

    ensure(!name.trim().is_empty() && name.chars().count() <= 64, "a short name", || format!("{name:?}"))
}

fn has_a_version(kit: &Kit) -> Verdict {
    let version = &kit.loaded.descriptor.version;

    ensure(is_semver(version), "a version such as 1.2.3", || format!("{version:?}"))
}

fn offers_schemes(kit: &Kit) -> Verdict {
    let without = kit.loaded.descriptor.offers.iter().find(|(_, schemes)| schemes.is_empty());

    ensure(without.is_none(), "a scheme for each key type", || format!("{without:?}"))
}

fn offers_each_scheme_once(kit: &Kit) -> Verdict {
    for (key_type, schemes) in &kit.loaded.descriptor.offers {
        let different: BTreeSet<_> = schemes.iter().collect();
        ensure(different.len() == schemes.len(), "each scheme once", || format!("one twice for {key_type}"))?;
    }

    Ok(())
}

fn limits_messages(kit: &Kit) -> Verdict {
    let descriptor = &kit.loaded.descriptor;
    let takes_messages = descriptor.offers.iter().flat_map(|(_, schemes)| schemes);
    let is_message = |scheme: &&Scheme| scheme.hash().is_none() || descriptor.is_handed_messages(**scheme);
    if takes_messages.filter(is_message).count() == 0 {
        return Err(Broken::skipped("it signs digests alone"));
    }

    kit.note(format!("{} bytes", descriptor.max_message));
    ensure(descriptor.max_message > 0, "a length", || "0 bytes".to_owned())
}

fn has_each_property_once(kit: &Kit) -> Verdict {
    let mut seen = BTreeSet::new();
    let names = kit.loaded.descriptor.properties.iter().map(|(name, _)| name);
    let wrong = names.into_iter().find(|name| name.is_empty() || !seen.insert(*name));

    ensure(wrong.is_none(), "each property once, by its name", || format!("{wrong:?}"))
}

fn imports_only_what_there_is(component: &Inspection) -> Verdict {
    let unknown = component.imports.iter().find(|import| !import.is_known);

    ensure(unknown.is_none(), "imports that the gateway has", || format!("{unknown:?}"))
}

fn imports_no_wasi(component: &Inspection) -> Verdict {
    let mut wasi = component.imports.iter().filter(|import| import.name.starts_with("wasi:"));

    match (wasi.clone().find(|import| !import.is_known), wasi.next()) {
        (Some(nobodys), _) => Err(Broken::failed("no import of WASI", nobodys.name.as_str())),
        (None, Some(granted)) => Err(Broken::advised("no import of WASI", granted.name.as_str())),
        (None, None) => Ok(()),
    }
}

fn exports_provider(component: &Inspection) -> Verdict {
    let exports = &component.exports;
    let is_there = exports.iter().any(|export| export.starts_with("keyport:provider/provider@"));

    ensure(is_there, "keyport:provider/provider", || exports.join(", "))
}

fn exports_only_what_is_asked_for(component: &Inspection) -> Verdict {
    let mut exports = component.exports.iter();
    let strange = exports
        .find(|export| !export.starts_with("keyport:provider/") && !OF_TOOLCHAINS.contains(&export.as_str()));

    match strange {
        Some(strange) => Err(Broken::advised("exports of keyport:provider alone", strange.as_str())),
        None => Ok(()),
    }
}

/// Three numbers, and perhaps more after them (Semantic Versioning 2.0.0).
fn is_semver(version: &str) -> bool {
    let core = version.split(['-', '+']).next().unwrap_or_default();
    let numbers: Vec<_> = core.split('.').collect();
    let is_number = |text: &&str| {
        !text.is_empty()
            && text.bytes().all(|byte| byte.is_ascii_digit())
            && (*text == "0" || !text.starts_with('0'))
    };

    numbers.len() == 3 && numbers.iter().all(is_number) && version.is_ascii() && !version.contains(' ')
}

/// What toolchains export for their own use, which no author can help: componentize-py, componentize-qjs.
const OF_TOOLCHAINS: [&str; 2] = ["exports", "init"];

#[cfg(test)]
mod tests {
    use super::is_semver;

    #[test]
    fn a_version_has_three_numbers() {
        for good in ["0.1.0", "1.2.3-rc.1", "10.20.30+build.7"] {
            assert!(is_semver(good), "{good}");
        }
        for bad in ["", "1", "1.2", "1.2.3.4", "01.2.3", "v1.2.3", "1.2.x", "1.2.3 beta"] {
            assert!(!is_semver(bad), "{bad}");
        }
    }
}
