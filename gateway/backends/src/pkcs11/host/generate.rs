//! Makes key pairs: sensitive, not extractable, for signing only, and one for each CKA_ID.

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use cryptoki::error::{Error, RvError};
use cryptoki::mechanism::Mechanism as Ckm;
use cryptoki::object::{Attribute, AttributeType, ObjectHandle};
use cryptoki::session::Session;
use keyport_core::FailureKind;
use keyport_core::public_key::PublicKey;
use keyport_core::scheme::{Family, KeyType};

use super::super::ckr::{Trouble, meaning};
use super::super::mechanism::generation;
use super::objects::{Halves, Handles, Objects, find};
use super::public;

/// What is wanted.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wanted<'a> {
    pub(super) id: &'a [u8],
    pub(super) key_type: KeyType,
    pub(super) label: &'a str,
    /// Whether it outlives the session.
    pub(super) stays: bool,
}

/// The pair with the wanted CKA_ID, made where there is none yet.
pub(super) fn generate(
    session: &Session,
    objects: &Objects,
    making: &Making,
    wanted: Wanted<'_>,
) -> Result<PublicKey, Trouble> {
    let Halves { private, public } = find(session, wanted.id)?;
    if !private.is_empty() && !public.is_empty() {
        let (_, half) = objects.find(session, wanted.id)?;
        return same_type(half, wanted);
    }

    // Half a pair is what a crash left; nobody was ever told of it.
    for half in private.into_iter().chain(public) {
        session.destroy_object(half)?;
    }
    make(session, objects, making, wanted)
}

fn same_type(half: PublicKey, wanted: Wanted<'_>) -> Result<PublicKey, Trouble> {
    if half.key_type() == wanted.key_type {
        return Ok(half);
    }

    let message = format!("CKA_ID {} is of type {}", hex::encode(wanted.id), half.key_type());
    Err(Trouble::new(FailureKind::Exists, message))
}

fn make(
    session: &Session,
    objects: &Objects,
    making: &Making,
    wanted: Wanted<'_>,
) -> Result<PublicKey, Trouble> {
    let (public, private) =
        pair(session, making, wanted).map_err(|error| named(error.into(), wanted.key_type))?;

    let half = match usable(session, public, private) {
        Ok(half) => half,
        Err(trouble) => {
            // Nobody was ever told of it.
            session.destroy_object(private)?;
            session.destroy_object(public)?;
            return Err(trouble);
        }
    };

    objects.keep(wanted.id, Handles { private, public, key_type: half.key_type() });
    same_type(half, wanted)
}

/// Makes the pair in the first way that the token takes: its public half, and its private one.
pub(super) fn pair(
    session: &Session,
    making: &Making,
    wanted: Wanted<'_>,
) -> Result<(ObjectHandle, ObjectHandle), Error> {
    let ckm = match wanted.key_type.family() {
        Family::Ecdsa { .. } => Ckm::EccKeyPairGen,
        Family::EdDsa => Ckm::EccEdwardsKeyPairGen,
        Family::Rsa { .. } => Ckm::RsaPkcsKeyPairGen,
        Family::MlDsa { .. } => return Err(Error::NotSupported),
    };
    let known = making.loose.load(Ordering::Relaxed);

    let mut refused = None;
    for way in ways(wanted.key_type).into_iter().filter(|way| way.loose || !known) {
        match session.generate_key_pair(&ckm, &public_template(wanted, &way), &private_template(wanted, &way))
        {
            Ok(pair) => {
                making.took(&way);
                return Ok(pair);
            }
            Err(Error::Pkcs11(error, function)) if is_template(error) => {
                refused.get_or_insert(Error::Pkcs11(error, function));
            }
            Err(error) => return Err(error),
        }
    }
    Err(refused.unwrap_or(Error::NotSupported))
}

/// One way to ask for a pair.
struct Way {
    ec_params: Option<Vec<u8>>,
    /// Whether it is left to the token if the pair encrypts and decrypts too, and if its public half verifies.
    loose: bool,
}

