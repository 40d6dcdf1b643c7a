//! Decides what a caller may do. What it allows becomes an operation, and nothing else makes one.

use std::sync::Arc;

use crate::caller::{Caller, Verb};
use crate::import::Material;
use crate::input::{Digest, Input};
use crate::key::{Key, KeyName};
use crate::provider::Descriptor;
use crate::scheme::{Family, Hash, KeyType, Scheme};
use crate::{Error, Result};

/// Something that was allowed, for custody's ledger. Its contents are private to this crate, and only this module
/// makes one.
#[derive(Debug)]
pub struct Operation(Allowed);

/// What an operation allows.
#[derive(Debug)]
pub(crate) enum Allowed {
    /// Making a key pair.
    Create(Box<Making>),
    /// One signature.
    Sign(Signing),
    /// Destroying this key.
    Destroy(Arc<Key>),
    /// Asking custodians how they are.
    Probe,
}

/// One key pair that was allowed.
#[derive(Debug)]
pub(crate) struct Making {
    /// Its pending row.
    pub(crate) key: Key,
    /// What it is made of, where it was made elsewhere.
    pub(crate) imported: Option<Imported>,
}

/// A key pair that was made elsewhere, and what a provider names it by.
#[derive(Debug)]
pub(crate) struct Imported {
    pub(crate) reference: String,
    pub(crate) material: Material,
}

/// One signature that was allowed.
#[derive(Clone, Debug)]
pub(crate) struct Signing {
    pub(crate) key: Arc<Key>,
    pub(crate) scheme: Scheme,
    pub(crate) input: Input,
}

impl Operation {
    /// What it allows.
    pub(crate) fn allowed(&self) -> &Allowed {
        &self.0
    }

    /// The scheme and the input of a signature, as the provider is told of them.
    pub(crate) fn signing(&self) -> Option<(Scheme, Input)> {
        match &self.0 {
            Allowed::Sign(signing) => Some((signing.scheme, signing.input.clone())),
            Allowed::Create(_) | Allowed::Destroy(_) | Allowed::Probe => None,
        }
    }

    /// What it allows, for custody to note what became of a pending row.
    pub(crate) fn allowed_mut(&mut self) -> &mut Allowed {
        &mut self.0
    }
}

/// Whether `caller` may do `verb` with keys of this name.
pub(crate) fn allow(caller: &Caller, verb: Verb, name: &KeyName) -> Result<()> {
    let allowed = caller
        .rights
        .iter()
        .any(|right| right.verbs.contains(&verb) && right.keys.iter().any(|pattern| pattern.matches(name)));

    if allowed { Ok(()) } else { Err(Error::Forbidden) }
}

/// Whether `caller` may bring about a key of this name and type: by [`Verb::Create`] or [`Verb::Import`].
pub(crate) fn allow_create(caller: &Caller, verb: Verb, name: &KeyName, key_type: KeyType) -> Result<()> {
    let allowed = caller.rights.iter().any(|right| {
        right.verbs.contains(&verb)
            && right.keys.iter().any(|pattern| pattern.matches(name))
            && right.key_types.as_ref().is_none_or(|types| types.contains(&key_type))
    });

    if allowed { Ok(()) } else { Err(Error::Forbidden) }
}

/// The operation that makes the key of `pending`, or takes it over where it was made elsewhere, for a caller that
/// [`allow_create`] lets through.
pub(crate) fn create(caller: &Caller, pending: Key, imported: Option<Imported>) -> Result<Operation> {
    let verb = if imported.is_some() { Verb::Import } else { Verb::Create };
    allow_create(caller, verb, &pending.name, pending.key_type)?;

    Ok(Operation(Allowed::Create(Box::new(Making { key: pending, imported }))))
}

/// The operation that signs `input` once.
///
/// Messages are hashed here, unless the provider's custodian does that; a digest is never taken for a message.
pub(crate) fn sign(
    caller: &Caller,
    key: Arc<Key>,
    how: How,
    input: Input,
    descriptor: &Descriptor,
) -> Result<Operation> {
    allow(caller, Verb::Sign, &key.name)?;
    let (scheme, input) = how.of(&key, input)?;
    if !descriptor.signs(key.key_type, scheme) {
        return Err(Error::Unsupported);
    }

    let input = descriptor.handed(scheme, input)?;
    if let Input::Message(message) = &input
        && message.len() > descriptor.max_message
    {
        return Err(Error::invalid(
            "message",
            format!("has {} bytes, the provider signs at most {}", message.len(), descriptor.max_message),
        ));
    }

    Ok(Operation(Allowed::Sign(Signing { key, scheme, input })))
}

