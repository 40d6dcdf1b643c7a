//! What every PKCS#11 return value means for a caller, and what is done about it: one table, each row with its reason.
//!
//! Callers never see a CKR name; logs do, with the C function that returned it.

use cryptoki::error::{Error, RvError};
use keyport_core::{Failure, FailureKind};

/// Whose move it is.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Class {
    /// The request can never succeed as it is.
    Caller,
    /// The object is not there, or not any more.
    KeyGone,
    /// The token is at its limit; the same call may succeed in a moment.
    Busy,
    /// This token, library or process does not do it now; another may.
    Elsewhere,
    /// A person has to act.
    Operator,
}

/// What is done besides discarding the session, which every failure does: after an error a session may have an
/// operation active for ever.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Then {
    /// Nothing.
    Nothing,
    /// A cached handle is stale: find the object again, once.
    FindAgain,
    /// Wait for a session of the pool.
    Wait,
    /// Only a new process, with the library initialised and logged in anew, can help.
    Restart,
    /// Nothing, ever, until an operator opens the connection anew: every further attempt may lock the token.
    NeverAgain,
}

/// A return value's row.
#[derive(Clone, Copy, Debug)]
pub struct Meaning {
    /// Its name.
    pub name: &'static str,
    /// Its value.
    pub code: u32,
    /// Whose move it is.
    pub class: Class,
    /// What callers are told.
    pub kind: FailureKind,
    /// What is done.
    pub then: Then,
    /// Why.
    pub why: &'static str,
}

/// A failure, and what is to be done about it.
#[derive(Clone, Debug)]
pub(super) struct Trouble {
    pub(super) failure: Failure,
    pub(super) then: Then,
}

/// The row of `error`. Values that no version of the standard had, and vendors' own, share one each.
#[must_use]
pub fn meaning(error: RvError) -> Meaning {
    let (code, name, (class, kind, then, why)) = if let RvError::VendorDefined(code) = error {
        (short(code), "CKR_VENDOR_DEFINED", VENDOR)
    } else if let RvError::UnknownErrorCode(code) = error {
        (short(code), "an unknown CKR", UNKNOWN)
    } else {
        let row = TABLE.iter().find(|row| row.0 == error);
        row.map_or((0, "an unlisted CKR", UNKNOWN), |(_, code, name, verdict)| (*code, *name, *verdict))
    };

    Meaning { name, code, class, kind, then, why }
}

/// The name of the value `code`; `None` where no version of the standard had it.
#[must_use]
pub fn name_of(code: u32) -> Option<&'static str> {
    TABLE.iter().find(|row| row.1 == code).map(|row| row.2)
}

impl From<Error> for Trouble {
    fn from(error: Error) -> Self {
        let Error::Pkcs11(value, function) = error else {
            // What cryptoki itself cannot do: a function that the library lacks, a text that is none.
            return Self::new(FailureKind::Unavailable, format!("the library: {error}"));
        };

        let meaning = meaning(value);
        let message = format!("C_{function:?}: {} ({:#x}): {}", meaning.name, meaning.code, meaning.why);
        let failure = Failure { code: meaning.code, ..Failure::new(meaning.kind, message) };
        Self { failure, then: meaning.then }
    }
}

impl Trouble {
    /// A failure of our own finding, about which nothing is done.
    pub(super) fn new(kind: FailureKind, message: impl Into<String>) -> Self {
        Self { failure: Failure::new(kind, message), then: Then::Nothing }
    }
}

fn short(code: impl TryInto<u32>) -> u32 {
    code.try_into().unwrap_or(u32::MAX)
}

