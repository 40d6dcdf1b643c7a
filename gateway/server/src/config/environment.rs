//! Environment variables, and their place in the configuration's strings.

use std::borrow::Cow;
use std::ffi::OsString;
use std::fmt;

use keyport_core::secret::Secret;

use super::mistake::Problem;
use super::section::Section;

/// Looks environment variables up.
pub(crate) struct Environment(Box<LookUp>);

type LookUp = dyn Fn(&str) -> Option<String>;

/// Every variable of the process, for those that pass some of it on.
pub(crate) fn variables() -> impl Iterator<Item = (OsString, OsString)> {
    std::env::vars_os()
}

impl Environment {
    /// The process's own.
    pub(crate) fn of_process() -> Self {
        #[expect(clippy::disallowed_methods, reason = "the one place that reads the environment")]
        Self::new(|name| std::env::var(name).ok())
    }

    /// One that `look_up` makes up.
    pub(crate) fn new(look_up: impl Fn(&str) -> Option<String> + 'static) -> Self {
        Self(Box::new(look_up))
    }

    /// The variable of this name, if it is set and UTF-8.
    pub(super) fn variable(&self, name: &str) -> Option<String> {
        (self.0)(name)
    }

    /// Replaces each `${NAME}` and `${NAME:default}` in `text`, and each `$${` by `${`.
    pub(super) fn expand<'a>(&self, text: &'a str) -> Result<Cow<'a, str>, Problem> {
        if !text.contains("${") {
            return Ok(Cow::Borrowed(text));
        }

        let mut expanded = String::with_capacity(text.len());
        let mut rest = text;
        while let Some((before, after)) = rest.split_once("${") {
            if let Some(before) = before.strip_suffix('$') {
                expanded.extend([before, "${"]);
                rest = after;
                continue;
            }
            let Some((inside, after)) = after.split_once('}') else {
                return Err(Problem::new(
                    "`${` is not closed",
                    "write ${NAME} or ${NAME:default}, or $${ for ${ itself",
                ));
            };
            expanded.push_str(before);
            expanded.push_str(&self.reference(inside)?);
            rest = after;
        }
        expanded.push_str(rest);
        Ok(Cow::Owned(expanded))
    }

    fn reference(&self, inside: &str) -> Result<String, Problem> {
        let (name, default) = match inside.split_once(':') {
            Some((name, default)) => (name, Some(default)),
            None => (inside, None),
        };
        if !is_variable(name) {
            return Err(Problem::new(
                format!("`${{{inside}}}` does not name an environment variable"),
                "write ${NAME} or ${NAME:default}, where NAME has letters, digits and _",
            ));
        }

        self.variable(name).or_else(|| default.map(str::to_owned)).ok_or_else(|| {
            Problem::new(
                format!("the environment variable `{name}` is not set"),
                format!("set it, or write ${{{name}:default}} with a default"),
            )
        })
    }
}

impl fmt::Debug for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Environment(…)")
    }
}

/// What the environment variable holds that a section names for a secret, or the mistake.
pub(super) fn secret_of(section: &Section<'_>, variable: &str, what: &str) -> Option<Secret> {
    let secret = section.source().environment().variable(variable).filter(|_| is_variable(variable));
    if secret.is_none() {
        // Not the name: it may be the secret itself, written in the wrong place.
        section.mistake_at(
            "environment",
            Problem::new(
                "`environment`: there is no such environment variable",
                format!("write the name of the variable that holds {what}, and set it"),
            ),
        );
    }

    secret.map(|secret| Secret::new(secret.into_bytes()))
}

/// Whether `name` can be an environment variable's (POSIX.1-2017, section 8.1, and lower case too).
pub(super) fn is_variable(name: &str) -> bool {
    !name.is_empty()
        && !name.starts_with(|first: char| first.is_ascii_digit())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn environment() -> Environment {
        Environment::new(|name| (name == "PORT").then(|| "8443".to_owned()))
    }

    #[test]
    fn a_variable_its_default_and_an_escape_are_replaced() {
        for (text, expanded) in [
            ("plain $ text", "plain $ text"),
            ("127.0.0.1:${PORT}", "127.0.0.1:8443"),
            ("${PORT:1}${OTHER:2}${OTHER:}", "84432"),
            ("${OTHER:a:b}", "a:b"),
            ("$${PORT}", "${PORT}"),
            ("$$${PORT}", "$${PORT}"),
        ] {
            assert_eq!(environment().expand(text).unwrap(), expanded, "{text}");
        }
    }

    #[test]
    fn an_unset_variable_a_bad_name_and_an_open_brace_are_mistakes() {
        for text in ["${OTHER}", "${}", "${9}", "${a b}", "${PORT", "a${"] {
            assert!(environment().expand(text).is_err(), "{text}");
        }
    }

    #[test]
    fn what_a_variable_holds_is_not_expanded_again() {
        let nested = Environment::new(|_| Some("${A}".to_owned()));

        assert_eq!(nested.expand("${A}").unwrap(), "${A}");
    }

    proptest! {
        #[test]
        fn any_text_can_be_written_with_escapes(text in any::<String>()) {
            let escaped = text.replace("${", "$${");

            prop_assert_eq!(environment().expand(&escaped).unwrap(), text);
        }

        #[test]
        fn no_text_panics(text in "[${}:A-C]{0,20}") {
            drop(environment().expand(&text));
        }
    }
}
