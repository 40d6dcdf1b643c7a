//! The provider of the transit engine of Vault and OpenBao.

use keyport_guest_cloud_kms::{Keys, Service, curves, rsa};
use keyport_sdk::{Descriptor, Gateway, KeyType, Scheme};

keyport_sdk::export!(Keys::<VaultTransit, Gateway>::new(Gateway));

/// What transit offers to sign with.
#[derive(Clone, Copy, Debug)]
pub struct VaultTransit;

impl Service for VaultTransit {
    fn offers(descriptor: Descriptor) -> Descriptor {
        let curves = curves(descriptor, &[KeyType::EcP256, KeyType::EcP384, KeyType::EcP521]);

        rsa(curves.offer(KeyType::Ed25519, [Scheme::Ed25519]))
    }

    const NAME: &'static str = "vault-transit";
}
