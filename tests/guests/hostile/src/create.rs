//! Misbehaviour while a key is made.

use keyport_sdk::{CreateRequest, Created, Error, Mechanism, Result};

use crate::import::OTHER_REFERENCE;
use crate::mode::{Mode, error};
use crate::{Everything, object, opaque, panicking};

pub(crate) fn create(host: &impl Everything, mode: Mode, request: &CreateRequest) -> Result<Created> {
    let generate = || host.generate(&request.key_id, request.key_type);

    match mode {
        Mode::BigHandle => Ok(Created { handle: Some(vec![b'h'; 5 * 1024]), public_key: generate()? }),
        Mode::CreateNothing => Ok(created(OWN_PUBLIC_KEY.to_vec())),
        Mode::CreateTwice => {
            generate()?;
            host.generate(OTHER_KEY_ID, request.key_type).map(created)
        }
        Mode::ErrorKinds => Err(error(host)),
        Mode::ImportInCreate => {
            host.import_key(&request.key_id, request.key_type, OTHER_REFERENCE).map(created)
        }
        Mode::Opaque => generate().map(created).map_err(opaque),
        Mode::OtherPublicKey => {
            generate()?;
            match host.setting("public-key") {
                Some(digits) => bytes(&digits).map(created),
                None => host.public_key(&object(host)).map(created),
            }
        }
        Mode::OwnPublicKey => {
            generate()?;
            Ok(created(OWN_PUBLIC_KEY.to_vec()))
        }
        Mode::PanicCreate => panicking("create-key"),
        Mode::Retry => generate().or_else(|_refused| generate()).map(created),
        Mode::SignInCreate => {
            let signature = host.sign(&object(host), Mechanism::Ecdsa)?;
            Ok(Created { handle: Some(signature), public_key: generate()? })
        }
        Mode::SwapHandle => {
            let handle = host.setting("handle").unwrap_or_default().into_bytes();
            Ok(Created { handle: Some(handle), public_key: generate()? })
        }
        _ => generate().map(created),
    }
}

fn created(public_key: Vec<u8>) -> Created {
    Created { handle: None, public_key }
}

/// The bytes that hexadecimal `digits` stand for.
fn bytes(digits: &str) -> Result<Vec<u8>> {
    let digits = digits.as_bytes();
    digits
        .chunks(2)
        .map(|pair| str::from_utf8(pair).ok().and_then(|pair| u8::from_str_radix(pair, 16).ok()))
        .collect::<Option<_>>()
        .ok_or_else(|| Error::invalid_argument("public-key is not hexadecimal"))
}

/// A key-id that the gateway gave nobody.
pub(crate) const OTHER_KEY_ID: &str = "ffffffffffffffffffffffffffffffff";

/// The P-256 key of RFC 6979, appendix A.2.5, whose private half is printed there: SubjectPublicKeyInfo, DER.
#[rustfmt::skip]
pub(crate) const OWN_PUBLIC_KEY: [u8; 91] = [
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01,
    0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00, 0x04,
    0x60, 0xfe, 0xd4, 0xba, 0x25, 0x5a, 0x9d, 0x31, 0xc9, 0x61, 0xeb, 0x74, 0xc6, 0x35, 0x6d, 0x68,
    0xc0, 0x49, 0xb8, 0x92, 0x3b, 0x61, 0xfa, 0x6c, 0xe6, 0x69, 0x62, 0x2e, 0x60, 0xf2, 0x9f, 0xb6,
    0x79, 0x03, 0xfe, 0x10, 0x08, 0xb8, 0xbc, 0x99, 0xa4, 0x1a, 0xe9, 0xe9, 0x56, 0x28, 0xbc, 0x64,
    0xf2, 0xf1, 0xb2, 0x0c, 0x2d, 0x7e, 0x9f, 0x51, 0x77, 0xa3, 0xc2, 0x94, 0xd4, 0x46, 0x22, 0x99,
];

#[cfg(test)]
mod tests {
    use keyport_sdk::testing::{Call, Host};
    use keyport_sdk::{KeyType, Usage};

    use super::*;

    #[test]
    fn a_well_behaved_create_is_one_call() {
        let host = Host::new().answer(Ok(b"spki".to_vec()));

        assert_eq!(create(&&host, Mode::Behave, &request()), Ok(created(b"spki".to_vec())));
        assert_eq!(host.calls().len(), 1);
    }

    #[test]
    fn nothing_is_created_without_asking() {
        let host = Host::new();

        assert_eq!(create(&&host, Mode::CreateNothing, &request()), Ok(created(OWN_PUBLIC_KEY.to_vec())));
        assert_eq!(host.calls(), []);
    }

    #[test]
    fn the_second_key_has_another_id() {
        let host = Host::new().answer(Ok(Vec::new())).answer(Err(Error::internal("refused")));

        assert_eq!(create(&&host, Mode::CreateTwice, &request()), Err(Error::internal("refused")));
        assert_eq!(
            host.calls().last(),
            Some(&Call::Generate { key_id: OTHER_KEY_ID.to_owned(), key_type: KeyType::EcP256 })
        );
    }

    #[test]
    fn it_takes_over_a_key_instead() {
        let host = Host::new().answer(Err(Error::internal("refused")));

        assert_eq!(create(&&host, Mode::ImportInCreate, &request()), Err(Error::internal("refused")));
        assert!(matches!(&*host.calls(), [Call::ImportKey { .. }]));
    }

    #[test]
    fn the_other_public_key_is_the_one_it_was_told() {
        let host = Host::new().answer(Ok(b"spki".to_vec())).with_setting("public-key", "00ff10");

        assert_eq!(create(&&host, Mode::OtherPublicKey, &request()), Ok(created(vec![0, 255, 16])));
    }

    #[test]
    fn the_handle_is_the_one_it_was_told() {
        let host = Host::new().answer(Ok(b"spki".to_vec())).with_setting("handle", "victim");

        let created = create(&&host, Mode::SwapHandle, &request()).unwrap();

        assert_eq!(created.handle, Some(b"victim".to_vec()));
    }

    fn request() -> CreateRequest {
        CreateRequest {
            key_id: "k".to_owned(),
            tenant: "t".to_owned(),
            name: "n".to_owned(),
            key_type: KeyType::EcP256,
            usage: Usage::SIGN,
            labels: Vec::new(),
        }
    }
}