type Verdict = (Class, FailureKind, Then, &'static str);

const fn caller(why: &'static str) -> Verdict {
    (Class::Caller, FailureKind::InvalidArgument, Then::Nothing, why)
}

const fn unsupported(why: &'static str) -> Verdict {
    (Class::Caller, FailureKind::Unsupported, Then::Nothing, why)
}

const fn gone(why: &'static str) -> Verdict {
    (Class::KeyGone, FailureKind::NotFound, Then::FindAgain, why)
}

const fn busy(why: &'static str) -> Verdict {
    (Class::Busy, FailureKind::Throttled, Then::Nothing, why)
}

const fn elsewhere(why: &'static str) -> Verdict {
    (Class::Elsewhere, FailureKind::Unavailable, Then::Nothing, why)
}

const fn restart(why: &'static str) -> Verdict {
    (Class::Elsewhere, FailureKind::Unavailable, Then::Restart, why)
}

const fn operator(why: &'static str) -> Verdict {
    (Class::Operator, FailureKind::OperatorNeeded, Then::Nothing, why)
}

const fn pin(why: &'static str) -> Verdict {
    (Class::Operator, FailureKind::Credentials, Then::NeverAgain, why)
}

/// A function that Keyport never calls returns it, so here it says that the library is confused.
const NOT_OURS: Verdict = elsewhere("no function that is called here may return it");
const UNKNOWN: Verdict = elsewhere("the standard does not have it");
const VENDOR: Verdict = elsewhere("the vendor's own; its manual has the meaning");

#[rustfmt::skip]
const TABLE: [(RvError, u32, &str, Verdict); 93] = [
    (RvError::Cancel, 0x01, "CKR_CANCEL", NOT_OURS),
    (RvError::HostMemory, 0x02, "CKR_HOST_MEMORY", restart("the process has no memory left, and a new one begins without leaks")),
    (RvError::SlotIdInvalid, 0x03, "CKR_SLOT_ID_INVALID", restart("the slot went away, and slots are listed when the library is initialised")),
    (RvError::GeneralError, 0x05, "CKR_GENERAL_ERROR", elsewhere("the library says no more")),
    (RvError::FunctionFailed, 0x06, "CKR_FUNCTION_FAILED", elsewhere("the library says no more; the same call may succeed")),
    (RvError::ArgumentsBad, 0x07, "CKR_ARGUMENTS_BAD", caller("the token does not take these arguments")),
    (RvError::NoEvent, 0x08, "CKR_NO_EVENT", NOT_OURS),
    (RvError::NeedToCreateThreads, 0x09, "CKR_NEED_TO_CREATE_THREADS", NOT_OURS),
    (RvError::CantLock, 0x0a, "CKR_CANT_LOCK", operator("the library cannot be used by several threads, and another version is needed")),
    (RvError::AttributeReadOnly, 0x10, "CKR_ATTRIBUTE_READ_ONLY", unsupported("the token does not let keys be made as they must be")),
    (RvError::AttributeSensitive, 0x11, "CKR_ATTRIBUTE_SENSITIVE", unsupported("the token hides a public attribute")),
    (RvError::AttributeTypeInvalid, 0x12, "CKR_ATTRIBUTE_TYPE_INVALID", unsupported("the token does not know an attribute that keys must have")),
    (RvError::AttributeValueInvalid, 0x13, "CKR_ATTRIBUTE_VALUE_INVALID", unsupported("the token does not take a value that keys must have")),
    (RvError::ActionProhibited, 0x1b, "CKR_ACTION_PROHIBITED", operator("the token's own policy forbids it")),
    (RvError::DataInvalid, 0x20, "CKR_DATA_INVALID", caller("the token does not sign such an input")),
    (RvError::DataLenRange, 0x21, "CKR_DATA_LEN_RANGE", caller("the token does not sign an input so long or short")),
    (RvError::DeviceError, 0x30, "CKR_DEVICE_ERROR", restart("the token or the way to it broke, and some libraries never recover by themselves")),
    (RvError::DeviceMemory, 0x31, "CKR_DEVICE_MEMORY", operator("the token is full")),
    (RvError::DeviceRemoved, 0x32, "CKR_DEVICE_REMOVED", restart("the token was taken out; when it is back, sessions must be opened anew")),
    (RvError::EncryptedDataInvalid, 0x40, "CKR_ENCRYPTED_DATA_INVALID", NOT_OURS),
    (RvError::EncryptedDataLenRange, 0x41, "CKR_ENCRYPTED_DATA_LEN_RANGE", NOT_OURS),
    (RvError::FunctionCanceled, 0x50, "CKR_FUNCTION_CANCELED", elsewhere("the token gave the call up")),
    (RvError::FunctionNotParallel, 0x51, "CKR_FUNCTION_NOT_PARALLEL", NOT_OURS),
    (RvError::FunctionNotSupported, 0x54, "CKR_FUNCTION_NOT_SUPPORTED", unsupported("the library lacks the function")),
    (RvError::KeyHandleInvalid, 0x60, "CKR_KEY_HANDLE_INVALID", gone("the handle is stale: the key was destroyed, or the token renumbered its objects")),
    (RvError::KeySizeRange, 0x62, "CKR_KEY_SIZE_RANGE", unsupported("the token does not do keys of this size")),
    (RvError::KeyTypeInconsistent, 0x63, "CKR_KEY_TYPE_INCONSISTENT", caller("the mechanism does not fit the key")),
    (RvError::KeyNotNeeded, 0x64, "CKR_KEY_NOT_NEEDED", NOT_OURS),
    (RvError::KeyChanged, 0x65, "CKR_KEY_CHANGED", NOT_OURS),
    (RvError::KeyNeeded, 0x66, "CKR_KEY_NEEDED", NOT_OURS),
    (RvError::KeyIndigestible, 0x67, "CKR_KEY_INDIGESTIBLE", NOT_OURS),
    (RvError::KeyFunctionNotPermitted, 0x68, "CKR_KEY_FUNCTION_NOT_PERMITTED", operator("the key was made without leave to sign (CKA_SIGN)")),
    (RvError::KeyNotWrappable, 0x69, "CKR_KEY_NOT_WRAPPABLE", NOT_OURS),
    (RvError::KeyUnextractable, 0x6a, "CKR_KEY_UNEXTRACTABLE", NOT_OURS),
    (RvError::MechanismInvalid, 0x70, "CKR_MECHANISM_INVALID", unsupported("the token does not do this mechanism with this key")),
    (RvError::MechanismParamInvalid, 0x71, "CKR_MECHANISM_PARAM_INVALID", unsupported("the token does not do these parameters")),
    (RvError::ObjectHandleInvalid, 0x82, "CKR_OBJECT_HANDLE_INVALID", gone("the handle is stale: the object was destroyed, or the token renumbered its objects")),
    (RvError::OperationActive, 0x90, "CKR_OPERATION_ACTIVE", elsewhere("the session was left in use by a call that failed; another session is not")),
    (RvError::OperationNotInitialized, 0x91, "CKR_OPERATION_NOT_INITIALIZED", elsewhere("the session forgot what it was doing; another will not")),
    (RvError::PinIncorrect, 0xa0, "CKR_PIN_INCORRECT", pin("the PIN is wrong, and tokens lock after a few wrong ones")),
    (RvError::PinInvalid, 0xa1, "CKR_PIN_INVALID", pin("the PIN has characters that no PIN of this token has")),
    (RvError::PinLenRange, 0xa2, "CKR_PIN_LEN_RANGE", pin("the PIN is longer or shorter than any PIN of this token")),
    (RvError::PinExpired, 0xa3, "CKR_PIN_EXPIRED", pin("the PIN has expired and must be set anew")),
    (RvError::PinLocked, 0xa4, "CKR_PIN_LOCKED", pin("the PIN is locked, and the security officer must set it anew")),
    (RvError::SessionClosed, 0xb0, "CKR_SESSION_CLOSED", restart("sessions are closed together when a token goes away, and the login with them")),
    (RvError::SessionCount, 0xb1, "CKR_SESSION_COUNT", (Class::Busy, FailureKind::Throttled, Then::Wait, "the token has as many sessions as it can have")),
    (RvError::SessionHandleInvalid, 0xb3, "CKR_SESSION_HANDLE_INVALID", restart("the session is gone, the others likely too, and the login with them")),
    (RvError::SessionParallelNotSupported, 0xb4, "CKR_SESSION_PARALLEL_NOT_SUPPORTED", NOT_OURS),
    (RvError::SessionReadOnly, 0xb5, "CKR_SESSION_READ_ONLY", operator("the token takes only read-only sessions")),
    (RvError::SessionExists, 0xb6, "CKR_SESSION_EXISTS", NOT_OURS),
    (RvError::SessionReadOnlyExists, 0xb7, "CKR_SESSION_READ_ONLY_EXISTS", NOT_OURS),
    (RvError::SessionReadWriteSoExists, 0xb8, "CKR_SESSION_READ_WRITE_SO_EXISTS", busy("the security officer is at the token")),
    (RvError::SignatureInvalid, 0xc0, "CKR_SIGNATURE_INVALID", NOT_OURS),
    (RvError::SignatureLenRange, 0xc1, "CKR_SIGNATURE_LEN_RANGE", NOT_OURS),
    (RvError::TemplateIncomplete, 0xd0, "CKR_TEMPLATE_INCOMPLETE", unsupported("the token wants an attribute that is not known here")),
    (RvError::TemplateInconsistent, 0xd1, "CKR_TEMPLATE_INCONSISTENT", unsupported("the token does not let keys be made as they must be")),
    (RvError::TokenNotPresent, 0xe0, "CKR_TOKEN_NOT_PRESENT", restart("the token is away; when it is back, sessions must be opened anew")),
    (RvError::TokenNotRecognized, 0xe1, "CKR_TOKEN_NOT_RECOGNIZED", restart("the slot has no token that the library knows; it may be put right")),
    (RvError::TokenWriteProtected, 0xe2, "CKR_TOKEN_WRITE_PROTECTED", operator("the token is write-protected")),
    (RvError::UnwrappingKeyHandleInvalid, 0xf0, "CKR_UNWRAPPING_KEY_HANDLE_INVALID", NOT_OURS),
    (RvError::UnwrappingKeySizeRange, 0xf1, "CKR_UNWRAPPING_KEY_SIZE_RANGE", NOT_OURS),
    (RvError::UnwrappingKeyTypeInconsistent, 0xf2, "CKR_UNWRAPPING_KEY_TYPE_INCONSISTENT", NOT_OURS),
    (RvError::UserAlreadyLoggedIn, 0x100, "CKR_USER_ALREADY_LOGGED_IN", restart("a login that is not ours; a new process has none")),
    (RvError::UserNotLoggedIn, 0x101, "CKR_USER_NOT_LOGGED_IN", restart("the login was lost, and a new process logs in once")),
    (RvError::UserPinNotInitialized, 0x102, "CKR_USER_PIN_NOT_INITIALIZED", pin("the security officer has not set the user's PIN yet")),
    (RvError::UserTypeInvalid, 0x103, "CKR_USER_TYPE_INVALID", operator("the token has no ordinary user")),
    (RvError::UserAnotherAlreadyLoggedIn, 0x104, "CKR_USER_ANOTHER_ALREADY_LOGGED_IN", busy("somebody else is logged in")),
    (RvError::UserTooManyTypes, 0x105, "CKR_USER_TOO_MANY_TYPES", busy("others are logged in")),
    (RvError::WrappedKeyInvalid, 0x110, "CKR_WRAPPED_KEY_INVALID", NOT_OURS),
    (RvError::WrappedKeyLenRange, 0x112, "CKR_WRAPPED_KEY_LEN_RANGE", NOT_OURS),
    (RvError::WrappingKeyHandleInvalid, 0x113, "CKR_WRAPPING_KEY_HANDLE_INVALID", NOT_OURS),
    (RvError::WrappingKeySizeRange, 0x114, "CKR_WRAPPING_KEY_SIZE_RANGE", NOT_OURS),
    (RvError::WrappingKeyTypeInconsistent, 0x115, "CKR_WRAPPING_KEY_TYPE_INCONSISTENT", NOT_OURS),
    (RvError::RandomSeedNotSupported, 0x120, "CKR_RANDOM_SEED_NOT_SUPPORTED", NOT_OURS),
    (RvError::RandomNoRng, 0x121, "CKR_RANDOM_NO_RNG", operator("the token has no source of randomness, and can make no keys")),
    (RvError::DomainParamsInvalid, 0x130, "CKR_DOMAIN_PARAMS_INVALID", unsupported("the token does not do this curve")),
    (RvError::CurveNotSupported, 0x140, "CKR_CURVE_NOT_SUPPORTED", unsupported("the token does not do this curve")),
    (RvError::BufferTooSmall, 0x150, "CKR_BUFFER_TOO_SMALL", elsewhere("the library changed its mind about a length")),
    (RvError::SavedStateInvalid, 0x160, "CKR_SAVED_STATE_INVALID", NOT_OURS),
    (RvError::InformationSensitive, 0x170, "CKR_INFORMATION_SENSITIVE", NOT_OURS),
    (RvError::StateUnsaveable, 0x180, "CKR_STATE_UNSAVEABLE", NOT_OURS),
    (RvError::CryptokiNotInitialized, 0x190, "CKR_CRYPTOKI_NOT_INITIALIZED", restart("the library forgot everything, and a new process initialises it")),
    (RvError::CryptokiAlreadyInitialized, 0x191, "CKR_CRYPTOKI_ALREADY_INITIALIZED", restart("the library is initialised once in a process, and this is not the first time")),
    (RvError::MutexBad, 0x1a0, "CKR_MUTEX_BAD", restart("the library's locks are broken")),
    (RvError::MutexNotLocked, 0x1a1, "CKR_MUTEX_NOT_LOCKED", restart("the library's locks are broken")),
    (RvError::NewPinMode, 0x1b0, "CKR_NEW_PIN_MODE", pin("the token wants a new PIN")),
    (RvError::NextOtp, 0x1b1, "CKR_NEXT_OTP", pin("the token wants a one-time password, which nobody is there to type")),
    (RvError::ExceededMaxIterations, 0x1b5, "CKR_EXCEEDED_MAX_ITERATIONS", elsewhere("key generation ran out of tries; the next may not")),
    (RvError::FipsSelfTestFailed, 0x1b6, "CKR_FIPS_SELF_TEST_FAILED", operator("the token failed its self-test and is out of service")),
    (RvError::LibraryLoadFailed, 0x1b7, "CKR_LIBRARY_LOAD_FAILED", operator("the library lacks another that it needs")),
    (RvError::PinTooWeak, 0x1b8, "CKR_PIN_TOO_WEAK", pin("the PIN is weaker than the token allows")),
    (RvError::PublicKeyInvalid, 0x1b9, "CKR_PUBLIC_KEY_INVALID", NOT_OURS),
    (RvError::FunctionRejected, 0x200, "CKR_FUNCTION_REJECTED", operator("a person at the token said no")),
];

#[cfg(test)]
mod tests {
    use cryptoki::error::Rv;

    use super::*;

    #[test]
    fn every_value_that_the_library_knows_has_a_row_of_its_own() {
        for code in 1..0x1000_u64 {
            let Rv::Error(error) = Rv::from(code) else { panic!("{code} is no error") };
            if matches!(error, RvError::UnknownErrorCode(_)) {
                continue;
            }

            assert_eq!(u64::from(meaning(error).code), code, "{error:?}");
        }
    }

    #[test]
    fn names_are_the_standards_own() {
        for (error, _, name, _) in TABLE {
            let name = name.strip_prefix("CKR_").unwrap().replace('_', "");
            assert_eq!(name, format!("{error:?}").to_uppercase());
        }
    }

    #[test]
    fn a_pin_that_was_not_taken_is_never_tried_again() {
        for error in [RvError::PinIncorrect, RvError::PinLocked, RvError::PinExpired, RvError::PinLenRange] {
            let meaning = meaning(error);
            assert_eq!(
                (meaning.then, meaning.kind),
                (Then::NeverAgain, FailureKind::Credentials),
                "{error:?}"
            );
        }
    }

    #[test]
    fn a_token_that_went_away_wants_a_new_process() {
        for error in [
            RvError::CryptokiNotInitialized,
            RvError::DeviceError,
            RvError::DeviceRemoved,
            RvError::SessionClosed,
            RvError::SessionHandleInvalid,
            RvError::TokenNotPresent,
            RvError::UserNotLoggedIn,
        ] {
            let meaning = meaning(error);
            assert_eq!((meaning.then, meaning.kind), (Then::Restart, FailureKind::Unavailable), "{error:?}");
        }
    }

    #[test]
    fn what_a_callers_input_can_bring_about_never_stops_the_process() {
        for error in [
            RvError::ArgumentsBad,
            RvError::DataInvalid,
            RvError::DataLenRange,
            RvError::GeneralError,
            RvError::KeyTypeInconsistent,
            RvError::MechanismInvalid,
        ] {
            assert_eq!(meaning(error).then, Then::Nothing, "{error:?}");
        }
    }

    #[test]
    fn no_session_free_is_waited_for_and_a_stale_handle_is_found_again() {
        assert_eq!(meaning(RvError::SessionCount).then, Then::Wait);
        assert_eq!(meaning(RvError::KeyHandleInvalid).then, Then::FindAgain);
        assert_eq!(meaning(RvError::ObjectHandleInvalid).then, Then::FindAgain);
    }
}
