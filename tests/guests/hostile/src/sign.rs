//! Misbehaviour while a signature is made.

use std::hint::black_box;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};

use keyport_sdk::{
    Error, ErrorKind, Hash, KeyRef, KeyType, Log, Mechanism, Result, Scheme, Settings, SignRequest, SoftToken,
};

use crate::create::OTHER_KEY_ID;
use crate::exhaust::MEBIBYTE;
use crate::mode::{Mode, error};
use crate::{Everything, exhaust, object, opaque, panicking};

pub(crate) fn sign(host: &impl Everything, mode: Mode, request: &SignRequest) -> Result<Vec<u8>> {
    let mechanism = Mechanism::try_from(request.scheme)?;
    let key_id = &request.key.key_id;
    let sign = || host.sign(key_id, mechanism);

    match mode {
        Mode::DestroyInSign => {
            host.destroy(key_id)?;
            sign()
        }
        Mode::ErrorKinds => Err(error(host)),
        Mode::Forge => Ok(host.random_bytes(length(host))),
        Mode::GenerateInSign => {
            host.generate(OTHER_KEY_ID, KeyType::EcP256)?;
            sign()
        }
        Mode::IgnoreScheme => usual(host, key_id),
        Mode::KeepState => Err(count(host)),
        Mode::LongSignature => sign().map(lengthened),
        Mode::Opaque => sign().map_err(opaque),
        Mode::OtherObject => host.sign(&object(host), mechanism),
        Mode::PanicSign => panicking("sign"),
        Mode::Retry => sign().or_else(|_refused| sign()),
        Mode::SignTwice => {
            sign()?;
            sign()
        }
        Mode::Stale => sign().map(previous),
        Mode::SwapHandle => host.sign(&named_by_handle(&request.key), mechanism),
        Mode::TellSettings => Err(Error::internal(format!("{:?}", host.settings()))),
        Mode::Tamper => sign().map(tampered),
        Mode::WrongMechanism => host.sign(key_id, wrong(request.scheme)),
        _ => {
            if let Some(answer) = exhaust(host, mode) {
                return Ok(answer);
            }
            sign()
        }
    }
}

/// Uses up what `mode` says. Returns what is to be answered instead of a signature, if anything.
fn exhaust(host: &impl Everything, mode: Mode) -> Option<Vec<u8>> {
    match mode {
        Mode::FloodLog => exhaust::log(host),
        Mode::GrowMemory => {
            let mebibytes = exhaust::memory();
            host.info(&format!("was given {mebibytes} MiB"));
        }
        Mode::HugeArgument => host.info(&"x".repeat(8 * MEBIBYTE)),
        Mode::HugeResult => return Some(vec![1; huge(host)]),
        Mode::Leak => exhaust::leak(),
        Mode::Loop => exhaust::forever(),
        Mode::RandomBomb => return Some(host.random_bytes(u32::MAX)),
        Mode::Recurse => {
            black_box(exhaust::recurse(black_box(0)));
        }
        Mode::RecurseInMemory => {
            black_box(exhaust::recurse_in_memory(black_box(0)));
        }
        _ => (),
    }

    None
}

/// An error whose code says how many calls this instance has seen.
fn count(host: &impl Log) -> Error {
    static CALLS: AtomicU32 = AtomicU32::new(0);

    let calls = CALLS.fetch_add(1, Ordering::Relaxed) + 1;
    host.info(&format!("call {calls} of this instance"));

    Error::new(ErrorKind::Other, format!("call {calls}")).with_code(calls)
}

/// The signature that this instance was given before; the first time, `signature` itself.
fn previous(signature: Vec<u8>) -> Vec<u8> {
    static LAST: Mutex<Option<Vec<u8>>> = Mutex::new(None);

    let Ok(mut last) = LAST.lock() else { return signature };
    last.replace(signature.clone()).unwrap_or(signature)
}

fn tampered(mut signature: Vec<u8>) -> Vec<u8> {
    if let Some(last) = signature.last_mut() {
        *last ^= 1;
    }
    signature
}

fn lengthened(mut signature: Vec<u8>) -> Vec<u8> {
    signature.push(0);
    signature
}

/// A signature by the first mechanism that the key has.
fn usual(host: &impl SoftToken, key_id: &str) -> Result<Vec<u8>> {
    let mechanisms = [Mechanism::Ecdsa, Mechanism::Ed25519, Mechanism::RsaPkcs1v15(Hash::Sha256)];
    let refused = || Error::internal("no mechanism fits");

    mechanisms.into_iter().find_map(|mechanism| host.sign(key_id, mechanism).ok()).ok_or_else(refused)
}

/// The handle as an object's name; the key-id where there is no handle.
fn named_by_handle(key: &KeyRef) -> String {
    key.handle
        .as_ref()
        .map_or_else(|| key.key_id.clone(), |handle| String::from_utf8_lossy(handle).into_owned())
}

fn wrong(scheme: Scheme) -> Mechanism {
    match scheme {
        Scheme::RsaPkcs1v15(_) | Scheme::RsaPss(_) => Mechanism::Ecdsa,
        Scheme::Ecdsa(_) | Scheme::Ed25519 | Scheme::Ed25519ph | Scheme::MlDsa => {
            Mechanism::RsaPss(Hash::Sha256)
        }
    }
}

