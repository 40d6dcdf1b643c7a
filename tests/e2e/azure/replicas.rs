//! A key in two vaults: a backup of the one's is restored to the other.

use keyport_stand_ins::azure::{APPLICATION, DIRECTORY, Key, SECRET, StandIn, Vault};
use serde_json::json;

use crate::backend::UNHURRIED;
use crate::replicas::{Held, Pair};

#[tokio::test(flavor = "multi_thread")]
async fn a_key_is_registered_where_both_vaults_have_it_and_either_signs() {
    vaults().serve_a_key_that_both_have().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_is_made_here_is_deleted_and_restored_in_the_vault_that_has_its_backup_too() {
    vaults().destroy_a_key_in_both().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_signature_is_missed_while_a_vault_cannot_be_reached() {
    vaults().miss_no_signature_between(StandIn::go_away, StandIn::come_back).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_that_starts_while_a_vault_is_away_signs_in_the_other() {
    vaults().start_without_the_first().await;
}

fn vaults() -> Pair<Vault> {
    Pair::new([vault(), vault()], SECRET)
}

/// A vault, and the way to it.
fn vault() -> (StandIn, String) {
    let vault = StandIn::start();
    let url = vault.url();
    let way = format!(
        "kind = \"azure\"\nvault = \"{url}\"\n{UNHURRIED}login = {{ method = \"secret\", authority = \"{url}\", \
         tenant = \"{DIRECTORY}\", client = \"{APPLICATION}\", file = \"secret\" }}\n"
    );

    (vault, way)
}

impl Held for Vault {
    const PROVIDER: &str = "azure-key-vault";

    fn add(&self) -> String {
        Self::add(self, "ca", key())
    }

    fn copy(&self, first: &Self) {
        self.restore_backups(first);
    }

    fn mistake(&self, first: &Self) {
        for (name, versions) in first.keys.lock().unwrap().iter() {
            for version in versions {
                let mut another = key();
                another.version.clone_from(&version.version);
                Self::add(self, name, another);
            }
        }
    }

    fn alive(&self) -> usize {
        self.versions().len()
    }

    fn is_signature(call: &str) -> bool {
        call.ends_with("/sign") && !call.contains("-health/")
    }
}

fn key() -> Key {
    Key::new(&json!({ "kty": "EC", "crv": "P-256", "key_ops": ["sign", "verify"] })).unwrap()
}
