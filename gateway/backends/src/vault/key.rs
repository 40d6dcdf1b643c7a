//! Keys as the engine describes them, and what they are called.

use std::collections::HashMap;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use keyport_core::backend::KeyState;
use keyport_core::key::NativeId;
use keyport_core::public_key::PublicKey;
use keyport_core::scheme::KeyType;
use keyport_core::{Failure, FailureKind};
use rustls_pki_types::SubjectPublicKeyInfoDer;
use rustls_pki_types::pem::PemObject;
use serde::Deserialize;
use serde_json::Value;

use super::connection::{is_name, is_path};

/// A version of a key.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Version {
    pub(super) name: String,
    pub(super) number: u64,
}

impl Version {
    /// What it is called everywhere: `MOUNT/NAME:VERSION`.
    pub(super) fn native_id(&self, mount: &str) -> NativeId {
        NativeId::new(format!("{mount}/{}:{}", self.name, self.number))
    }

    /// The one that is called so, of this engine.
    pub(super) fn of_native_id(native_id: &NativeId, mount: &str) -> Option<Self> {
        let (name, number) = native_id.as_str().strip_prefix(mount)?.strip_prefix('/')?.rsplit_once(':')?;

        Some(Self { name: name.to_owned(), number: numbered(number)? })
            .filter(|version| is_name(&version.name))
    }
}

/// How an operator names a key that somebody else made: `[MOUNT/]NAME[:VERSION]`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Reference {
    pub(super) name: String,
    /// `None` is the latest.
    pub(super) version: Option<u64>,
}

impl Reference {
    /// Reads `text`, for the engine at `mount`.
    pub(super) fn read(text: &str, mount: &str) -> Result<Self, Failure> {
        let invalid = |what: String| Failure::new(FailureKind::InvalidArgument, what);
        let (path, version) = match text.rsplit_once(':') {
            Some((path, version)) => {
                let bad = || invalid(format!("`{text}`: a version is a number, as in `NAME:1`"));
                (path, Some(numbered(version).ok_or_else(bad)?))
            }
            None => (text, None),
        };
        let name = match path.rsplit_once('/') {
            Some((other, name)) if other == mount => name,
            Some((other, _)) if is_path(other) => {
                return Err(invalid(format!("`{text}`: the connection's engine is mounted at `{mount}`")));
            }
            Some(_) => "",
            None => path,
        };

        if is_name(name) {
            Ok(Self { name: name.to_owned(), version })
        } else {
            Err(invalid(format!("`{text}` is no key: write NAME or NAME:VERSION")))
        }
    }
}

/// The number of a version, in the one way to write it. The engine would take 0 for the latest.
fn numbered(text: &str) -> Option<u64> {
    text.parse().ok().filter(|number: &u64| *number > 0 && number.to_string() == text)
}

/// A key with all of its versions.
#[derive(Debug, Deserialize)]
pub(super) struct Described {
    #[serde(rename = "type")]
    pub(super) kind: String,
    keys: HashMap<String, Value>,
    pub(super) latest_version: u64,
    /// Older ones were trimmed.
    #[serde(default)]
    min_available_version: u64,
    #[serde(default)]
    min_encryption_version: u64,
    #[serde(default)]
    min_decryption_version: u64,
    #[serde(default)]
    pub(super) derived: bool,
    #[serde(default)]
    pub(super) exportable: bool,
    #[serde(default)]
    soft_deleted: bool,
}

impl Described {
    /// The kind of key pair, if it is one that the gateway signs with.
    pub(super) fn key_type(&self) -> Option<KeyType> {
        TYPES.iter().find(|(_, name)| *name == self.kind).map(|(key_type, _)| *key_type)
    }

    /// How a version stands, in the words of every service. That it may be deleted says nothing of it.
    pub(super) fn standing(&self, version: &Version) -> KeyState {
        let is_archived = version.number < self.lowest();
        let is_kept = is_archived || self.keys.contains_key(&version.number.to_string());

        if !is_kept || version.number < self.min_available_version {
            KeyState::Gone
        } else if self.soft_deleted {
            KeyState::PendingDeletion(None)
        } else if is_archived {
            KeyState::Disabled
        } else {
            KeyState::Enabled
        }
    }

    /// The lowest version that may sign: signing counts as encrypting there.
    fn lowest(&self) -> u64 {
        self.min_encryption_version.max(self.min_decryption_version)
    }

