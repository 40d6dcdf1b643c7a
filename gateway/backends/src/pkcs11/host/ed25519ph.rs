//! Whether a token makes Ed25519ph of CKM_EDDSA with phFlag. No mechanism list says so, and a token that does not heed its
//! parameters signs another thing than it is asked for: so it is tried with a key pair of no other use, before any key signs so.

use std::sync::OnceLock;
use std::time::Instant;

use cryptoki::session::Session;
use keyport_core::custody::Mechanism;
use keyport_core::input::Input;
use keyport_core::scheme::{KeyType, Scheme};
use keyport_core::signature::Signature;
use keyport_core::{Failure, FailureKind};

use super::super::ckr::{Then, Trouble};
use super::super::mechanism::ckm;
use super::generate::{Making, Wanted, pair};
use super::public;
use super::sessions::Sessions;

/// What the token did when it was tried; nothing before the first signature that needs it.
#[derive(Debug, Default)]
pub(super) struct Trial(OnceLock<Result<(), Failure>>);

impl Trial {
    /// Refuses by [`FailureKind::Unsupported`] where the token does not make Ed25519ph. What only stands in the way for
    /// now is not kept, and it is tried again the next time.
    pub(super) fn passed(
        &self,
        sessions: &Sessions,
        making: &Making,
        deadline: Instant,
    ) -> Result<(), Trouble> {
        if let Some(known) = self.0.get() {
            return known.clone().map_err(final_word);
        }

        let tried = sessions.with(deadline, |session| attempt(session, making));
        let known = match tried {
            Ok(made) => made,
            Err(trouble) if is_final(trouble.failure.kind) => Err(lacks(&trouble.failure.message)),
            Err(trouble) => return Err(trouble),
        };
        self.0.get_or_init(|| known).clone().map_err(final_word)
    }
}

/// Makes a pair that does not outlive the session, has it sign, and verifies. The outer failure is the token's, the inner one
/// says what it made instead.
fn attempt(session: &Session, making: &Making) -> Result<Result<(), Failure>, Trouble> {
    let wanted = Wanted { id: NAME, key_type: KeyType::Ed25519, label: "", stays: false };
    let ckm = ckm(Mechanism::Ed25519phOfMessage)
        .ok_or_else(|| Trouble::new(FailureKind::Internal, "Ed25519ph has no mechanism"))?;
    let (public, private) = pair(session, making, wanted)?;
    let half = public::read(session, public)?;
    let signed = session.sign(&ckm, private, MESSAGE);
    // A session that is kept would keep them; one in which something failed is closed.
    session.destroy_object(private)?;
    session.destroy_object(public)?;

    let signature = Signature::new(KeyType::Ed25519, signed?);
    let is_of = |scheme| {
        let input = Input::Message(MESSAGE.into());
        signature
            .as_ref()
            .is_some_and(|signature| half.verifies(scheme, &input, signature).is_ok_and(|is| is))
    };
    Ok(if is_of(Scheme::Ed25519ph) {
        Ok(())
    } else if is_of(Scheme::Ed25519) {
        Err(lacks("it does not heed phFlag, and makes signatures of pure Ed25519"))
    } else {
        Err(lacks("what it makes with phFlag is no Ed25519ph over the message"))
    })
}

/// Whether it would be the same another time.
fn is_final(kind: FailureKind) -> bool {
    match kind {
        FailureKind::Denied | FailureKind::InvalidArgument | FailureKind::Unsupported => true,
        FailureKind::Credentials
        | FailureKind::Exists
        | FailureKind::Internal
        | FailureKind::KeyGone
        | FailureKind::NotFound
        | FailureKind::OperatorNeeded
        | FailureKind::Other
        | FailureKind::Throttled
        | FailureKind::Unavailable => false,
    }
}

fn lacks(why: &str) -> Failure {
    Failure::new(FailureKind::Unsupported, format!("the token does not make Ed25519ph: {why}"))
}

fn final_word(failure: Failure) -> Trouble {
    Trouble { failure, then: Then::Nothing }
}

/// The CKA_ID of the pair.
const NAME: &[u8] = b"keyport-ed25519ph";
/// No digest has as many bytes.
const MESSAGE: &[u8] = b"keyport tries Ed25519ph";
