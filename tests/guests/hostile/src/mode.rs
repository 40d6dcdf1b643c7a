//! The ways to misbehave, by the names that the setting `mode` picks them with.

use keyport_sdk::{Error, ErrorKind, Result, Settings};

macro_rules! named {
    ($(#[$doc:meta])* $type:ident { $($(#[$variant_doc:meta])* $variant:ident = $name:literal,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Eq, PartialEq)]
        pub enum $type {
            $($(#[$variant_doc])* $variant,)*
        }

        impl $type {
            /// Every one, with its name.
            pub const ALL: &[(&str, Self)] = &[$(($name, Self::$variant),)*];
        }
    };
}

named! {
    /// A way to misbehave; in `sign`, unless it says otherwise.
    Mode {
        /// Not at all.
        Behave = "behave",
        /// `create-key` answers a handle of 5 KiB.
        BigHandle = "big-handle",
        /// `create-key` answers a public key of its own without having asked the token.
        CreateNothing = "create-nothing",
        /// `create-key` asks for a second key, with another key-id.
        CreateTwice = "create-twice",
        /// Destroys the key, and then signs.
        DestroyInSign = "destroy-in-sign",
        /// `destroy-key` does nothing, and says that it did.
        DestroyNothing = "destroy-nothing",
        /// `sign` and `create-key` fail with the error kind that the setting `kind` names, code 7, and a retry
        /// after 1500 ms.
        ErrorKinds = "error-kinds",
        /// Writes as many lines to the log as the setting `count` says (default 100000), then signs.
        FloodLog = "flood-log",
        /// Answers as many random bytes as the setting `length` says (default 64).
        Forge = "forge",
        /// `import-key` has a key made instead of taking over the one it was given.
        GenerateInImport = "generate-in-import",
        /// Asks for a new key, and then signs.
        GenerateInSign = "generate-in-sign",
        /// Takes and writes memory until no more is given, then signs.
        GrowMemory = "grow-memory",
        /// Logs a line of 8 MiB, then signs.
        HugeArgument = "huge-argument",
        /// Answers as many bytes as the setting `length` says (default 8 MiB).
        HugeResult = "huge-result",
        /// Asks for the usual mechanism of the key, whatever the scheme is.
        IgnoreScheme = "ignore-scheme",
        /// `create-key` takes over a key, by a reference of its own, instead of having one made.
        ImportInCreate = "import-in-create",
        /// `import-key` names another reference than it was given.
        ImportOtherReference = "import-other-reference",
        /// `import-key` takes over the same key twice.
        ImportTwice = "import-twice",
        /// Counts the calls that its instance has seen; logs the number and fails with it as code.
        KeepState = "keep-state",
        /// Keeps 4 KiB for ever, then signs.
        Leak = "leak",
        /// Signs, and answers a byte more.
        LongSignature = "long-signature",
        /// Never ends.
        Loop = "loop",
        /// `describe` adds a property that is another one each time.
        Moody = "moody",
        /// Says of every failure that it is its own mistake; so do `public-key` and `create-key`.
        Opaque = "opaque",
        /// Signs with the object that the setting `object` names.
        OtherObject = "other-object",
        /// `create-key` answers the bytes of the setting `public-key` (hexadecimal) or, without it, the public
        /// key of the setting `object`.
        OtherPublicKey = "other-public-key",
        /// `create-key` answers a public key whose private half everybody knows.
        OwnPublicKey = "own-public-key",
        /// `create-key` panics.
        PanicCreate = "panic-create",
        /// `describe` panics.
        PanicDescribe = "panic-describe",
        /// `destroy-key` panics.
        PanicDestroy = "panic-destroy",
        /// `health` panics.
        PanicHealth = "panic-health",
        /// `import-key` panics.
        PanicImport = "panic-import",
        /// `public-key` panics.
        PanicPublicKey = "panic-public-key",
        /// Panics.
        PanicSign = "panic-sign",
        /// Asks for 4 GiB of randomness.
        RandomBomb = "random-bomb",
        /// Calls itself until the stack of the WebAssembly engine is used up.
        Recurse = "recurse",
        /// Calls itself until its own stack, in its memory, is used up.
        RecurseInMemory = "recurse-in-memory",
        /// `describe` offers a scheme twice.
        RepeatScheme = "repeat-scheme",
        /// Asks again when it is refused; so does `create-key`.
        Retry = "retry",
        /// `create-key` signs with the object that the setting `object` names, and answers that as handle.
        SignInCreate = "sign-in-create",
        /// `describe` signs with the object that the setting `object` names, and adds what came of it as the
        /// property `sign-in-describe`.
        SignInDescribe = "sign-in-describe",
        /// `health` signs with the object that the setting `object` names.
        SignInHealth = "sign-in-health",
        /// Asks for a second signature, and answers that.
        SignTwice = "sign-twice",
        /// `health` never ends.
        SlowHealthLoop = "slow-health-loop",
        /// Signs, and answers the signature that it saw in its instance before.
        Stale = "stale",
        /// `health` panics where there is a setting besides `mode`.
        StrictSettings = "strict-settings",
        /// `create-key` answers the setting `handle`; `sign` uses a key's handle as its object.
        SwapHandle = "swap-handle",
        /// Fails with all the settings that it can read.
        TellSettings = "tell-settings",
        /// Signs, and changes a bit.
        Tamper = "tamper",
        /// `health` says that it is well without asking anybody.
        WellAnyway = "well-anyway",
        /// Asks for RSA-PSS, or for ECDSA where the scheme is RSA.
        WrongMechanism = "wrong-mechanism",
    }
}

impl Mode {
    /// What the setting `mode` says; without it, to behave.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidArgument`] for a mode that there is not.
    pub fn of(settings: &impl Settings) -> Result<Self> {
        let Some(wanted) = settings.setting("mode") else { return Ok(Self::Behave) };

        Self::ALL
            .iter()
            .find_map(|(name, mode)| (*name == wanted).then_some(*mode))
            .ok_or_else(|| Error::invalid_argument(format!("no mode {wanted}")))
    }
}

/// The error that the setting `kind` asks for; an invalid argument where it names none.
pub(crate) fn error(settings: &impl Settings) -> Error {
    let wanted = settings.setting("kind").unwrap_or_default();
    let kind = KINDS.iter().find_map(|(name, kind)| (*name == wanted).then_some(*kind));

    kind.map_or_else(
        || Error::invalid_argument(format!("no error kind {wanted}")),
        |kind| Error::new(kind, "as it was told").with_code(7).with_retry_after_ms(1500),
    )
}

const KINDS: [(&str, ErrorKind); 12] = [
    ("invalid-argument", ErrorKind::InvalidArgument),
    ("not-found", ErrorKind::NotFound),
    ("key-gone", ErrorKind::KeyGone),
    ("exists", ErrorKind::Exists),
    ("denied", ErrorKind::Denied),
    ("credentials", ErrorKind::Credentials),
    ("operator-needed", ErrorKind::OperatorNeeded),
    ("unsupported", ErrorKind::Unsupported),
    ("throttled", ErrorKind::Throttled),
    ("unavailable", ErrorKind::Unavailable),
    ("internal", ErrorKind::Internal),
    ("other", ErrorKind::Other),
];

#[cfg(test)]
mod tests {
    use keyport_sdk::testing::Host;

    use super::*;

    #[test]
    fn each_mode_is_found_by_its_name() {
        for (name, mode) in Mode::ALL {
            assert_eq!(Mode::of(&&Host::new().with_setting("mode", name)), Ok(*mode));
        }
    }

    #[test]
    fn a_mode_that_there_is_not_is_an_error() {
        assert!(Mode::of(&&Host::new().with_setting("mode", "lop")).is_err());
        assert_eq!(Mode::of(&&Host::new()), Ok(Mode::Behave));
    }

    #[test]
    fn each_error_kind_is_made_by_its_name() {
        for (name, kind) in KINDS {
            assert_eq!(error(&&Host::new().with_setting("kind", name)).kind, kind);
        }
    }
}
