//! The provider of Azure Key Vault and Managed HSM.

use keyport_guest_cloud_kms::{Keys, Service, curves, rsa};
use keyport_sdk::{Descriptor, Gateway, KeyType};

keyport_sdk::export!(Keys::<AzureKeyVault, Gateway>::new(Gateway));

/// What Azure Key Vault offers to sign with.
#[derive(Clone, Copy, Debug)]
pub struct AzureKeyVault;

impl Service for AzureKeyVault {
    fn offers(descriptor: Descriptor) -> Descriptor {
        rsa(curves(descriptor, &[KeyType::EcP256, KeyType::EcP384, KeyType::EcP521, KeyType::EcSecp256k1]))
    }

    const NAME: &'static str = "azure-key-vault";
}