    /// The public half of a version that may sign.
    pub(super) fn public(&self, version: &Version) -> Result<PublicKey, Failure> {
        let Version { name, number } = version;
        let gone = |what: &str| {
            Err(Failure::new(FailureKind::KeyGone, format!("version {number} of {name} {what}")))
        };
        if self.soft_deleted {
            return gone("is deleted, and can be restored (transit/keys/NAME/soft-delete-restore)");
        }
        if *number < self.lowest() {
            return gone(
                "must not sign any more: its min_encryption_version or min_decryption_version says so",
            );
        }
        let Some(described) = self.keys.get(&number.to_string()) else {
            return Err(Failure::new(FailureKind::NotFound, format!("{name} has no version {number}")));
        };

        let text = described.get("public_key").and_then(Value::as_str);
        let public = text.and_then(public).filter(|public| Some(public.key_type()) == self.key_type());
        public.ok_or_else(|| {
            let message = format!("the server has no public half of a {} for {name}", self.kind);
            Failure::new(FailureKind::Internal, message)
        })
    }
}

/// What the engine calls this key type; `None` where it does not have it.
pub(super) fn type_name(key_type: KeyType) -> Option<&'static str> {
    TYPES.iter().find(|(known, _)| *known == key_type).map(|(_, name)| *name)
}

/// A public half as it is written there: a SubjectPublicKeyInfo in PEM; of Ed25519, its 32 bytes.
fn public(text: &str) -> Option<PublicKey> {
    if text.starts_with("-----BEGIN") {
        let der = SubjectPublicKeyInfoDer::from_pem_slice(text.as_bytes()).ok()?;
        return PublicKey::from_der(&der).ok();
    }

    let bytes = BASE64_STANDARD.decode(text).ok()?;
    PublicKey::from_der(&[ED25519, &bytes].concat()).ok()
}

const TYPES: [(KeyType, &str); 7] = [
    (KeyType::EcP256, "ecdsa-p256"),
    (KeyType::EcP384, "ecdsa-p384"),
    (KeyType::EcP521, "ecdsa-p521"),
    (KeyType::Ed25519, "ed25519"),
    (KeyType::Rsa2048, "rsa-2048"),
    (KeyType::Rsa3072, "rsa-3072"),
    (KeyType::Rsa4096, "rsa-4096"),
];