/// The operation that has a new key show that it signs: the gateway's own, no caller's.
pub(crate) fn challenge(key: Arc<Key>, scheme: Scheme, input: Input) -> Operation {
    Operation(Allowed::Sign(Signing { key, scheme, input }))
}

/// The operation that destroys a key whose time has come: the gateway's own, no caller's.
pub(crate) fn destroy(key: Arc<Key>) -> Operation {
    Operation(Allowed::Destroy(key))
}

/// The operation that asks a provider how it is: the gateway's own.
pub(crate) fn probe() -> Operation {
    Operation(Allowed::Probe)
}

/// How a caller wants a signature made.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum How {
    /// By this scheme.
    Scheme(Scheme),
    /// By this scheme, and only with a key of this type: JOSE binds each ECDSA algorithm to a curve (RFC 7518,
    /// section 3.4).
    Only(Scheme, KeyType),
    /// By the usual scheme of the key's type for a digest: ECDSA, or RSASSA-PKCS1-v1_5.
    Usual,
}

impl How {
    /// The scheme that this comes to for `key`, and what of `input` that scheme signs: of a key that takes digests as
    /// messages, a SHA-512 digest is the message of pure Ed25519.
    pub(crate) fn of(self, key: &Key, input: Input) -> Result<(Scheme, Input)> {
        let is_message = key.digest_as_message && self.may_be_pure();
        let input = match input {
            Input::Digest(digest) if is_message => as_message(&digest)?,
            Input::Digest(_) | Input::Message(_) => input,
        };

        Ok((self.scheme(key.key_type, &input)?, input))
    }

    fn may_be_pure(self) -> bool {
        matches!(self, Self::Usual | Self::Scheme(Scheme::Ed25519) | Self::Only(Scheme::Ed25519, _))
    }

    /// The scheme that this comes to for a key of such a type.
    fn scheme(self, key_type: KeyType, input: &Input) -> Result<Scheme> {
        match self {
            Self::Scheme(scheme) if scheme.fits(key_type) => Ok(scheme),
            Self::Only(scheme, only) if only == key_type && scheme.fits(key_type) => Ok(scheme),
            Self::Only(_, only) => Err(Error::invalid(
                "alg",
                format!("is for keys of type {only}, and this one is of type {key_type}"),
            )),
            Self::Scheme(scheme) => {
                Err(Error::invalid("alg", format!("a key of type {key_type} does not sign with {scheme}")))
            }
            Self::Usual => match (key_type.family(), input) {
                (Family::Ecdsa { .. }, Input::Digest(digest)) => Ok(Scheme::Ecdsa(digest.hash())),
                (Family::Rsa { .. }, Input::Digest(digest)) => Ok(Scheme::RsaPkcs1v15(digest.hash())),
                (Family::EdDsa, Input::Message(_)) => Ok(Scheme::Ed25519),
                (Family::MlDsa { .. }, Input::Message(_)) => Ok(Scheme::MlDsa),
                (Family::EdDsa | Family::MlDsa { .. }, Input::Digest(_)) => {
                    Err(Error::invalid("digest", format!("a key of type {key_type} signs messages")))
                }
                (Family::Ecdsa { .. } | Family::Rsa { .. }, Input::Message(_)) => {
                    Err(Error::invalid("message", format!("a key of type {key_type} needs a hash algorithm")))
                }
            },
        }
    }
}

