//! Makes key pairs: sensitive, not extractable, for signing only, and one for each CKA_ID.

use std::collections::HashSet;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use cryptoki::error::{Error, RvError};
use cryptoki::mechanism::Mechanism as Ckm;
use cryptoki::object::{Attribute, AttributeType, ObjectClass, ObjectHandle};
use cryptoki::session::Session;
use keyport_core::FailureKind;
use keyport_core::public_key::PublicKey;
use keyport_core::scheme::{Family, KeyType};

use super::super::ckr::Trouble;
use super::super::mechanism::generation;
use super::objects::{Handles, Objects, find};
use super::public;

/// What is wanted.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wanted<'a> {
    pub(super) id: &'a [u8],
    pub(super) key_type: KeyType,
    pub(super) label: &'a str,
}

/// The pair with the wanted CKA_ID, made where there is none yet.
pub(super) fn generate(
    session: &Session,
    objects: &Objects,
    wanted: Wanted<'_>,
) -> Result<PublicKey, Trouble> {
    let private = find(session, ObjectClass::PRIVATE_KEY, wanted.id)?;
    let public = find(session, ObjectClass::PUBLIC_KEY, wanted.id)?;
    if !private.is_empty() && !public.is_empty() {
        let (_, half) = objects.find(session, wanted.id)?;
        return same_type(half, wanted);
    }

    // Half a pair is what a crash left; nobody was ever told of it.
    for half in private.into_iter().chain(public) {
        session.destroy_object(half)?;
    }
    make(session, objects, wanted)
}

fn same_type(half: PublicKey, wanted: Wanted<'_>) -> Result<PublicKey, Trouble> {
    if half.key_type() == wanted.key_type {
        return Ok(half);
    }

    let message = format!("CKA_ID {} is of type {}", hex::encode(wanted.id), half.key_type());
    Err(Trouble::new(FailureKind::Exists, message))
}

fn make(session: &Session, objects: &Objects, wanted: Wanted<'_>) -> Result<PublicKey, Trouble> {
    let (public, private) = match pair(session, wanted, public::ec_params(wanted.key_type)) {
        Err(Error::Pkcs11(error, _)) if wanted.key_type == KeyType::Ed25519 && names_no_curve(error) => {
            pair(session, wanted, public::ed25519_name())
        }
        made => made,
    }
    .map_err(|error| named(error.into(), wanted.key_type))?;

    let half = public::read(session, public)?;
    if is_exposed(session, private)? {
        session.destroy_object(private)?;
        session.destroy_object(public)?;
        let message = "the token makes private keys that can be taken out of it, whatever it is told";
        return Err(Trouble::new(FailureKind::Unsupported, message));
    }

    objects.keep(wanted.id, Handles { private, public, key_type: half.key_type() });
    same_type(half, wanted)
}

fn pair(
    session: &Session,
    wanted: Wanted<'_>,
    ec_params: Option<Vec<u8>>,
) -> Result<(ObjectHandle, ObjectHandle), Error> {
    let ckm = match wanted.key_type.family() {
        Family::Ecdsa { .. } => Ckm::EccKeyPairGen,
        Family::EdDsa => Ckm::EccEdwardsKeyPairGen,
        Family::Rsa { .. } => Ckm::RsaPkcsKeyPairGen,
        Family::MlDsa { .. } => return Err(Error::NotSupported),
    };

    session.generate_key_pair(&ckm, &public_template(wanted, ec_params), &private_template(wanted))
}

fn public_template(wanted: Wanted<'_>, ec_params: Option<Vec<u8>>) -> Vec<Attribute> {
    let mut template = vec![
        Attribute::Token(true),
        Attribute::Private(false),
        Attribute::Verify(true),
        Attribute::Encrypt(false),
        Attribute::VerifyRecover(false),
        Attribute::Wrap(false),
        Attribute::Id(wanted.id.to_vec()),
        Attribute::Label(wanted.label.as_bytes().to_vec()),
    ];
    match ec_params {
        Some(params) => template.push(Attribute::EcParams(params)),
        None => {
            let bits = generation(wanted.key_type).map_or(0, |(_, bits)| bits);
            template.push(Attribute::ModulusBits(bits.into()));
            template.push(Attribute::PublicExponent(vec![1, 0, 1]));
        }
    }

    template
}

fn private_template(wanted: Wanted<'_>) -> Vec<Attribute> {
    vec![
        Attribute::Token(true),
        Attribute::Private(true),
        Attribute::Sensitive(true),
        Attribute::Extractable(false),
        Attribute::Sign(true),
        // Tokens allow by default what they are not told, whatever the kind of key.
        Attribute::Decrypt(false),
        Attribute::Derive(false),
        Attribute::SignRecover(false),
        Attribute::Unwrap(false),
        Attribute::Id(wanted.id.to_vec()),
        Attribute::Label(wanted.label.as_bytes().to_vec()),
    ]
}

/// Whether the private key could leave the token.
fn is_exposed(session: &Session, private: ObjectHandle) -> Result<bool, Trouble> {
    let attributes =
        session.get_attributes(private, &[AttributeType::Extractable, AttributeType::Sensitive])?;

    Ok(attributes.contains(&Attribute::Extractable(true))
        || attributes.contains(&Attribute::Sensitive(false)))
}

fn names_no_curve(error: RvError) -> bool {
    matches!(
        error,
        RvError::ArgumentsBad
            | RvError::AttributeValueInvalid
            | RvError::CurveNotSupported
            | RvError::DomainParamsInvalid
            | RvError::FunctionFailed
            | RvError::GeneralError
            | RvError::MechanismParamInvalid
            | RvError::TemplateInconsistent
    )
}

/// What a token refuses of a template is a key type that it does not have, and not the caller's mistake.
fn named(mut trouble: Trouble, key_type: KeyType) -> Trouble {
    if trouble.failure.kind == FailureKind::InvalidArgument {
        trouble.failure.kind = FailureKind::Unsupported;
    }
    trouble.failure.message.insert_str(0, &format!("{key_type}: "));

    trouble
}

/// The CKA_IDs for which a pair is being made: two calls for the same must not make two.
#[derive(Debug, Default)]
pub(super) struct Making {
    ids: Mutex<HashSet<Vec<u8>>>,
    done: Condvar,
}

/// The right to make the pair of one CKA_ID; it ends when this is dropped.
#[derive(Debug)]
pub(super) struct Turn<'a> {
    making: &'a Making,
    id: &'a [u8],
}

impl Making {
    /// Waits until nobody else makes the pair of this CKA_ID; `None` where that is not by `deadline`.
    pub(super) fn turn<'a>(&'a self, id: &'a [u8], deadline: Instant) -> Option<Turn<'a>> {
        let mut ids = self.ids();
        while !ids.insert(id.to_vec()) {
            let left = deadline.checked_duration_since(tokio::time::Instant::now().into_std())?;
            ids = self.done.wait_timeout(ids, left).unwrap_or_else(PoisonError::into_inner).0;
        }

        Some(Turn { making: self, id })
    }

    fn ids(&self) -> MutexGuard<'_, HashSet<Vec<u8>>> {
        self.ids.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.making.ids().remove(self.id);
        self.making.done.notify_all();
    }
}
