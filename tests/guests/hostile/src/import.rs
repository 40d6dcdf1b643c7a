//! Misbehaviour while a key is taken over.

use keyport_sdk::{Created, ImportRequest, Result, SoftToken};

use crate::mode::Mode;
use crate::panicking;

pub(crate) fn import(host: &impl SoftToken, mode: Mode, request: &ImportRequest) -> Result<Created> {
    let import = || host.import_key(&request.key_id, request.key_type, &request.material);

    let public_key = match mode {
        Mode::GenerateInImport => host.generate(&request.key_id, request.key_type)?,
        Mode::ImportOtherReference => host.import_key(&request.key_id, request.key_type, OTHER_REFERENCE)?,
        Mode::ImportTwice => {
            import()?;
            import()?
        }
        Mode::PanicImport => panicking("import-key"),
        _ => import()?,
    };

    Ok(Created { handle: None, public_key })
}

/// A reference that the gateway gave nobody.
pub(crate) const OTHER_REFERENCE: &str = "eeeeeeeeeeeeeeeeeeeeeeeeeeeeeeee";

#[cfg(test)]
mod tests {
    use keyport_sdk::testing::{Call, Host};
    use keyport_sdk::{Error, KeyType, Usage};

    use super::*;

    #[test]
    fn a_well_behaved_import_is_one_call_with_the_reference_it_was_given() {
        let host = Host::new().answer(Ok(b"spki".to_vec()));

        assert_eq!(import(&&host, Mode::Behave, &request()).unwrap().public_key, b"spki");
        assert_eq!(host.calls(), [asked("reference")]);
    }

    #[test]
    fn it_names_another_reference() {
        let host = Host::new().answer(Err(Error::internal("refused")));

        assert_eq!(import(&&host, Mode::ImportOtherReference, &request()), Err(Error::internal("refused")));
        assert_eq!(host.calls(), [asked(OTHER_REFERENCE)]);
    }

    #[test]
    fn it_asks_twice() {
        let host = Host::new().answer(Ok(Vec::new())).answer(Err(Error::internal("refused")));

        assert_eq!(import(&&host, Mode::ImportTwice, &request()), Err(Error::internal("refused")));
        assert_eq!(host.calls(), [asked("reference"), asked("reference")]);
    }

    #[test]
    fn it_has_a_key_made_instead() {
        let host = Host::new().answer(Ok(b"spki".to_vec()));

        assert_eq!(import(&&host, Mode::GenerateInImport, &request()).unwrap().public_key, b"spki");
        assert_eq!(host.calls(), [Call::Generate { key_id: "k".to_owned(), key_type: KeyType::EcP256 }]);
    }

    fn asked(material: &str) -> Call {
        Call::ImportKey { key_id: "k".to_owned(), key_type: KeyType::EcP256, material: material.to_owned() }
    }

    fn request() -> ImportRequest {
        ImportRequest {
            key_id: "k".to_owned(),
            tenant: "t".to_owned(),
            name: "n".to_owned(),
            key_type: KeyType::EcP256,
            usage: Usage::SIGN,
            labels: Vec::new(),
            material: "reference".to_owned(),
        }
    }
}
