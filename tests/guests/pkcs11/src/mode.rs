//! The ways to misbehave, by the names that the setting `mode` picks them with.

use keyport_sdk::{Error, Result, Settings};

/// A way to misbehave; in `sign`, unless it says otherwise.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Mode {
    /// Not at all.
    Behave,
    /// Destroys the key pair, and then signs.
    DestroyInSign,
    /// Asks for a new key pair, and then signs.
    GenerateInSign,
    /// Takes hold of the key pair until it is refused, and fails with that; the code says how many it held.
    Hoard,
    /// Signs with the key pair that it kept from an earlier call, if it did; and keeps it.
    Keep,
    /// `create-key` asks for an RSA key pair.
    OtherKeyType,
    /// Asks for RSA-PSS, or for ECDSA where the scheme is RSA.
    OtherMechanism,
    /// Signs with the object that the setting `object` names.
    OtherObject,
    /// Signs on the token that the setting `token` names.
    OtherToken,
    /// Asks for RSA-PSS without a salt.
    Saltless,
    /// `create-key` signs before it makes the key pair.
    SignInCreate,
    /// `describe` signs with the object that the setting `object` names, and adds what came of it as the property
    /// `sign-in-describe`.
    SignInDescribe,
    /// `health` signs with the object that the setting `object` names.
    SignInHealth,
    /// Asks for a second signature, and answers that.
    SignTwice,
}

impl Mode {
    /// Every one, with its name.
    pub const ALL: [(&str, Self); 14] = [
        ("behave", Self::Behave),
        ("destroy-in-sign", Self::DestroyInSign),
        ("generate-in-sign", Self::GenerateInSign),
        ("hoard", Self::Hoard),
        ("keep", Self::Keep),
        ("other-key-type", Self::OtherKeyType),
        ("other-mechanism", Self::OtherMechanism),
        ("other-object", Self::OtherObject),
        ("other-token", Self::OtherToken),
        ("saltless", Self::Saltless),
        ("sign-in-create", Self::SignInCreate),
        ("sign-in-describe", Self::SignInDescribe),
        ("sign-in-health", Self::SignInHealth),
        ("sign-twice", Self::SignTwice),
    ];

    /// What the setting `mode` says; without it, to behave.
    ///
    /// # Errors
    ///
    /// [`InvalidArgument`](keyport_sdk::ErrorKind::InvalidArgument) for a mode that there is not.
    pub fn of(settings: &impl Settings) -> Result<Self> {
        let Some(wanted) = settings.setting("mode") else { return Ok(Self::Behave) };

        Self::ALL
            .into_iter()
            .find_map(|(name, mode)| (name == wanted).then_some(mode))
            .ok_or_else(|| Error::invalid_argument(format!("no mode {wanted}")))
    }
}

#[cfg(test)]
mod tests {
    use keyport_sdk::testing::Host;

    use super::*;

    #[test]
    fn each_mode_is_found_by_its_name_and_no_other_is_there() {
        for (name, mode) in Mode::ALL {
            assert_eq!(Mode::of(&&Host::new().with_setting("mode", name)), Ok(mode));
        }
        assert!(Mode::of(&&Host::new().with_setting("mode", "hord")).is_err());
        assert_eq!(Mode::of(&&Host::new()), Ok(Mode::Behave));
    }
}
