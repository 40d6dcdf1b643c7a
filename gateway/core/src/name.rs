//! The names of things: tenants, callers, providers, connections, requests.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

/// A name that its type's rule does not allow.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{0}")]
pub struct BadName(&'static str);

macro_rules! name {
    ($(#[$doc:meta])* $name:ident, $allows:ident, $rule:literal) => {
        $(#[$doc])*
        #[derive(Clone, Eq, Hash, Ord, PartialEq, PartialOrd)]
        pub struct $name(Arc<str>);

        impl $name {
            /// The name itself.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = BadName;

            fn from_str(text: &str) -> Result<Self, BadName> {
                if $allows(text) { Ok(Self(text.into())) } else { Err(BadName($rule)) }
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(&self.0, f)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl std::borrow::Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }
    };
}

name! {
    /// The unit of isolation: `[a-z0-9-]{1,63}`. Comes from the caller's credential, never from a body.
    TenantId, is_label, "must be 1 to 63 characters of a-z, 0-9 and -"
}

name! {
    /// What a caller is called within its tenant: 1 to 255 printable ASCII characters without spaces.
    CallerName, is_token, "must be 1 to 255 printable ASCII characters without spaces"
}

name! {
    /// A configured provider: `[a-z0-9-]{1,63}`.
    ProviderName, is_label, "must be 1 to 63 characters of a-z, 0-9 and -"
}

name! {
    /// A configured token or account of a backend: `[a-z0-9-]{1,63}`.
    ConnectionName, is_label, "must be 1 to 63 characters of a-z, 0-9 and -"
}

name! {
    /// One request, through log, audit and guest log lines: 1 to 255 printable ASCII characters without spaces.
    RequestId, is_token, "must be 1 to 255 printable ASCII characters without spaces"
}

name! {
    /// The SHA-256 of a provider component's bytes: `sha256:` and 64 lower-case hexadecimal digits.
    ComponentDigest, is_digest, "must be sha256: and 64 lower-case hexadecimal digits"
}

name! {
    /// What keys are derived for beside their own names. A `|` would let two pairs of scope and name derive one key.
    Scope, is_scope, "must be 1 to 255 bytes long, without | and control characters"
}

fn is_scope(text: &str) -> bool {
    (1..=255).contains(&text.len()) && !text.contains(|letter: char| letter == '|' || letter.is_control())
}

fn is_label(text: &str) -> bool {
    (1..=63).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
}

fn is_token(text: &str) -> bool {
    (1..=255).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic())
}

fn is_digest(text: &str) -> bool {
    text.strip_prefix("sha256:").is_some_and(|digits| {
        digits.len() == 64 && digits.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scope_cannot_reach_into_a_name() {
        for good in ["acme", "spiffe://example.test", &"x".repeat(255)] {
            assert!(good.parse::<Scope>().is_ok(), "{good}");
        }
        for bad in ["", "a|b", "|", "a\nb", &"x".repeat(256)] {
            assert!(bad.parse::<Scope>().is_err(), "{bad}");
        }
    }

    #[test]
    fn tenant_is_a_short_lower_case_label() {
        for good in ["a", "acme-7", &"x".repeat(63)] {
            assert!(good.parse::<TenantId>().is_ok(), "{good}");
        }

        for bad in ["", "Acme", "a_b", "a/b", "ä", &"x".repeat(64)] {
            assert!(bad.parse::<TenantId>().is_err(), "{bad}");
        }
    }
}
