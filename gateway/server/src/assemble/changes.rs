//! What differs between two configurations, in an operator's words.

use crate::config::Config;

use super::authentication::client_authorities;

/// The parts that differ and that a running gateway cannot exchange.
pub(super) fn fixed(before: &Config, after: &Config) -> Vec<&'static str> {
    let parts = [
        ("data", before.data == after.data),
        ("allow-testing", before.allow_testing == after.allow_testing),
        ("[listen]", before.listen == after.listen),
        ("[admin]", before.admin == after.admin),
        ("[audit]", before.audit == after.audit),
        ("[master-key]", before.master_key == after.master_key),
        ("[[connection]]", before.connections == after.connections),
        ("[host]", before.host == after.host),
        ("[limits]", before.limits == after.limits),
        ("client-ca", client_authorities(before) == client_authorities(after)),
    ];

    parts.into_iter().filter(|(_, same)| !same).map(|(part, _)| part).collect()
}

/// The other differences, a line each.
pub(super) fn all(before: &Config, after: &Config) -> Vec<String> {
    let mut changes = Vec::new();
    named("provider", (&before.providers, &after.providers), |one| one.name.as_str(), &mut changes);
    named("issuer", (&before.issuers, &after.issuers), |one| &one.name, &mut changes);
    named("tenant", (&before.tenants, &after.tenants), |one| one.name.as_str(), &mut changes);
    if before.contracts != after.contracts {
        changes.push("[contract] is different".to_owned());
    }
    changes
}

fn named<'c, T: PartialEq>(
    what: &str,
    (before, after): (&'c [T], &'c [T]),
    name: impl Fn(&'c T) -> &'c str,
    changes: &mut Vec<String>,
) {
    let find = |all: &'c [T], wanted: &str| all.iter().find(|one| name(one) == wanted);
    for one in after {
        match find(before, name(one)) {
            None => changes.push(format!("{what} `{}` is new", name(one))),
            Some(old) if old != one => changes.push(format!("{what} `{}` is different", name(one))),
            Some(_) => {}
        }
    }
    for one in before.iter().filter(|one| find(after, name(one)).is_none()) {
        changes.push(format!("{what} `{}` is gone", name(one)));
    }
}
