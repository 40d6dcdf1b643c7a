//! What Google calls keys, and what this gateway calls those that it makes.

use keyport_core::backend::Object;
use keyport_core::key::KeyId;

/// The key ring of a connection, and how its own keys' names begin.
#[derive(Clone, Debug)]
pub(super) struct Names {
    ring: String,
    prefix: String,
}

impl Names {
    /// `None` where `ring` is no key ring's name.
    pub(super) fn in_ring(ring: &str, prefix: &str) -> Option<Self> {
        let segments: Vec<_> = ring.split('/').collect();
        let ["projects", project, "locations", location, "keyRings", name] = segments.as_slice() else {
            return None;
        };
        let is_project =
            !project.starts_with('.') && is_made_of(project, |char| matches!(char, '-' | '.' | ':'));

        let fits = is_project && is_made_of(location, |char| char == '-') && is_id(name);
        fits.then(|| Self { ring: ring.to_owned(), prefix: prefix.to_owned() })
    }

    /// The key ring.
    pub(super) fn ring(&self) -> &str {
        &self.ring
    }

    /// The last part of a made key's name. Such a name can never be used again, which is why it has the key-id in it.
    pub(super) fn key(&self, key_id: KeyId) -> String {
        format!("{}-{key_id}", self.prefix)
    }

    /// The version that was made for this key-id: the first, and the only one.
    pub(super) fn made(&self, key_id: KeyId) -> String {
        format!("{}/cryptoKeys/{}/cryptoKeyVersions/1", self.ring, self.key(key_id))
    }

    /// The version that an object is. One whose native id was never recorded has the key-id's name.
    pub(super) fn of(&self, object: &Object) -> Option<String> {
        let native_id = object.native_id.as_str();
        if native_id == object.key_id.to_string() {
            return Some(self.made(object.key_id));
        }

        self.version(native_id)
    }

    /// `name`, if it is that of a key's version in this ring.
    pub(super) fn version(&self, name: &str) -> Option<String> {
        let rest = name.strip_prefix(&self.ring)?.strip_prefix("/cryptoKeys/")?;
        let (key, version) = rest.split_once("/cryptoKeyVersions/")?;
        // Nothing has two names.
        let is_number = version.parse().is_ok_and(|number: u64| number > 0 && number.to_string() == version);

        (is_id(key) && is_number).then(|| name.to_owned())
    }

    /// What a version of any ring's is called in this one, if `name` is that of a version.
    pub(super) fn here(&self, name: &str) -> Option<String> {
        let (ring, rest) = name.split_once("/cryptoKeys/")?;
        let ring = Self::in_ring(ring, &self.prefix)?;
        ring.version(name)?;

        Some(format!("{}/cryptoKeys/{rest}", self.ring))
    }

    /// Whether the version that answered is the one that was asked. A project that is configured by its number may answer by
    /// its id.
    pub(super) fn is_same(&self, asked: &str, answered: &str) -> bool {
        let by_number = self
            .ring
            .split('/')
            .nth(1)
            .is_some_and(|project| project.bytes().all(|byte| byte.is_ascii_digit()));
        let tail = |name: &str| name.split_once("/locations/").map(|(_, tail)| tail.to_owned());

        asked == answered || by_number && tail(asked).is_some() && tail(asked) == tail(answered)
    }
}

/// Whether this can be how keys' names begin: the key-id follows, and a name has no more than 63 characters.
pub(super) fn is_prefix(text: &str) -> bool {
    is_id(text) && text.len() <= 30
}

/// Whether this can be a key ring's or a key's own name.
fn is_id(text: &str) -> bool {
    text.len() <= 63 && is_made_of(text, |char| matches!(char, '-' | '_'))
}

