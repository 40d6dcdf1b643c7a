//! How many calls a key service takes: what is configured, and for the rest what is usual there.

use keyport_backends::cloud::{Rate, Rates};

use crate::config;

/// The rates of a connection.
pub(super) fn taken(configured: config::Rates, usual: Rates) -> Rates {
    let rate = |number: u32| Rate { per_second: f64::from(number), burst: number };

    Rates {
        sign: configured.sign.map(rate).or(usual.sign),
        read: configured.read.map(rate).or(usual.read),
        manage: configured.manage.map(rate).or(usual.manage),
    }
}

#[cfg(test)]
#[cfg(all(feature = "aws", feature = "azure", feature = "gcp", feature = "vault"))]
mod tests {
    use std::path::{Path, PathBuf};

    use super::*;
    use crate::assemble::custodians::Purpose;
    use crate::assemble::{aws, azure, gcp, vault};
    use crate::config::{Config, Custodian, Environment};

    #[test]
    fn a_connection_without_rates_has_those_that_its_example_tells() {
        for (example, unlike) in [("aws-kms", None), ("azure-key-vault", Some("manage")), ("gcp-kms", None)] {
            let (text, rates) = (text(example), of(example, |text| text));
            let usual = [("sign", rates.sign), ("read", rates.read), ("manage", rates.manage)];
            for (class, rate) in usual.into_iter().filter(|(class, _)| Some(*class) != unlike) {
                let line = format!("\n#{class} = {}\n", rate.unwrap().per_second);
                assert!(text.contains(&line), "{example}: {line}");
            }
        }

        let not_paced = of("openbao", |text| text);
        assert_eq!(not_paced, Rates::default());
        assert!(text("openbao").contains("Without it, they are not paced."));
    }

    #[test]
    fn what_the_examples_say_of_hsms_and_of_keys_is_so() {
        let per_second = |rate: Option<Rate>| rate.unwrap().per_second;
        let (usual, hsm) = (
            of("azure-key-vault", |text| text),
            of("azure-key-vault", |text| instead(&text, "#hsm = false", "hsm = true")),
        );
        let told = format!(
            "Without it {} signatures, or {} with HSMs, {} reads, and one key made or destroyed in two seconds.",
            per_second(usual.sign),
            per_second(hsm.sign),
            per_second(usual.read)
        );
        assert!(prose("azure-key-vault").contains(&told), "{told}");
        assert_eq!((usual.manage, per_second(usual.manage)), (hsm.manage, 0.5));

        let (usual, hsm) = (
            of("gcp-kms", |text| text),
            of("gcp-kms", |text| instead(&text, "#protection = \"software\"", "protection = \"hsm\"")),
        );
        let told = format!(
            "{} signatures in software and {} in HSMs, {} reads, and {} key made or destroyed.",
            per_second(usual.sign),
            per_second(hsm.sign),
            per_second(usual.read),
            per_second(usual.manage)
        );
        assert!(prose("gcp-kms").contains(&told), "{told}");
    }

    #[test]
    fn what_is_configured_is_so_and_the_rest_is_usual() {
        for example in ["aws-kms", "azure-key-vault", "gcp-kms", "openbao"] {
            let usual = of(example, |text| text);
            let configured = of(example, |text| {
                instead(&text, "#[connection.rates]", "[connection.rates]")
                    .replace("\n#sign = ", "\nsign = 7\n# not ")
            });

            assert_eq!(configured.sign, Some(Rate { per_second: 7.0, burst: 7 }), "{example}");
            assert_eq!((configured.read, configured.manage), (usual.read, usual.manage), "{example}");
        }
    }

    /// What an example says, wherever its lines end.
    fn prose(example: &str) -> String {
        text(example).replace("\n# ", " ")
    }

    /// A text with this line instead of that one.
    fn instead(text: &str, line: &str, other: &str) -> String {
        assert!(text.contains(&format!("\n{line}\n")), "{line} is not in {text}");

        text.replace(&format!("\n{line}\n"), &format!("\n{other}\n"))
    }

    /// The rates of an example's connection, whose text is changed so.
    fn of(example: &str, change: impl FnOnce(String) -> String) -> Rates {
        let environment = Environment::new(|name| {
            let value = match name {
                "KEYPORT_TOKEN_DIGEST" => format!("sha256:{}", "0".repeat(64)),
                "GCP_KEY_RING" => "projects/acme/locations/europe-west3/keyRings/keyport".to_owned(),
                "AZURE_VAULT" => "https://acme.vault.azure.net".to_owned(),
                "VAULT_ADDRESS" => "https://vault.example:8200".to_owned(),
                "AZURE_TENANT_ID" | "AZURE_CLIENT_ID" | "VAULT_ROLE_ID" => "some-id".to_owned(),
                _ => return None,
            };
            Some(value)
        });
        let config = Config::parse(&change(text(example)), &file(example), &environment).unwrap();
        let connection = config.connections.first().unwrap();

        match &connection.custodian {
            Custodian::Aws(account) => {
                aws::described(&connection.name, account, None, Purpose::Try).unwrap().rates
            }
            Custodian::Azure(vault) => azure::described(vault, Purpose::Try).unwrap().rates,
            Custodian::Gcp(ring) => gcp::described(ring, Purpose::Try).unwrap().rates,
            Custodian::Vault(engine) => vault::described(engine, None, Purpose::Try).rates,
            Custodian::Derived(_) | Custodian::Http(_) | Custodian::Pkcs11(_) | Custodian::Soft { .. } => {
                panic!("{example} is of another kind")
            }
        }
    }

    fn text(example: &str) -> String {
        std::fs::read_to_string(file(example)).unwrap()
    }

    fn file(example: &str) -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples").join(example).join("keyport.toml")
    }
}
