//! Who is asking, and what it may do.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use crate::key::KeyName;
use crate::name::{CallerName, TenantId};
use crate::scheme::KeyType;

/// An authenticated identity. Only authentication makes one.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Caller {
    /// Its tenant.
    pub tenant: TenantId,
    /// Its name within the tenant.
    pub name: CallerName,
    /// What it may do.
    pub rights: Arc<[Right]>,
}

/// Something a caller may do: any of these verbs on keys that match any of these patterns.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Right {
    /// What may be done.
    pub verbs: BTreeSet<Verb>,
    /// With which keys.
    pub keys: Vec<Pattern>,
    /// Of which types, where the right is to create; `None` is any.
    pub key_types: Option<BTreeSet<KeyType>>,
}

/// What can be allowed.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Verb {
    /// Make keys.
    Create,
    /// Give keys up for good.
    Delete,
    /// Bring in keys that were made elsewhere.
    Import,
    /// See which keys there are, and their public halves.
    List,
    /// Take up key pairs that are at a custodian already. For operators only.
    Register,
    /// Release keys.
    Release,
    /// Restore keys that were released, or destroyed where their custodian still has them.
    Restore,
    /// Sign.
    Sign,
    /// Have signatures verified.
    Verify,
}

impl Verb {
    /// Every verb.
    pub const ALL: [Self; 9] = [
        Self::Create,
        Self::Delete,
        Self::Import,
        Self::List,
        Self::Register,
        Self::Release,
        Self::Restore,
        Self::Sign,
        Self::Verify,
    ];

    /// The verb's name in configuration.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Delete => "delete",
            Self::Import => "import",
            Self::List => "list",
            Self::Register => "register",
            Self::Release => "release",
            Self::Restore => "restore",
            Self::Sign => "sign",
            Self::Verify => "verify",
        }
    }
}

/// A pattern for names: `*` stands for any run of characters, everything else for itself.
#[derive(Clone, Eq, PartialEq)]
pub struct Pattern(Box<str>);

impl Pattern {
    /// Whether the whole name matches.
    #[must_use]
    pub fn matches(&self, name: &KeyName) -> bool {
        self.matches_text(name.as_str())
    }

    /// Whether the whole text matches.
    #[must_use]
    pub fn matches_text(&self, text: &str) -> bool {
        matches(&self.0, text)
    }
}

impl FromStr for Pattern {
    type Err = std::convert::Infallible;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(Self(text.into()))
    }
}

impl fmt::Debug for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

/// Matches piece by piece: the first must start the name, the last end it, the others follow in order. Linear in the
/// name for each piece, whatever the pattern.
fn matches(pattern: &str, name: &str) -> bool {
    let Some((first, rest)) = pattern.split_once('*') else {
        return pattern == name;
    };
    let (middle, last) = rest.rsplit_once('*').unwrap_or(("", rest));
    let Some(name) = name.strip_prefix(first).and_then(|name| name.strip_suffix(last)) else {
        return false;
    };

    let mut name = name;
    for piece in middle.split('*') {
        let Some(at) = name.find(piece) else { return false };
        name = name.get(at + piece.len()..).unwrap_or_default();
    }
    true
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn star_stands_for_any_run_of_characters() {
        for (pattern, name) in [
            ("*", "a"),
            ("a*", "a"),
            ("a*c", "abc"),
            ("*b*", "abc"),
            ("a*b*c", "a1b2c"),
            ("abc", "abc"),
            ("a**c", "abc"),
        ] {
            assert!(matches(pattern, name), "{pattern} {name}");
        }
        for (pattern, name) in
            [("a", "ab"), ("a*a", "a"), ("*b", "abc"), ("a*b*c", "acb"), ("", "a"), ("a*bc*c", "abc")]
        {
            assert!(!matches(pattern, name), "{pattern} {name}");
        }
    }

    proptest! {
        #[test]
        fn a_name_matches_itself_with_any_run_replaced(name in "[a-z]{1,20}", at in 0_usize..20, length in 0_usize..20) {
            let at = at.min(name.len());
            let end = (at + length).min(name.len());
            let pattern = format!("{}*{}", &name[..at], &name[end..]);

            prop_assert!(matches(&pattern, &name));
        }
    }
}