/// What stands before the key in its SubjectPublicKeyInfo (RFC 8410, section 4).
const ED25519: &[u8] = &[0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::vault::fuzz;

    #[test]
    fn a_native_id_is_read_back_and_no_other_engines() {
        let version = Version { name: "keyport-00".to_owned(), number: 3 };
        let native_id = version.native_id("team/transit");

        assert_eq!(native_id.as_str(), "team/transit/keyport-00:3");
        assert_eq!(Version::of_native_id(&native_id, "team/transit"), Some(version));
        for mount in ["team", "transit", "team/transi", "team/transit/keyport-00"] {
            assert_eq!(Version::of_native_id(&native_id, mount), None, "{mount}");
        }
        for other in ["+3", "03", "0", "", "3 ", "18446744073709551616"] {
            let native_id = NativeId::new(format!("team/transit/keyport-00:{other}"));
            assert_eq!(Version::of_native_id(&native_id, "team/transit"), None, "{other}");
        }
    }

    #[test]
    fn a_key_is_named_with_or_without_mount_and_version() {
        let read = |text: &str| Reference::read(text, "a/transit").map(|found| (found.name, found.version));

        assert_eq!(read("root").unwrap(), ("root".to_owned(), None));
        assert_eq!(read("a/transit/root:2").unwrap(), ("root".to_owned(), Some(2)));
        for bad in [
            "",
            "transit/root",
            "a/root",
            "root:",
            "root:x",
            "../sys",
            "a//b",
            "root?x",
            "/root",
            "root:-1",
            "root:+1",
            "root:01",
            "root:0",
        ] {
            assert_eq!(read(bad).unwrap_err().kind, FailureKind::InvalidArgument, "{bad}");
        }
    }

    #[test]
    fn a_public_half_of_another_kind_than_the_key_is_no_public_half() {
        let described = |kind: &str, public: &str| {
            let key = serde_json::json!({
                "type": kind, "latest_version": 1, "keys": { "1": { "public_key": public } },
            });
            serde_json::from_value::<Described>(key).unwrap()
        };
        let version = Version { name: "k".to_owned(), number: 1 };
        let ed25519 = "qAPa8vab3P28WCJKs7c55eCW7uBgAwgunELBMZFb9Ik=";

        assert_eq!(described("ed25519", ed25519).public(&version).unwrap().key_type(), KeyType::Ed25519);
        for (kind, public) in
            [("ecdsa-p256", ed25519), ("ed25519", "AAAA"), ("ed25519", "-----BEGIN"), ("rsa-2048", "")]
        {
            let refused = described(kind, public).public(&version).unwrap_err();
            assert_eq!(refused.kind, FailureKind::Internal, "{kind} {public}");
        }
    }

    #[test]
    fn a_version_stands_as_the_keys_lowest_versions_say() {
        let described = |more: Value| {
            let mut key = json!({ "type": "ed25519", "latest_version": 3, "keys": { "2": 0, "3": 0 } });
            key.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            serde_json::from_value::<Described>(key).unwrap()
        };
        let standing = |more, number| described(more).standing(&Version { name: "k".to_owned(), number });

        for (more, number, expected) in [
            (json!({}), 2, KeyState::Enabled),
            (json!({ "deletion_allowed": true }), 2, KeyState::Enabled),
            (json!({}), 1, KeyState::Gone),
            (json!({}), 4, KeyState::Gone),
            (json!({ "min_decryption_version": 2 }), 1, KeyState::Disabled),
            (json!({ "min_encryption_version": 3 }), 2, KeyState::Disabled),
            (json!({ "min_encryption_version": 3 }), 3, KeyState::Enabled),
            (json!({ "min_decryption_version": 3, "min_available_version": 2 }), 1, KeyState::Gone),
            (json!({ "soft_deleted": true }), 3, KeyState::PendingDeletion(None)),
            (json!({ "soft_deleted": true }), 4, KeyState::Gone),
        ] {
            assert_eq!(standing(more.clone(), number), expected, "{more} {number}");
        }
    }

    proptest! {
        #[test]
        fn no_text_panics_and_what_is_taken_is_a_key_of_the_engine(text in "(\\PC|[-a-z0-9_/.%?#:])*") {
            fuzz::name(&text);
            fuzz::name(&format!("team/transit/{text}"));
            fuzz::name(&format!("team/transit/root:{text}"));
        }

        #[test]
        fn every_version_is_read_as_it_is_called(
            name in "[a-zA-Z0-9_]([-a-zA-Z0-9_.]{0,60}[a-zA-Z0-9_])?",
            number in 1..=u64::MAX,
        ) {
            let version = Version { name: name.clone(), number };
            let native_id = version.native_id("team/transit");

            let read = Reference::read(native_id.as_str(), "team/transit").unwrap();
            prop_assert_eq!(read, Reference { name, version: Some(number) });
            prop_assert_eq!(Version::of_native_id(&native_id, "team/transit"), Some(version));
        }

        #[test]
        fn no_answer_panics(body in any::<Vec<u8>>()) {
            fuzz::answer(&body);
        }

        #[test]
        fn a_public_half_is_of_the_keys_type_or_none(
            kind in proptest::sample::select(TYPES.map(|(_, name)| name).to_vec()),
            public in proptest::sample::select(PUBLICS.to_vec()),
            cut in 0_usize..200,
        ) {
            for public in [public, public.get(cut..).unwrap_or(public), public.get(..cut).unwrap_or(public)] {
                let keys = serde_json::json!({ "1": { "public_key": public } });
                let key = serde_json::json!({ "type": kind, "latest_version": 1, "keys": keys });
                fuzz::answer(serde_json::json!({ "data": key }).to_string().as_bytes());
            }
        }
    }

    /// Of Ed25519 and of P-256.
    const PUBLICS: [&str; 2] = [
        "qAPa8vab3P28WCJKs7c55eCW7uBgAwgunELBMZFb9Ik=",
        "-----BEGIN PUBLIC KEY-----\nMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEaxfR8uEsQkf4vOblY6RA8ncDfYEt\n6zOg9KE5RdiYwpZP40Li/hp/m47n60p8D54WK84zV2sxXs7LtkBoN79R9Q==\n-----END PUBLIC KEY-----\n",
    ];
}
