//! Makes keys and destroys them, and waits for what the service does meanwhile.

use std::collections::BTreeMap;
use std::time::Instant;

use keyport_core::backend::{Generate, Generated};
use keyport_core::key::NativeId;
use keyport_core::scheme::KeyType;
use keyport_core::{Failure, FailureKind};
use serde_json::{Value, json};

use super::Gcp;
use super::algorithm::Algorithm;
use super::wire::{State, Version};
use crate::cloud::{Call, Patience, Retry, said};

impl Gcp {
    /// The key to be made, as the service wants it described.
    fn description(&self, request: &Generate, algorithm: Algorithm) -> Value {
        let is_allowed = |char: char| char.is_ascii_alphanumeric() || matches!(char, '-' | '_');
        let more = self.labels.iter().map(|(label, template)| {
            let text = template.fill(request, is_allowed, LONGEST_LABEL);
            (label.clone(), text.to_ascii_lowercase())
        });
        let own = [
            (format!("{OWN}-gateway"), self.prefix.to_ascii_lowercase()),
            (format!("{OWN}-key-id"), request.key_id.to_string()),
        ];
        let labels: BTreeMap<_, _> = own.into_iter().chain(more).collect();

        let template = json!({ "algorithm": algorithm.name, "protectionLevel": self.protection.wire() });
        let mut key = json!({ "purpose": "ASYMMETRIC_SIGN", "versionTemplate": template, "labels": labels });
        if let (Some(time), Some(fields)) = (self.destroy_after, key.as_object_mut()) {
            fields.insert("destroyScheduledDuration".to_owned(), format!("{}s", time.as_secs()).into());
        }
        key
    }

    /// The key of a request, which is made if it is not there.
    pub(super) async fn make(
        &self,
        request: &Generate,
        algorithm: Algorithm,
        deadline: Instant,
    ) -> Result<Generated, Failure> {
        let (id, key) = (self.service.names.key(request.key_id), self.description(request, algorithm));

        match self.service.create(Call::manage(Retry::Safe, deadline), &id, &key).await {
            Err(failure) if failure.kind == FailureKind::KeyGone => {
                Err(Failure { kind: FailureKind::OperatorNeeded, ..failure })
            }
            Err(failure) if failure.kind != FailureKind::Exists => Err(failure),
            // Whoever made it, its name says that it is this one.
            Ok(()) | Err(_) => self.made(request, deadline).await,
        }
    }

    /// What was made for this request, once it can sign.
    async fn made(&self, request: &Generate, deadline: Instant) -> Result<Generated, Failure> {
        let name = self.service.names.made(request.key_id);
        let mut patience = Patience::until(deadline);
        loop {
            let failure = match self.service.version(Call::read(deadline), &name).await {
                Ok(version) if is_ready(&version, request.key_type)? => break,
                Ok(_) => still_made(&name),
                // Made a moment ago, it may not be seen everywhere yet.
                Err(failure) if failure.kind == FailureKind::NotFound => failure,
                Err(failure) => return Err(failure),
            };
            patience.wait(failure).await?;
        }

        let public = self.public(&name, request.key_type, deadline).await?.1;
        Ok(Generated { native_id: NativeId::new(name), public })
    }

    /// Has a version scheduled for destruction, unless it is already. One that is still being made cannot be destroyed yet.
    pub(super) async fn destroyed(&self, name: &str, deadline: Instant) -> Result<(), Failure> {
        let mut patience = Patience::until(deadline);
        loop {
            let failure = match self.service.destroy(Call::manage(Retry::Safe, deadline), name).await {
                Ok(()) => return Ok(()),
                Err(failure) if failure.kind != FailureKind::KeyGone => return Err(failure),
                Err(failure) => failure,
            };

            match self.service.version(Call::read(deadline), name).await?.state {
                State::Destroyed | State::DestroyScheduled | State::GenerationFailed => return Ok(()),
                State::PendingGeneration => patience.wait(still_made(name)).await?,
                // A policy may want keys to be disabled first, for one.
                State::Enabled | State::Disabled | State::Other => {
                    return Err(Failure { kind: FailureKind::OperatorNeeded, ..failure });
                }
            }
        }
    }
}

/// Whether a label can be one of the operator's: what begins with the gateway's own word is its own.
pub(super) fn is_label_of_others(text: &str) -> bool {
    let is_allowed = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-');

    text.len() <= LONGEST_LABEL
        && text.starts_with(|first: char| first.is_ascii_lowercase())
        && text.bytes().all(is_allowed)
        && !text.starts_with(OWN)
}

fn still_made(name: &str) -> Failure {
    Failure::new(FailureKind::Unavailable, format!("`{name}` is still being made"))
}

/// Whether a version of this type can sign by now.
fn is_ready(version: &Version, key_type: KeyType) -> Result<bool, Failure> {
    let Version { name, state, algorithm, generation_failure_reason: reason, .. } = version;
    if Algorithm::named(algorithm).map(|algorithm| algorithm.key_type) != Some(key_type) {
        let message = format!("there is a key `{name}`, of {}", said(algorithm));
        return Err(Failure::new(FailureKind::Exists, message));
    }

    let kind = match state {
        State::Enabled => return Ok(true),
        State::PendingGeneration => return Ok(false),
        State::Destroyed | State::DestroyScheduled | State::Disabled => FailureKind::KeyGone,
        State::GenerationFailed | State::Other => FailureKind::Other,
    };
    Err(Failure::new(kind, format!("`{name}` cannot sign: {state:?} {}", said(reason))))
}

/// How the gateway's own labels begin.
const OWN: &str = "keyport";
/// Characters of a label's name, and of what it says.
const LONGEST_LABEL: usize = 63;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cloud::fuzz;

    #[test]
    fn why_a_version_cannot_sign_is_cut_to_a_line() {
        let version = |state, algorithm: &str| Version {
            name: "k".to_owned(),
            state,
            algorithm: algorithm.to_owned(),
            generation_failure_reason: format!("no\nroom{}", "x".repeat(10_000)),
            destroy_time: None,
        };
        let refused = |version| is_ready(&version, KeyType::EcP256).unwrap_err();

        let failed = refused(version(State::GenerationFailed, "EC_SIGN_P256_SHA256"));
        assert!(failed.message.contains("GenerationFailed no roomxx"), "{failed}");
        let other = refused(version(State::Enabled, "RSA\nDECRYPT"));
        assert!(other.message.ends_with("of RSA DECRYPT"), "{other}");
        [failed, other].iter().for_each(fuzz::told);
    }
}