/// The ways to ask for a key of this type, the best first.
fn ways(key_type: KeyType) -> Vec<Way> {
    let mut names = vec![public::ec_params(key_type)];
    if key_type == KeyType::Ed25519 {
        names.push(public::ed25519_name());
    }
    let named = |loose| names.iter().map(move |name| Way { ec_params: name.clone(), loose });

    // A TPM signs with CKM_RSA_PKCS by decrypting, and tpm2-pkcs11 has one bit for "may verify" and "may decrypt", whatever
    // the type: it makes no pair of which one is said and the other denied.
    [false, true].into_iter().flat_map(named).collect()
}

fn public_template(wanted: Wanted<'_>, way: &Way) -> Vec<Attribute> {
    let mut template = vec![
        Attribute::Token(wanted.stays),
        Attribute::Private(false),
        Attribute::VerifyRecover(false),
        Attribute::Wrap(false),
        Attribute::Id(wanted.id.to_vec()),
        Attribute::Label(wanted.label.as_bytes().to_vec()),
    ];
    if !way.loose {
        template.extend([Attribute::Verify(true), Attribute::Encrypt(false)]);
    }
    match &way.ec_params {
        Some(params) => template.push(Attribute::EcParams(params.clone())),
        None => {
            let bits = generation(wanted.key_type).map_or(0, |(_, bits)| bits);
            template.push(Attribute::ModulusBits(bits.into()));
            template.push(Attribute::PublicExponent(vec![1, 0, 1]));
        }
    }

    template
}

fn private_template(wanted: Wanted<'_>, way: &Way) -> Vec<Attribute> {
    let mut template = vec![
        Attribute::Token(wanted.stays),
        Attribute::Private(true),
        Attribute::Sensitive(true),
        Attribute::Extractable(false),
        Attribute::Sign(true),
        // Tokens allow by default what they are not told, whatever the kind of key.
        Attribute::Derive(false),
        Attribute::SignRecover(false),
        Attribute::Unwrap(false),
        Attribute::Id(wanted.id.to_vec()),
        Attribute::Label(wanted.label.as_bytes().to_vec()),
    ];
    if !way.loose {
        template.push(Attribute::Decrypt(false));
    }

    template
}

/// The public half of a pair that may stay: one that can be read, and whose private half cannot leave the token.
fn usable(session: &Session, public: ObjectHandle, private: ObjectHandle) -> Result<PublicKey, Trouble> {
    let half = public::read(session, public)?;
    let attributes =
        session.get_attributes(private, &[AttributeType::Extractable, AttributeType::Sensitive])?;
    if attributes.contains(&Attribute::Extractable(true)) || attributes.contains(&Attribute::Sensitive(false))
    {
        let message = "the token makes private keys that can be taken out of it, whatever it is told";
        return Err(Trouble::new(FailureKind::Unsupported, message));
    }

    Ok(half)
}

/// Whether a token may say so of a template that it does not take.
fn is_template(error: RvError) -> bool {
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
    // Mechanism lists do not say which curves a token has; of the one that many lack, kryoptic says no more than this.
    let is_curve =
        key_type == KeyType::EcSecp256k1 && trouble.failure.code == meaning(RvError::GeneralError).code;
    if is_curve || trouble.failure.kind == FailureKind::InvalidArgument {
        trouble.failure.kind = FailureKind::Unsupported;
    }
    trouble.failure.message.insert_str(0, &format!("{key_type}: "));

    trouble
}

/// The CKA_IDs for which a pair is being made: two calls for the same must not make two.
#[derive(Debug, Default)]
pub(super) struct Making {
    /// Whether the token took a pair in a loose way only: a refusal may cost a TPM one of its few handles each time.
    loose: AtomicBool,
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

    /// Keeps in mind how the token was to be asked, and says in the log if that is less than it should be.
    fn took(&self, way: &Way) {
        if way.loose && !self.loose.swap(true, Ordering::Relaxed) {
            eprintln!(
                "the token makes no pair that may only sign and verify, and is let choose what its pairs may do"
            );
        }
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
