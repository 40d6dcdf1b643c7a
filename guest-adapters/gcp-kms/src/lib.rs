//! The provider of Google Cloud KMS.

use keyport_guest_cloud_kms::{Keys, Service, curves, ml_dsa, rsa};
use keyport_sdk::{Descriptor, Gateway, KeyType, Scheme};

keyport_sdk::export!(Keys::<GcpKms, Gateway>::new(Gateway));

/// What Google Cloud KMS offers to sign with: secp256k1 only at the protection level of an HSM, and with each RSA key the one
/// scheme that its connection chose for it. The others are refused by name when they are asked for.
#[derive(Clone, Copy, Debug)]
pub struct GcpKms;

impl Service for GcpKms {
    fn offers(descriptor: Descriptor) -> Descriptor {
        let curves = curves(descriptor, &[KeyType::EcP256, KeyType::EcP384, KeyType::EcSecp256k1]);

        ml_dsa(rsa(curves.offer(KeyType::Ed25519, [Scheme::Ed25519]))).messages_up_to(LONGEST)
    }

    const NAME: &'static str = "gcp-kms";
}

/// Bytes of a message that the service signs as it is, with an Ed25519 or ML-DSA key; others it gets as digests.
const LONGEST: u32 = 64 << 10;
