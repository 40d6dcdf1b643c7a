//! Finds a key pair that somebody else made, by the name that an operator knows.

use cryptoki::object::{Attribute, AttributeType, ObjectClass, ObjectHandle};
use cryptoki::session::Session;
use keyport_core::FailureKind;
use keyport_core::public_key::PublicKey;

use super::super::ckr::Trouble;
use super::super::wire::Reference;
use super::objects::Objects;

/// The CKA_ID and the public half of the one pair that `reference` names.
pub(super) fn locate(
    session: &Session,
    objects: &Objects,
    reference: &Reference,
) -> Result<(Vec<u8>, PublicKey), Trouble> {
    let id = match reference {
        Reference::Id(id) => id.clone(),
        Reference::Label(label) => id_of(session, label)?,
    };
    let (_, half) = objects.find(session, &id).map_err(|trouble| {
        // Several share the CKA_ID: here it is the name that is wrong.
        if trouble.failure.kind == FailureKind::OperatorNeeded {
            return Trouble::new(FailureKind::InvalidArgument, trouble.failure.message);
        }
        trouble
    })?;

    Ok((id, half))
}

fn id_of(session: &Session, label: &str) -> Result<Vec<u8>, Trouble> {
    let template = [
        Attribute::Token(true),
        Attribute::Class(ObjectClass::PRIVATE_KEY),
        Attribute::Label(label.as_bytes().to_vec()),
    ];
    match session.find_objects(&template)?.as_slice() {
        [] => Err(Trouble::new(FailureKind::NotFound, format!("no private key has the label \"{label}\""))),
        [one] => id(session, *one, label),
        several => {
            let message =
                format!("{} private keys have the label \"{label}\"; name one by id:", several.len());
            Err(Trouble::new(FailureKind::InvalidArgument, message))
        }
    }
}

fn id(session: &Session, object: ObjectHandle, label: &str) -> Result<Vec<u8>, Trouble> {
    let attributes = session.get_attributes(object, &[AttributeType::Id])?;
    let id = attributes
        .into_iter()
        .find_map(|attribute| if let Attribute::Id(id) = attribute { Some(id) } else { None });

    id.filter(|id| !id.is_empty()).ok_or_else(|| {
        let message = format!("the private key with the label \"{label}\" has no CKA_ID; give it one");
        Trouble::new(FailureKind::InvalidArgument, message)
    })
}
