//! How callers prove who they are, and how those fail who cannot.

mod certificates;
mod example;
mod failures;
mod issuer;
mod tokens;

use crate::harness::{Plan, soft};

/// One tenant, whose one caller `workload` may do everything and is known by what `credentials` say.
fn plan(credentials: &str, issuers: &str) -> Plan {
    Plan::of([
        issuers.to_owned(),
        soft("soft"),
        format!(
            "[[tenant]]\nname = \"acme\"\nprovider = \"soft\"\n\n[[tenant.caller]]\nname = \"workload\"\n{credentials}\n\n\
             [[tenant.caller.right]]\nmay = [\"create\", \"list\", \"sign\", \"release\"]\nkeys = [\"*\"]\n"
        ),
    ])
}
