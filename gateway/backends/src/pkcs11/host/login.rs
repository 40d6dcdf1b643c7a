//! The one login.

use cryptoki::error::{Error, RvError};
use cryptoki::session::{Session, UserType};
use cryptoki::types::RawAuthPin;
use keyport_core::FailureKind;

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
    (pin, read_only): (Option<Pin>, bool),
    starting: &Starting<'_>,
) -> Result<Login, Refusal> {
    // As the sessions that will serve: some libraries (AWS CloudHSM's) have no read-only ones.
    let module = &module.0;
    let session =
        if read_only { module.open_ro_session(chosen.slot) } else { module.open_rw_session(chosen.slot) };
    let session = session.map_err(|error| away(error.into()))?;
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
        Then::FindAgain | Then::Nothing | Then::Wait if failure.kind == FailureKind::Throttled => {
            Refusal::Away(failure.message)
        }
        // It may have been counted.
        Then::FindAgain | Then::Nothing | Then::Wait => Refusal::Login(failure.message),
    }
}

#[cfg(test)]
mod tests {
    use cryptoki::context::Function;

    use super::*;
    use crate::worker::{Again, Refusal as _};

    fn with(pin: Option<PinState>) -> TokenFacts {
        TokenFacts {
            label: String::new(),
            manufacturer: String::new(),
            model: String::new(),
            serial: String::new(),
            initialised: true,
            login_required: true,
            write_protected: false,
            pin,
            most_sessions: None,
        }
    }

    #[test]
    fn a_token_at_its_last_try_or_locked_is_not_tried() {
        for state in [PinState::FinalTry, PinState::Locked] {
            assert!(matches!(risk(&with(Some(state))), Err(Refusal::PinAtRisk(_))), "{state:?}");
        }
        for state in [None, Some(PinState::CountLow), Some(PinState::ToBeChanged)] {
            assert!(risk(&with(state)).is_ok(), "{state:?}");
        }
    }

    #[test]
    fn only_where_the_token_was_not_reached_is_a_pin_that_never_worked_tried_again() {
        for (error, again) in [
            (RvError::DeviceRemoved, Again::Always),
            (RvError::TokenNotPresent, Again::Always),
            (RvError::UserAnotherAlreadyLoggedIn, Again::Always),
            (RvError::FunctionFailed, Again::IfItServedBefore),
            (RvError::GeneralError, Again::IfItServedBefore),
            (RvError::PinIncorrect, Again::Never),
            (RvError::PinLocked, Again::Never),
        ] {
            let refusal = refused(Error::Pkcs11(error, Function::Login).into());
            assert_eq!(refusal.again(), again, "{error:?}");
        }
    }
}
