//! The ways to misbehave, by the names that the setting `mode` picks them with.

use keyport_sdk::{Error, Result, Settings};

/// A way to misbehave; in `sign`, unless it says otherwise.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Mode {
    /// Not at all.
    Behave,
    /// Asks for a new key, and then signs with it.
    CreateInSign,
    /// Has the key deleted, and then signs.
    DeleteInSign,
    /// Asks for RSA-PSS.
    OtherAlgorithm,
    /// Signs on the connection that the setting `connection` names.
    OtherConnection,
    /// Asks for the algorithm over what it does not take.
    OtherMessageType,
    /// Signs with the object that the setting `object` names.
    OtherObject,
    /// `create-key` asks for a dearer key.
    OtherSpec,
    /// Asks how the object stands that the setting `object` names, and then signs as it should.
    OtherState,
    /// `describe` signs with the object that the setting `object` names, and adds what came of it as the property
    /// `sign-in-describe`.
    SignInDescribe,
    /// `health` signs with the object that the setting `object` names.
    SignInHealth,
    /// Asks for a second signature, and answers that.
    SignTwice,
    /// Fails, and says how its key stands.
    State,
}

impl Mode {
    /// Every one, with its name.
    pub const ALL: [(&str, Self); 13] = [
        ("behave", Self::Behave),
        ("create-in-sign", Self::CreateInSign),
        ("delete-in-sign", Self::DeleteInSign),
        ("other-algorithm", Self::OtherAlgorithm),
        ("other-connection", Self::OtherConnection),
        ("other-message-type", Self::OtherMessageType),
        ("other-object", Self::OtherObject),
        ("other-spec", Self::OtherSpec),
        ("other-state", Self::OtherState),
        ("sign-in-describe", Self::SignInDescribe),
        ("sign-in-health", Self::SignInHealth),
        ("sign-twice", Self::SignTwice),
        ("state", Self::State),
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