fn huge(settings: &impl Settings) -> usize {
    settings.setting("length").and_then(|length| length.parse().ok()).unwrap_or(8 * MEBIBYTE)
}

fn length(settings: &impl Settings) -> u32 {
    settings.setting("length").and_then(|length| length.parse().ok()).unwrap_or(64)
}

#[cfg(test)]
mod tests {
    use keyport_sdk::Input;
    use keyport_sdk::testing::{Call, Host};

    use super::*;

    #[test]
    fn a_well_behaved_signature_is_one_call() {
        let host = Host::new().answer(Ok(vec![1, 2]));

        assert_eq!(sign(&&host, Mode::Behave, &request(None)), Ok(vec![1, 2]));
        assert_eq!(host.calls(), [asked("k", Mechanism::Ecdsa)]);
    }

    #[test]
    fn it_asks_twice() {
        let host = Host::new().answer(Ok(vec![1])).answer(Err(Error::internal("refused")));

        assert_eq!(sign(&&host, Mode::SignTwice, &request(None)), Err(Error::internal("refused")));
    }

    #[test]
    fn it_asks_for_another_object_and_another_mechanism() {
        let host = Host::new().answer(Ok(vec![])).answer(Ok(vec![])).answer(Ok(vec![]));
        let host = host.with_setting("object", "other");

        for mode in [Mode::OtherObject, Mode::WrongMechanism, Mode::SwapHandle] {
            assert_eq!(sign(&&host, mode, &request(Some("victim"))), Ok(vec![]));
        }

        assert_eq!(
            host.calls(),
            [
                asked("other", Mechanism::Ecdsa),
                asked("k", Mechanism::RsaPss(Hash::Sha256)),
                asked("victim", Mechanism::Ecdsa),
            ]
        );
    }

    #[test]
    fn it_changes_one_bit() {
        let host = Host::new().answer(Ok(vec![4, 6]));

        assert_eq!(sign(&&host, Mode::Tamper, &request(None)), Ok(vec![4, 7]));
    }

    #[test]
    fn it_asks_again_and_says_nothing_of_why() {
        let refused = || Err(Error::unavailable("away"));
        let host = Host::new().answer(refused()).answer(Ok(vec![1])).answer(refused());

        assert_eq!(sign(&&host, Mode::Retry, &request(None)), Ok(vec![1]));
        assert_eq!(sign(&&host, Mode::Opaque, &request(None)).unwrap_err().kind, ErrorKind::Internal);
    }

    #[test]
    fn it_tells_its_settings() {
        let host = Host::new().with_setting("object", "other");

        let told = sign(&&host, Mode::TellSettings, &request(None)).unwrap_err();
        assert!(told.message.contains("other"), "{told:?}");
    }

    #[test]
    fn it_adds_a_byte() {
        let host = Host::new().answer(Ok(vec![4, 6]));

        assert_eq!(sign(&&host, Mode::LongSignature, &request(None)), Ok(vec![4, 6, 0]));
    }

    #[test]
    fn it_takes_the_first_mechanism_that_is_not_refused() {
        let host = Host::new().answer(Err(Error::internal("refused"))).answer(Ok(vec![1]));

        assert_eq!(sign(&&host, Mode::IgnoreScheme, &request(None)), Ok(vec![1]));
        assert_eq!(host.calls().last(), Some(&asked("k", Mechanism::Ed25519)));
    }

    #[test]
    fn it_forges_without_asking() {
        let host = Host::new().with_setting("length", "132");

        assert_eq!(sign(&&host, Mode::Forge, &request(None)).unwrap().len(), 132);
        assert_eq!(host.calls(), []);
    }

    #[test]
    fn it_answers_the_signature_before() {
        let host = Host::new().answer(Ok(vec![1])).answer(Ok(vec![2])).answer(Ok(vec![3]));

        let answers: Vec<_> = (0..3).map(|_| sign(&&host, Mode::Stale, &request(None)).unwrap()).collect();

        assert_eq!(answers, [[1], [1], [2]]);
    }

    #[test]
    fn it_counts_its_calls() {
        let host = Host::new();
        let codes: Vec<_> =
            (0..2).map(|_| sign(&&host, Mode::KeepState, &request(None)).unwrap_err().code).collect();

        assert_eq!(codes, [1, 2]);
    }

    #[test]
    fn it_floods_the_log_and_then_signs() {
        let host = Host::new().with_setting("count", "50").answer(Ok(vec![1]));

        assert_eq!(sign(&&host, Mode::FloodLog, &request(None)), Ok(vec![1]));
        assert_eq!(host.lines().len(), 50);
    }

    fn asked(key_id: &str, mechanism: Mechanism) -> Call {
        Call::Sign { key_id: key_id.to_owned(), mechanism }
    }

    fn request(handle: Option<&str>) -> SignRequest {
        SignRequest {
            key: KeyRef { key_id: "k".to_owned(), handle: handle.map(|handle| handle.as_bytes().to_vec()) },
            scheme: Scheme::Ecdsa(Hash::Sha256),
            input: Input::Digest(vec![0; 32]),
        }
    }
}
