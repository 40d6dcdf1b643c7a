//! The provider of Google Cloud KMS.

use keyport_guest_cloud_kms::{Keys, Service, curves, pkcs1v15};
use keyport_sdk::{Descriptor, Gateway, KeyType, Scheme};

keyport_sdk::export!(Keys::<GcpKms, Gateway>::new(Gateway));

/// What Google Cloud KMS offers to sign with: secp256k1 only at the protection level of an HSM.
#[derive(Clone, Copy, Debug)]
pub struct GcpKms;

impl Service for GcpKms {
    fn offers(descriptor: Descriptor) -> Descriptor {
        let curves = curves(descriptor, &[KeyType::EcP256, KeyType::EcP384, KeyType::EcSecp256k1]);

        pkcs1v15(curves.offer(KeyType::Ed25519, [Scheme::Ed25519]))
    }

    const NAME: &'static str = "gcp-kms";
}
