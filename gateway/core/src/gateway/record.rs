//! Keeps the audit log's side of every operation, once, at its edge.

use std::time::Instant;

use super::{Context, Gateway};
use crate::audit::{Event, Operation, Outcome};
use crate::caller::Caller;
use crate::custody::Seen;
use crate::failure::Failure;
use crate::key::{Key, KeyName};
use crate::provider::Loaded;
use crate::{Error, Result};

impl Gateway {
    /// A draft of the event of what `caller` asks for; its outcome is filled in by [`Gateway::record`].
    pub(super) fn draft(&self, caller: &Caller, context: &Context, operation: Operation) -> Event {
        Event {
            request_id: Some(context.request_id.clone()),
            tenant: Some(caller.tenant.clone()),
            caller: Some(caller.name.clone()),
            contract: Some(context.contract),
            ..Event::new(self.outside.clock.wall(), operation, Outcome::Unknown)
        }
    }

    /// Makes the outcome of an operation durable, and only then lets it go.
    ///
    /// Refusals draw on the caller's event budget: what is over it is counted, not written one by one. Where the log
    /// cannot be written by `deadline`, the outcome becomes [`Error::Unavailable`].
    pub(super) async fn record<T>(&self, draft: Event, outcome: Result<T>, deadline: Instant) -> Result<T> {
        if let Some(event) = self.event(draft, outcome.as_ref().err()) {
            self.append(event, deadline).await?;
        }

        outcome
    }

    /// The same for several operations, with one wait.
    pub(super) async fn record_all<T>(
        &self,
        drafts: Vec<Event>,
        outcomes: &[Result<T>],
        deadline: Instant,
    ) -> Result<()> {
        let events: Vec<Event> = drafts
            .into_iter()
            .zip(outcomes)
            .filter_map(|(draft, outcome)| self.event(draft, outcome.as_ref().err()))
            .collect();
        if events.is_empty() {
            return Ok(());
        }

        match self.outside.within(deadline, self.audit.append_all(events)).await {
            Some(appended) => appended.map(drop),
            None => Err(late()),
        }
    }

    /// The event of an operation that ended so; `None` for a refusal beyond the caller's budget.
    fn event(&self, draft: Event, error: Option<&Error>) -> Option<Event> {
        let Some(error) = error else {
            return Some(Event { outcome: Outcome::Ok, ..draft });
        };
        if error.is_refusal() {
            let written = self.refusals.admit(&draft, self.outside.clock.now());
            return written.then(|| Event { outcome: Outcome::Refused, reason: Some(error.code()), ..draft });
        }

        tracing::error!(
            operation = draft.operation.as_str(),
            request_id = draft.request_id.as_ref().map(tracing::field::display),
            provider = draft.provider.as_ref().map(tracing::field::display),
            error = %error.detail(),
            "an operation failed"
        );
        Some(Event { outcome: Outcome::Failed, reason: Some(error.code()), ..draft })
    }

    /// Appends `event` and waits until it is durable, but not beyond `deadline`.
    pub(super) async fn append(&self, event: Event, deadline: Instant) -> Result<u64> {
        match self.outside.within(deadline, self.audit.append(event)).await {
            Some(appended) => appended,
            None => Err(late()),
        }
    }

    /// Announces in the log that something outside may be about to act, where `loaded` reaches such a custodian.
    pub(super) async fn announce(&self, draft: &mut Event, loaded: &Loaded, deadline: Instant) -> Result<()> {
        if self.custody.acts_outside(&loaded.grants) {
            let intent = Event { outcome: Outcome::Intent, ..draft.clone() };
            draft.intent = Some(self.append(intent, deadline).await?);
        }

        Ok(())
    }

    /// Writes what was decided before an operation came about: a request of an authenticated caller that could not be
    /// understood. Answers the error to send.
    pub async fn refused(
        &self,
        caller: &Caller,
        context: &Context,
        (operation, key): (Operation, Option<KeyName>),
        error: Error,
    ) -> Error {
        let draft = Event { key, ..self.draft(caller, context, operation) };

        match self.record::<()>(draft, Err(error.clone()), context.deadline).await {
            Ok(()) => error,
            Err(error) => error,
        }
    }

    /// Counts a request whose sender was not known; a summary is written once a minute.
    pub fn unauthenticated(&self, contract: &'static str, reason: &'static str) {
        self.refusals.count_unauthenticated(contract, reason);
    }
}

fn late() -> Error {
    Error::unavailable("the audit log did not take the event in time")
}

/// Notes in a draft what a custodian, or custody itself, had to say. What a provider says is not believed.
pub(super) fn note_failure(draft: &mut Event, seen: &Seen) {
    if let Some(replica) = &seen.replica {
        draft.detail = Some(format!("signed by replica `{replica}`"));
    }
    if let Some(failure) = &seen.failure {
        note_words(draft, failure);
    }
}

/// Notes in a draft what a custodian said.
pub(super) fn note_words(draft: &mut Event, failure: &Failure) {
    draft.detail = Some(failure.message.chars().take(DETAIL).collect());
}

/// Notes in a draft which key and provider it is about.
pub(super) fn note(draft: &mut Event, key: &Key, loaded: &Loaded) {
    *draft =
        std::mem::replace(draft, Event::new(key.changed, Operation::Request, Outcome::Unknown)).about(key);
    draft.component = Some(loaded.component.clone());
}

/// Characters of a custodian's words that are kept.
const DETAIL: usize = 300;
