//! What keys are called at a service, for people.

use std::fmt;
use std::str::FromStr;

use keyport_core::backend::Generate;

/// A text in which `{tenant}` and `{key}` stand for the key's own.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Template(String);

impl Template {
    /// The text for this key: of the characters that `is_allowed` takes, others replaced by `-`, and no more than `longest`.
    pub(crate) fn fill(
        &self,
        request: &Generate,
        is_allowed: impl Fn(char) -> bool,
        longest: usize,
    ) -> String {
        // The tenant first: its characters cannot make up `{key}`.
        let text =
            self.0.replace("{tenant}", request.tenant.as_str()).replace("{key}", request.name.as_str());

        text.chars().map(|char| if is_allowed(char) { char } else { '-' }).take(longest).collect()
    }
}

impl FromStr for Template {
    type Err = BadTemplate;

    fn from_str(text: &str) -> Result<Self, BadTemplate> {
        let rest = text.replace("{tenant}", "").replace("{key}", "");
        let is_plain = !rest.contains(['{', '}']) && !rest.contains(char::is_control);

        if is_plain && !text.is_empty() && text.len() <= LONGEST {
            Ok(Self(text.to_owned()))
        } else {
            Err(BadTemplate)
        }
    }
}

impl fmt::Display for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// No such template.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("a template is 1 to 255 bytes of text, in which {{tenant}} and {{key}} stand for the key's own")]
pub struct BadTemplate;

const LONGEST: usize = 255;

#[cfg(test)]
mod tests {
    use keyport_core::key::KeyName;
    use keyport_core::scheme::KeyType;
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_are_filled_in_and_cut_to_what_the_service_takes() {
        let request = Generate {
            tenant: "acme".parse().unwrap(),
            key_id: "0123456789abcdef0123456789abcdef".parse().unwrap(),
            name: KeyName::new("name", "JWT Signer/{tenant}").unwrap(),
            key_type: KeyType::EcP256,
        };
        let fill = |text: &str, longest| {
            text.parse::<Template>().unwrap().fill(&request, |char| char.is_ascii_alphanumeric(), longest)
        };

        assert_eq!(fill("{tenant}:{key}", 99), "acme-JWT-Signer--tenant-");
        assert_eq!(fill("{tenant}:{key}", 6), "acme-J");
    }

    #[test]
    fn other_braces_are_refused() {
        for text in ["", "{name}", "a{", "}", "a\nb"] {
            text.parse::<Template>().unwrap_err();
        }
    }

    proptest! {
        #[test]
        fn no_text_panics_and_what_is_filled_in_is_what_the_service_takes(
            text in "(\\PC|\\{|\\}|\\{tenant\\}|\\{key\\}){0,40}",
            name in "\\PC{0,20}|[a-z]{0,3}\\{(tenant|key)\\}",
        ) {
            crate::cloud::fuzz::template(&text, &name);
        }
    }
}
