//! The provider of AWS KMS.

use keyport_guest_cloud_kms::{Keys, Service, curves, ml_dsa, rsa};
use keyport_sdk::{Descriptor, Gateway, KeyType, Scheme};

keyport_sdk::export!(Keys::<AwsKms, Gateway>::new(Gateway));

/// What AWS KMS offers to sign with.
#[derive(Clone, Copy, Debug)]
pub struct AwsKms;

impl Service for AwsKms {
    fn offers(descriptor: Descriptor) -> Descriptor {
        let curves =
            curves(descriptor, &[KeyType::EcP256, KeyType::EcP384, KeyType::EcP521, KeyType::EcSecp256k1]);

        ml_dsa(rsa(curves.offer(KeyType::Ed25519, [Scheme::Ed25519, Scheme::Ed25519ph])))
            .messages_up_to(LONGEST)
    }

    const NAME: &'static str = "aws-kms";
}

/// Bytes of a message that the service signs as it is, with an Ed25519 or ML-DSA key; others it gets as digests.
const LONGEST: u32 = 4096;
