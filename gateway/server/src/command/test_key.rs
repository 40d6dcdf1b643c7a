//! What came of a test key at a custodian, in lines for people.

use std::fmt::Display;
use std::time::Duration;

use keyport_core::custody::tryout::TestKey;
use keyport_core::scheme::Scheme;
use keyport_core::{Failure, FailureKind};

use super::print::{BAD, FAINT, GOOD, Painted};

/// What a key did, a line for each thing that is to be known.
pub(super) fn lines(key: &TestKey) -> Vec<String> {
    let took = match &key.made {
        Ok(took) => *took,
        // Mechanism lists say nothing of curves, for one.
        Err(why) if !key.is_offered() => {
            let (refuses, key_type) = (Painted(FAINT, "refuses"), key.key_type.as_str());
            return vec![format!("  {refuses}    {key_type:<13} cannot be made: {}", why.message)];
        }
        Err(why) => {
            let stays = key.destroyed.iter().filter_map(|destroyed| destroyed.as_ref().err());
            let stays = stays.map(|why| bad(key, "may be left, and cannot be destroyed", why));
            return std::iter::once(bad(key, "cannot be made", why)).chain(stays).collect();
        }
    };
    let verified: Vec<_> =
        key.signed.iter().filter_map(|(scheme, took)| Some((*scheme, *took.as_ref().ok()?))).collect();
    let names = compact(verified.iter().map(|(scheme, _)| *scheme));
    let signed = verified.iter().map(|(_, took)| *took).max().map_or_else(
        || "nothing signed".to_owned(),
        |slowest| format!("signed and verified {names} in at most {}", milliseconds(slowest)),
    );

    let state = if key.works() { Painted(GOOD, "works  ") } else { Painted(BAD, "fails  ") };
    let mut lines =
        vec![format!("  {state}    {:<13} made in {}, {signed}", key.key_type.as_str(), milliseconds(took),)];
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

/// Schemes in as few words as they need: `ecdsa(sha-256, sha-384)`.
pub(super) fn compact(schemes: impl Iterator<Item = Scheme>) -> String {
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

/// A time, as people read it.
pub(super) fn milliseconds(took: Duration) -> String {
    format!("{:.1} ms", took.as_secs_f64() * 1000.0)
}