fn as_message(digest: &Digest) -> Result<Input> {
    if digest.hash() == Hash::Sha512 {
        return Ok(Input::Message(digest.bytes().into()));
    }

    let hash = digest.hash().as_str();
    Err(Error::invalid(
        "digest",
        format!("this key takes sha-512 digests as messages, and this is one of {hash}"),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::caller::Right;
    use crate::key::KeyId;
    use crate::outside::Timestamp;

    fn caller(verbs: &[Verb], pattern: &str, key_types: Option<&[KeyType]>) -> Caller {
        Caller {
            tenant: "acme".parse().unwrap(),
            name: "tds".parse().unwrap(),
            rights: vec![Right {
                verbs: verbs.iter().copied().collect(),
                keys: vec![pattern.parse().unwrap()],
                key_types: key_types.map(|types| types.iter().copied().collect()),
            }]
            .into(),
        }
    }

    fn name(text: &str) -> KeyName {
        KeyName::new("key_id", text).unwrap()
    }

    #[test]
    fn nothing_is_allowed_but_what_a_right_names() {
        let caller = caller(&[Verb::Sign], "x509-*", None);

        assert!(allow(&caller, Verb::Sign, &name("x509-CA-A")).is_ok());
        assert!(matches!(allow(&caller, Verb::Release, &name("x509-CA-A")), Err(Error::Forbidden)));
        assert!(matches!(allow(&caller, Verb::Sign, &name("jwt-A")), Err(Error::Forbidden)));
    }

    #[test]
    fn a_right_to_create_can_be_bound_to_types() {
        let caller = caller(&[Verb::Create], "*", Some(&[KeyType::EcP256]));

        assert!(allow_create(&caller, Verb::Create, &name("a"), KeyType::EcP256).is_ok());
        assert!(matches!(
            allow_create(&caller, Verb::Create, &name("a"), KeyType::Rsa2048),
            Err(Error::Forbidden)
        ));
    }

    fn ed25519(as_message: bool) -> Key {
        let id: KeyId = "000102030405060708090a0b0c0d0e0f".parse().unwrap();
        let made_by = ("soft".parse().unwrap(), Timestamp(0));

        Key::pending("acme".parse().unwrap(), name("a"), id, KeyType::Ed25519, made_by)
            .taking_digests(as_message)
            .unwrap()
    }

    #[test]
    fn a_sha_512_digest_is_the_message_of_a_key_that_takes_it_so_and_of_no_other() {
        let digest = |hash| Input::Digest(Digest::of(hash, b"x"));
        let bytes = Input::Message(Digest::of(Hash::Sha512, b"x").bytes().into());
        let pure = [How::Usual, How::Scheme(Scheme::Ed25519), How::Only(Scheme::Ed25519, KeyType::Ed25519)];

        for how in pure {
            let taken = how.of(&ed25519(true), digest(Hash::Sha512)).unwrap();
            assert_eq!(taken, (Scheme::Ed25519, bytes.clone()));
            let plain = how.of(&ed25519(false), digest(Hash::Sha512));
            // What is asked for by name is refused later, where the input is brought into the scheme's form.
            assert!(plain.and_then(|(scheme, input)| input.for_scheme(scheme)).is_err());
            for hash in [Hash::Sha256, Hash::Sha384] {
                let refused = how.of(&ed25519(true), digest(hash)).unwrap_err();
                assert!(matches!(refused, Error::InvalidRequest { field: "digest", .. }), "{refused}");
            }
        }
    }

    #[test]
    fn a_key_that_takes_digests_as_messages_signs_messages_and_ed25519ph_as_any_other() {
        let message = Input::Message([7; 64].as_slice().into());
        let digest = Input::Digest(Digest::of(Hash::Sha512, b"x"));

        for as_message in [false, true] {
            let key = ed25519(as_message);
            let taken = How::Usual.of(&key, message.clone()).unwrap();
            assert_eq!(taken, (Scheme::Ed25519, message.clone()));
            let taken = How::Scheme(Scheme::Ed25519ph).of(&key, digest.clone()).unwrap();
            assert_eq!(taken, (Scheme::Ed25519ph, digest.clone()));
        }
    }

    #[test]
    fn the_usual_scheme_follows_the_key_type_and_never_guesses() {
        let digest = Input::Digest(Digest::of(Hash::Sha384, b"x"));

        assert_eq!(How::Usual.scheme(KeyType::EcP256, &digest).unwrap(), Scheme::Ecdsa(Hash::Sha384));
        assert_eq!(How::Usual.scheme(KeyType::Rsa2048, &digest).unwrap(), Scheme::RsaPkcs1v15(Hash::Sha384));
        assert!(How::Usual.scheme(KeyType::Ed25519, &digest).is_err());
        assert!(
            How::Only(Scheme::Ecdsa(Hash::Sha384), KeyType::EcP384).scheme(KeyType::EcP256, &digest).is_err()
        );
        assert!(How::Scheme(Scheme::Ed25519).scheme(KeyType::EcP256, &digest).is_err());
    }
}