fn is_made_of(text: &str, also: impl Fn(char) -> bool) -> bool {
    !text.is_empty() && text.chars().all(|char| char.is_ascii_alphanumeric() || also(char))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::gcp::fuzz;

    const RING: &str = "projects/acme/locations/europe-west3/keyRings/prod";

    #[test]
    fn a_key_ring_has_a_project_a_location_and_a_name() {
        for ring in [
            RING,
            "projects/example.com:acme/locations/global/keyRings/a_b",
            "projects/12/locations/eu/keyRings/r",
        ] {
            assert_eq!(Names::in_ring(ring, "keyport").unwrap().ring(), ring);
        }
        for ring in [
            "",
            "prod",
            "projects/acme/locations/eu/keyRings/",
            "projects/acme/locations/eu/keyRings/prod/",
            "projects/acme/locations/eu/keyRings/prod/cryptoKeys/k",
            "projects/a/../locations/eu/keyRings/prod",
            "projects/../locations/eu/keyRings/prod",
            "projects/a b/locations/eu/keyRings/prod",
            "projects/a?b/locations/eu/keyRings/prod",
        ] {
            assert!(Names::in_ring(ring, "keyport").is_none(), "{ring}");
        }
    }

    #[test]
    fn only_versions_in_the_ring_are_called() {
        let names = Names::in_ring(RING, "keyport").unwrap();
        let version = format!("{RING}/cryptoKeys/ca-2024/cryptoKeyVersions/12");

        assert_eq!(names.version(&version), Some(version.clone()));
        for other in [
            format!("{RING}2/cryptoKeys/ca/cryptoKeyVersions/1"),
            format!("{RING}/cryptoKeys/ca"),
            format!("{RING}/cryptoKeys/ca/cryptoKeyVersions/"),
            format!("{RING}/cryptoKeys/ca/cryptoKeyVersions/1:destroy"),
            format!("{RING}/cryptoKeys/ca/cryptoKeyVersions/01"),
            format!("{RING}/cryptoKeys/ca/cryptoKeyVersions/+1"),
            format!("{RING}/cryptoKeys/ca/cryptoKeyVersions/0"),
            format!("{RING}/cryptoKeys/../../other/cryptoKeys/ca/cryptoKeyVersions/1"),
        ] {
            assert_eq!(names.version(&other), None, "{other}");
        }
    }

    #[test]
    fn a_version_is_called_the_same_in_every_ring() {
        let (names, rest) =
            (Names::in_ring(RING, "keyport").unwrap(), "cryptoKeys/ca-2024/cryptoKeyVersions/12");

        for ring in [RING, "projects/12/locations/global/keyRings/other"] {
            assert_eq!(names.here(&format!("{ring}/{rest}")), Some(format!("{RING}/{rest}")), "{ring}");
        }
        for other in [
            "0123456789abcdef0123456789abcdef".to_owned(),
            rest.to_owned(),
            format!("keyRings/other/{rest}"),
            format!("{RING}/cryptoKeys/ca-2024"),
            format!("{RING}/{rest}/cryptoKeyVersions/1"),
            format!("{RING}/{rest}:destroy"),
        ] {
            assert_eq!(names.here(&other), None, "{other}");
        }
    }

    #[test]
    fn a_project_known_by_its_number_may_answer_by_its_id() {
        let of = |project: &str| {
            format!("projects/{project}/locations/eu/keyRings/r/cryptoKeys/k/cryptoKeyVersions/1")
        };
        let numbered = Names::in_ring("projects/12/locations/eu/keyRings/r", "keyport").unwrap();
        let named = Names::in_ring("projects/acme/locations/eu/keyRings/r", "keyport").unwrap();

        assert!(numbered.is_same(&of("12"), &of("acme")));
        assert!(!numbered.is_same(&of("12"), &of("acme").replace("/k/", "/l/")));
        assert!(!named.is_same(&of("acme"), &of("other")));
    }

    proptest! {
        #[test]
        fn no_text_panics_and_what_is_taken_is_a_version_in_the_ring(
            ring in "(\\PC|[-a-z0-9_/.%?#:])*",
            rest in "(\\PC|[-a-z0-9_/.%?#:])*",
        ) {
            fuzz::name(&ring, &rest);
            fuzz::name(RING, &format!("{RING}/cryptoKeys/{rest}"));
            fuzz::name(RING, &format!("{RING}/cryptoKeys/ca/cryptoKeyVersions/{rest}"));
            fuzz::name(&format!("projects/{ring}/locations/eu/keyRings/prod"), &rest);
        }

        #[test]
        fn what_this_gateway_makes_is_a_version_in_its_ring(
            prefix in "[-a-zA-Z0-9_]{1,30}",
            key_id in "[0-9a-f]{32}".prop_map(|text| text.parse().unwrap()),
        ) {
            let names = Names::in_ring(RING, &prefix).unwrap();
            let made = names.made(key_id);

            prop_assert!(is_prefix(&prefix));
            prop_assert_eq!(names.version(&made), Some(made));
        }
    }
}
