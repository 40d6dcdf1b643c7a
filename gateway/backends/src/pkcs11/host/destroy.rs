//! Destroys key pairs, and says what stayed.

use std::time::Instant;

use cryptoki::object::ObjectHandle;
use cryptoki::session::Session;
use keyport_core::{Failure, FailureKind};

use super::super::ckr::{Then, Trouble};
use super::objects::{Halves, Objects, find};
use super::sessions::Sessions;

/// Destroys both halves of the pair with this CKA_ID. That there is none is success.
pub(super) fn destroy(
    sessions: &Sessions,
    objects: &Objects,
    id: &[u8],
    deadline: Instant,
) -> Result<(), Trouble> {
    objects.forget(id);
    let halves = sessions.with(deadline, |session| halves(session, id))?;

    // Each in a session of its own, since a failure spoils the session; and the other half is tried whatever became of one.
    let mut stayed = halves.into_iter().filter_map(|half| gone(sessions, half, deadline).err());
    let Some(first) = stayed.next() else { return Ok(()) };
    let mut trouble = said(stayed.fold(first, |first, second| both(first, &second)), id);

    // Some libraries forget an object that they failed to destroy. It is on the token all the same, and a new process sees it.
    if sessions.with(deadline, |session| Ok(self::halves(session, id)?.is_empty()))? {
        trouble.then = Then::Restart;
    }
    Err(trouble)
}

/// The private half first: if only one goes, it should be that.
fn halves(session: &Session, id: &[u8]) -> Result<Vec<(ObjectHandle, &'static str)>, Trouble> {
    let Halves { private, public } = find(session, id)?;
    let private = private.into_iter().map(|half| (half, "private key"));

    Ok(private.chain(public.into_iter().map(|half| (half, "public key"))).collect())
}

fn gone(sessions: &Sessions, (half, name): (ObjectHandle, &str), deadline: Instant) -> Result<(), Trouble> {
    match sessions.with(deadline, |session| Ok(session.destroy_object(half)?)) {
        // Somebody else was faster.
        Ok(()) | Err(Trouble { then: Then::FindAgain, .. }) => Ok(()),
        Err(Trouble { failure, then }) => {
            let message = format!("the {name} stayed: {}", failure.message);
            Err(Trouble { failure: Failure { message, ..failure }, then })
        }
    }
}

fn both(mut first: Trouble, second: &Trouble) -> Trouble {
    first.failure.message.push_str("; ");
    first.failure.message.push_str(&second.failure.message);

    first
}

/// What the token is only too busy or broken for now is tried again by whoever asked; the rest needs a person.
fn said(Trouble { failure, then }: Trouble, id: &[u8]) -> Trouble {
    let passes = matches!(failure.kind, FailureKind::Throttled | FailureKind::Unavailable);
    let kind = if passes { failure.kind } else { FailureKind::OperatorNeeded };
    let message = format!("CKA_ID {}: {}", hex::encode(id), failure.message);

    Trouble { failure: Failure { kind, message, ..failure }, then }
}
