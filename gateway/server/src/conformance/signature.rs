//! Public halves and signatures, looked at without asking the server.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use keyport_core::input::{Digest, Input};
use keyport_core::public_key::PublicKey;
use keyport_core::scheme::{Family, Hash, KeyType, Scheme};
use keyport_core::signature::Signature;
use rustls_pki_types::SubjectPublicKeyInfoDer;
use rustls_pki_types::pem::PemObject;

use super::case::{Verdict, ensure, failed, skipped};

/// How a contract writes ECDSA signatures.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Form {
    /// ECDSA-Sig-Value (RFC 3279, section 2.2.3).
    Der,
    /// r and s, each as long as the curve's order (RFC 7518, section 3.4).
    Fixed,
}

/// Reads a public half in PEM.
pub(super) fn public_key(pem: &str) -> Verdict<PublicKey> {
    let Ok(der) = SubjectPublicKeyInfoDer::from_pem_slice(pem.as_bytes()) else {
        return failed("a SubjectPublicKeyInfo in PEM", pem);
    };

    PublicKey::from_der(der.as_ref()).or_else(|bad| failed("a public key", format!("one that is {bad}")))
}

/// Base64 in the standard alphabet, with padding.
pub(super) fn standard_base64(text: &str) -> Verdict<Vec<u8>> {
    STANDARD.decode(text).or_else(|error| failed("standard base64 with padding", format!("{text} ({error})")))
}

/// That `bytes` are a signature of `input` in that form, and of nothing else.
pub(super) fn verify(
    public: &PublicKey,
    (scheme, form): (Scheme, Form),
    input: &Input,
    bytes: &[u8],
) -> Verdict {
    let shown = || hex::encode(bytes);
    let expected = format!("a signature by {scheme} of a {} key", public.key_type());

    let Some(signature) = Signature::new(public.key_type(), bytes.to_vec()) else {
        return failed(expected, format!("{} bytes: {}", bytes.len(), shown()));
    };
    match form {
        Form::Der => {
            let is_der = signature.der().is_ok_and(|der| der == bytes);
            ensure(is_der, &format!("{expected}, in DER"), shown())?;
        }
        Form::Fixed => ensure(signature.bytes() == bytes, &format!("{expected}, r and s"), shown())?,
    }
    match public.verifies(scheme, input, &signature) {
        Ok(true) => Ok(()),
        Ok(false) => failed(expected, format!("one that does not verify: {}", shown())),
        Err(error) => skipped(format!("{scheme} cannot be verified here: {error}")),
    }
}

/// A digest as what is signed.
pub(super) fn digest(hash: Hash, bytes: &[u8]) -> Verdict<Input> {
    match Digest::new("digest", hash, bytes) {
        Ok(digest) => Ok(Input::Digest(digest)),
        Err(error) => failed("a digest", error.to_string()),
    }
}

/// The part of an ECDSA signature that must never come twice: r.
pub(super) fn r(key_type: KeyType, bytes: &[u8]) -> Vec<u8> {
    let Family::Ecdsa { order } = key_type.family() else { return bytes.to_vec() };
    let signature = Signature::new(key_type, bytes.to_vec());

    signature.and_then(|signature| signature.bytes().get(..order).map(<[u8]>::to_vec)).unwrap_or_default()
}

/// Digests at the edges of what a hash can give.
pub(super) fn edges(hash: Hash) -> [(&'static str, Vec<u8>); 5] {
    let length = hash.digest_len();
    let (mut leading, mut last, mut first) = (vec![0xa5; length], vec![0; length], vec![0; length]);
    leading.iter_mut().take(8).for_each(|byte| *byte = 0);
    last.iter_mut().rev().take(1).for_each(|byte| *byte = 1);
    first.iter_mut().take(1).for_each(|byte| *byte = 0x80);

    [
        ("zeros", vec![0; length]),
        ("ones", vec![0xff; length]),
        ("leading-zeros", leading),
        ("last-bit", last),
        ("first-bit", first),
    ]
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::encoding::{AsDer, PublicKeyX509Der};
    use aws_lc_rs::rand::SystemRandom;
    use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair};

    use super::*;
    use crate::conformance::case::Break;

    #[test]
    fn a_signature_verifies_in_its_form_and_over_its_input_alone() {
        let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING).unwrap();
        let der: PublicKeyX509Der<'_> = pair.public_key().as_der().unwrap();
        let public = PublicKey::from_der(der.as_ref()).unwrap();
        let signed = pair.sign(&SystemRandom::new(), b"hello").unwrap();
        let fixed = Signature::new(KeyType::EcP256, signed.as_ref().to_vec()).unwrap();
        let scheme = Scheme::Ecdsa(Hash::Sha256);
        let (hello, other) = (Digest::of(Hash::Sha256, b"hello"), Digest::of(Hash::Sha256, b"other"));
        let (hello, other) = (Input::Digest(hello), Input::Digest(other));

        verify(&public, (scheme, Form::Der), &hello, signed.as_ref()).unwrap();
        verify(&public, (scheme, Form::Fixed), &hello, fixed.bytes()).unwrap();
        for (form, input, bytes) in [
            (Form::Fixed, &hello, signed.as_ref()),
            (Form::Der, &hello, fixed.bytes()),
            (Form::Der, &other, signed.as_ref()),
            (Form::Der, &hello, b"nonsense"),
        ] {
            let verdict = verify(&public, (scheme, form), input, bytes);
            assert!(matches!(verdict, Err(Break::Failed(_))), "{form:?} {verdict:?}");
        }
    }
}
