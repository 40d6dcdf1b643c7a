//! What a vault calls its keys.

use crate::http::base;

/// The key, or version of a key, that `kid` names: `NAME` or `NAME/VERSION`, if it is one of those whose names begin with `keys`.
pub(super) fn within<'a>(keys: &str, kid: &'a str) -> Option<&'a str> {
    let rest = kid.strip_prefix(keys)?;
    let mut words = rest.split('/');

    let fits = words.clone().count() <= 2 && words.all(is_word);
    fits.then_some(rest)
}

/// The same of whatever vault `kid` names one in: its name and its version, which a backup keeps, are those in every vault that the
/// backup is restored to.
pub(super) fn anywhere(kid: &str) -> Option<&str> {
    let (vault, name) = kid.split_once(KEYS)?;
    let is_vault = base(vault).is_ok_and(|url| url.path() == "/");

    is_vault.then(|| within("", name)).flatten()
}

fn is_word(text: &str) -> bool {
    (1..=127).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}

const KEYS: &str = "/keys/";

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::azure::fuzz;

    const KEYS: &str = "https://acme.vault.azure.net/keys/";

    #[test]
    fn only_keys_of_the_vault_are_called() {
        for name in ["ca-2024", "ca-2024/78deebed173b48e48f55abf87ed4cf71"] {
            assert_eq!(within(KEYS, &format!("{KEYS}{name}")), Some(name));
        }
        for other in [
            "ca-2024",
            "https://other.vault.azure.net/keys/ca",
            "http://acme.vault.azure.net/keys/ca",
            "https://acme.vault.azure.net/secrets/ca",
            "https://acme.vault.azure.net/keys/",
            "https://acme.vault.azure.net/keys/ca/",
            "https://acme.vault.azure.net/keys//1",
            "https://acme.vault.azure.net/keys/ca/1/sign",
            "https://acme.vault.azure.net/keys/../secrets",
            "https://acme.vault.azure.net/keys/ca%2f1",
            "https://acme.vault.azure.net/keys/ca?x",
        ] {
            assert_eq!(within(KEYS, other), None, "{other}");
        }
    }

    #[test]
    fn a_key_is_called_the_same_in_whatever_vault_it_is() {
        for (kid, name) in [
            ("https://acme.vault.azure.net/keys/ca-2024/78deebed", "ca-2024/78deebed"),
            ("https://acme.managedhsm.azure.net/keys/ca", "ca"),
            ("https://acme.vault.azure.net/keys/keys/keys", "keys/keys"),
        ] {
            assert_eq!(anywhere(kid), Some(name));
        }
        for other in [
            "0123456789abcdef0123456789abcdef",
            "ca-2024/78deebed",
            "http://acme.vault.azure.net/keys/ca",
            "https://acme.vault.azure.net/a/keys/ca",
            "https://acme.vault.azure.net/keys/ca/1/sign",
            "https://acme.vault.azure.net/secrets/ca",
            "/keys/ca",
        ] {
            assert_eq!(anywhere(other), None, "{other}");
        }
    }

    proptest! {
        #[test]
        fn no_text_panics_and_what_is_taken_is_a_key_of_the_vault(rest in "(\\PC|[-a-z0-9/.%?#@:\\\\])*") {
            fuzz::name(&rest);
            fuzz::name(&format!("{KEYS}{rest}"));
        }

        #[test]
        fn a_name_and_a_version_are_taken_as_they_are(name in "[-a-zA-Z0-9]{1,127}(/[0-9a-f]{32})?") {
            let kid = format!("{KEYS}{name}");
            prop_assert_eq!(within(KEYS, &kid), Some(&*name));
        }
    }
}
