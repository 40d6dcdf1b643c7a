//! What a gateway says that was built without a kind of key management service.

use std::path::Path;

use keyport_store::Store;
use tempfile::TempDir;
use tokio::runtime::Handle;

use super::*;
use crate::config::Environment;
use crate::outside::outside;

#[tokio::test]
async fn a_service_that_was_not_built_in_is_refused_with_the_way_to_get_it() {
    let folder = TempDir::new().unwrap();
    let store = Store::open(&folder.path().join("data"), outside(Handle::current()).clock).await.unwrap();

    for (kind, described) in SERVICES {
        let text = format!("{MINIMAL}\n[[connection]]\nname = \"kms\"\nkind = \"{kind}\"\n{described}\n");
        let config = Config::parse(&text, Path::new("keyport.toml"), &Environment::new(|_| None)).unwrap();

        let checked = check_secrets(&config).unwrap_err();
        let started = open(&config, &store, (None, &[]), Purpose::Serve).await.unwrap_err();
        for refused in [checked, started] {
            let words =
                format!("built without connections of kind \"{kind}\": build it with `--features {kind}`");
            assert!(format!("{refused:#}").contains(&words), "{refused:#}");
        }
    }
}

/// A connection of each kind, as little as it takes.
const SERVICES: [(&str, &str); 4] = [
    ("aws", r#"region = "eu-central-1""#),
    ("azure", "vault = \"https://acme.vault.azure.net\"\nlogin = { method = \"managed\" }"),
    ("gcp", r#"key-ring = "projects/acme/locations/global/keyRings/keyport""#),
    ("vault", "address = \"https://bao.example:8200\"\nlogin = { method = \"token\", file = \"token\" }"),
];

const MINIMAL: &str = r#"
data = "data"
[listen]
address = "127.0.0.1:0"
[listen.tls]
certificate = "server.pem"
key = "server.key"
[[provider]]
name = "soft"
component = "builtin:soft"
[[tenant]]
name = "acme"
provider = "soft"
[contract.v1]
"#;
