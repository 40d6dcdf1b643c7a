//! Signatures as servers answer them, in the form that the gateway takes.

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use der::Decode;
use der::asn1::UintRef;
use keyport_sdk::{Error, Result};

use crate::algorithm::Algorithm;

/// The signature in an answer's text: base64url, of ECDSA r and s as the contract has it. DER, which a server that is
/// mistaken may answer, is made into that; whether it is the key's signature is for the gateway to judge.
pub(crate) fn read(algorithm: Algorithm, text: &str) -> Result<Vec<u8>> {
    let bytes = BASE64_URL_SAFE_NO_PAD
        .decode(text)
        .map_err(|bad| Error::internal(format!("the server's signature is no base64url: {bad}")))?;

    match algorithm.order() {
        Some(order) if bytes.len() != 2 * order => fixed(&bytes, order).ok_or_else(|| {
            let message =
                format!("the server's signature has {} bytes, and r and s have {}", bytes.len(), 2 * order);
            Error::internal(message)
        }),
        Some(_) | None => Ok(bytes),
    }
}

/// ECDSA-Sig-Value (RFC 3279, section 2.2.3).
#[derive(der::Sequence)]
struct EcdsaSigValue<'a> {
    r: UintRef<'a>,
    s: UintRef<'a>,
}

fn fixed(bytes: &[u8], order: usize) -> Option<Vec<u8>> {
    let EcdsaSigValue { r, s } = EcdsaSigValue::from_der(bytes).ok()?;
    let mut fixed = Vec::with_capacity(2 * order);
    for integer in [r.as_bytes(), s.as_bytes()] {
        fixed.resize(fixed.len() + order.checked_sub(integer.len())?, 0);
        fixed.extend_from_slice(integer);
    }

    Some(fixed)
}

#[cfg(test)]
mod tests {
    use der::Encode;
    use proptest::prelude::*;

    use super::*;

    fn answered(bytes: &[u8]) -> String {
        BASE64_URL_SAFE_NO_PAD.encode(bytes)
    }

    #[test]
    fn r_and_s_are_taken_as_they_are() {
        for (algorithm, length) in [
            (Algorithm::Es256, 64),
            (Algorithm::Es256k, 64),
            (Algorithm::Es384, 96),
            (Algorithm::Es512, 132),
            (Algorithm::EdDsa, 64),
            (Algorithm::Ps512, 256),
        ] {
            // Looks like DER, and is none.
            let bytes = vec![0x30; length];
            assert_eq!(read(algorithm, &answered(&bytes)).unwrap(), bytes);
        }
    }

    #[test]
    fn der_becomes_r_and_s_and_nothing_else_does() {
        let der = EcdsaSigValue { r: UintRef::new(&[0x80, 1]).unwrap(), s: UintRef::new(&[7; 32]).unwrap() };
        let fixed = [vec![0; 30], vec![0x80, 1], vec![7; 32]].concat();
        assert_eq!(read(Algorithm::Es256, &answered(&der.to_der().unwrap())).unwrap(), fixed);

        let long = EcdsaSigValue { r: UintRef::new(&[7; 33]).unwrap(), s: UintRef::new(&[7; 3]).unwrap() };
        for bad in [long.to_der().unwrap(), vec![0; 63], Vec::new()] {
            let error = read(Algorithm::Es256, &answered(&bad)).unwrap_err();
            assert!(error.message.contains("r and s have 64"), "{error:?}");
        }
        assert!(read(Algorithm::EdDsa, "AA==").unwrap_err().message.contains("no base64url"));
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in "[A-Za-z0-9_-]{0,200}", bytes in prop::collection::vec(any::<u8>(), 0..160)) {
            for algorithm in [Algorithm::Es256, Algorithm::Es512, Algorithm::EdDsa] {
                drop(read(algorithm, &text));
                let read = read(algorithm, &answered(&bytes));
                prop_assert!(read.is_err() || algorithm.order().is_none_or(|order| read.unwrap().len() == 2 * order));
            }
        }

        #[test]
        fn der_of_any_pair_comes_back(pair in prop::collection::vec(any::<u8>(), 96)) {
            let der = EcdsaSigValue { r: UintRef::new(&pair[..48]).unwrap(), s: UintRef::new(&pair[48..]).unwrap() };
            prop_assert_eq!(read(Algorithm::Es384, &answered(&der.to_der().unwrap())).unwrap(), pair);
        }
    }
}
