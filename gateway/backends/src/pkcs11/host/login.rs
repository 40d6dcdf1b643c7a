//! The one login.

use cryptoki::error::{Error, RvError};
use cryptoki::session::{Session, UserType};
use cryptoki::types::RawAuthPin;

use super::super::ckr::{Then, Trouble};
use super::super::inventory::{PinState, TokenFacts};
use super::super::refusal::Refusal;
use super::super::wire::Pin;
use super::away;
use super::module::Module;
use super::slots::Chosen;
use crate::worker::Starting;

/// A session that keeps the login: it lasts as long as any session is open (PKCS#11, C_CloseSession).
#[derive(Debug)]
pub(super) struct Login {
    pub(super) session: Session,
    pub(super) logged_in: bool,
}

/// Logs in, where there is a PIN.
///
/// A token that says that its next wrong PIN is its last is not tried: whoever restarts the gateway again and again with
/// a wrong one locks no token.
pub(super) fn login(
    module: &Module,
    chosen: &Chosen,
    pin: Option<Pin>,
    starting: &Starting<'_>,
) -> Result<Login, Refusal> {
    let session = module.0.open_ro_session(chosen.slot).map_err(|error| away(error.into()))?;
    let wants = chosen.facts.as_ref().is_some_and(|facts| facts.login_required);
    let Some(Pin(pin)) = pin else {
        return if wants { Err(Refusal::PinMissing) } else { Ok(Login { session, logged_in: false }) };
    };
    if let Some(facts) = &chosen.facts {
        risk(facts)?;
    }

    starting.commit().map_err(|error| Refusal::Away(error.to_string()))?;
    let pin = RawAuthPin::new(Box::new(pin.expose().to_vec()));
    match session.login_with_raw(UserType::User, &pin) {
        Ok(()) | Err(Error::Pkcs11(RvError::UserAlreadyLoggedIn, _)) => {
            Ok(Login { session, logged_in: true })
        }
        Err(error) => Err(refused(error.into())),
    }
}

fn risk(facts: &TokenFacts) -> Result<(), Refusal> {
    let why = match facts.pin {
        Some(PinState::Locked) => {
            "the token says that its PIN is locked; the security officer must set it anew"
        }
        Some(PinState::FinalTry) => {
            "the token says that one more wrong PIN locks it; log in once with the vendor's own tool and the right PIN"
        }
        Some(PinState::CountLow | PinState::NotInitialised | PinState::ToBeChanged) | None => return Ok(()),
    };

    Err(Refusal::PinAtRisk(why.to_owned()))
}

fn refused(Trouble { failure, then }: Trouble) -> Refusal {
    match then {
        Then::NeverAgain => Refusal::Pin { why: failure.message, code: failure.code },
        // The device, not the PIN, failed; the token has not counted a try.
        Then::Restart => Refusal::Away(failure.message),
        // Anything else may have been counted: unknown is as bad as wrong.
        Then::FindAgain | Then::Nothing | Then::Wait => {
            Refusal::Pin { why: failure.message, code: failure.code }
        }
    }
}
