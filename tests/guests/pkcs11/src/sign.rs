//! Misbehaviour while a signature is made.

use std::any::Any;
use std::cell::Cell;

use keyport_sdk::pkcs11::{CkRsaPkcsPssParams, KeyPair, KeyPairMechanism, Mechanism};
use keyport_sdk::{Error, Hash, Pkcs11, Result, Scheme, Settings, SignRequest};

use crate::mode::Mode;
use crate::setting;

pub(crate) fn sign<H: Pkcs11<KeyPair: 'static> + Settings>(
    host: &H,
    mode: Mode,
    request: &SignRequest,
) -> Result<Vec<u8>> {
    let id = &*request.key.key_id;
    let own = || host.find_key_pair(None, id);
    let mechanism = Mechanism::from(request.scheme);

    match mode {
        Mode::DestroyInSign => {
            let key_pair = own()?;
            key_pair.destroy()?;
            key_pair.sign(&mechanism)
        }
        Mode::GenerateInSign => {
            host.generate_key_pair(None, id, KeyPairMechanism::CkmEcEdwardsKeyPairGen)?.sign(&mechanism)
        }
        Mode::Hoard => Err(hoard(host, id)),
        Mode::Keep => kept(host, id)?.sign(&mechanism),
        Mode::OtherMechanism => own()?.sign(&other(request.scheme)),
        Mode::OtherObject => host.find_key_pair(None, &setting(host, "object"))?.sign(&mechanism),
        Mode::OtherToken => host.find_key_pair(Some(&setting(host, "token")), id)?.sign(&mechanism),
        Mode::Saltless => own()?.sign(&saltless()),
        Mode::SignTwice => {
            let key_pair = own()?;
            key_pair.sign(&mechanism)?;
            key_pair.sign(&mechanism)
        }
        _ => own()?.sign(&mechanism),
    }
}

/// What it is told when it may hold no more; the code says how many it held.
fn hoard(host: &impl Pkcs11, id: &str) -> Error {
    let mut held = Vec::new();
    loop {
        match host.find_key_pair(None, id) {
            Ok(key_pair) => held.push(key_pair),
            Err(refusal) => return refusal.with_code(u32::try_from(held.len()).unwrap_or(u32::MAX)),
        }
    }
}

/// The key pair of the first call of this instance.
fn kept<H: Pkcs11<KeyPair: 'static>>(host: &H, id: &str) -> Result<&'static H::KeyPair> {
    thread_local! {
        static KEPT: Cell<Option<&'static dyn Any>> = const { Cell::new(None) };
    }

    if let Some(key_pair) = KEPT.get().and_then(<dyn Any>::downcast_ref) {
        return Ok(key_pair);
    }
    let key_pair: &'static H::KeyPair = Box::leak(Box::new(host.find_key_pair(None, id)?));
    KEPT.set(Some(key_pair));
    Ok(key_pair)
}

fn other(scheme: Scheme) -> Mechanism {
    match scheme {
        Scheme::RsaPkcs1v15(_) | Scheme::RsaPss(_) => Mechanism::CkmEcdsa,
        Scheme::Ecdsa(_) | Scheme::Ed25519 | Scheme::Ed25519ph | Scheme::MlDsa => {
            Mechanism::CkmRsaPkcsPss(Hash::Sha256.into())
        }
    }
}

fn saltless() -> Mechanism {
    Mechanism::CkmRsaPkcsPss(CkRsaPkcsPssParams { s_len: 0, ..Hash::Sha256.into() })
}

#[cfg(test)]
mod tests {
    use keyport_sdk::testing::{Call, Host, Pkcs11Call};
    use keyport_sdk::{Input, KeyRef};

    use super::*;

    #[test]
    fn it_asks_twice() {
        assert_eq!(signed(Mode::SignTwice, 2), [KEY, KEY]);
    }

    #[test]
    fn it_keeps_the_key_pair_and_asks_with_it_again() {
        let host = host(2);
        for _ in 0..2 {
            assert!(sign(&host, Mode::Keep, &request()).is_ok());
        }

        let found = host.calls().into_iter().filter(|call| {
            matches!(call, Call::Pkcs11(Pkcs11Call::FindKeyPair { .. } | Pkcs11Call::Drop { .. }))
        });
        assert_eq!(found.count(), 1);
    }

    #[test]
    fn it_asks_for_what_it_was_told() {
        assert_eq!(signed(Mode::OtherObject, 1), ["other"]);
        assert_eq!(signed(Mode::Behave, 1), [KEY]);
    }

    #[test]
    fn a_salt_of_no_bytes_is_no_salt_of_ours() {
        assert_ne!(saltless(), Mechanism::from(Scheme::RsaPss(Hash::Sha256)));
        assert_eq!(other(Scheme::RsaPss(Hash::Sha256)), Mechanism::CkmEcdsa);
    }

    /// The objects that it signed with.
    fn signed(mode: Mode, answers: usize) -> Vec<String> {
        let host = host(answers);
        assert!(sign(&host, mode, &request()).is_ok());

        let object =
            |call| if let Call::Pkcs11(Pkcs11Call::Sign { id, .. }) = call { Some(id) } else { None };
        host.calls().into_iter().filter_map(object).collect()
    }

    fn host(answers: usize) -> &'static Host {
        let host = Host::new().with_setting("object", "other");

        Box::leak(Box::new((0..answers).fold(host, |host, _| host.answer(Ok(vec![1])))))
    }

    fn request() -> SignRequest {
        SignRequest {
            key: KeyRef { key_id: KEY.to_owned(), handle: None },
            scheme: Scheme::Ecdsa(Hash::Sha256),
            input: Input::Digest(vec![0; 32]),
        }
    }

    const KEY: &str = "k";
}
