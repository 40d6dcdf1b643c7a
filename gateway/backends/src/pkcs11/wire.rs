//! What the gateway and the process with the module say to each other. Core's types are described here for serde: a new
//! variant there does not build until it is listed.

use std::fmt;
use std::path::PathBuf;

use keyport_core::custody::Mechanism;
use keyport_core::scheme::{Hash, KeyType};
use keyport_core::secret::Secret;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::connection::{Network, TokenChoice};
use super::inventory::Inventory;
use super::refusal::Refusal;
use crate::worker::{FrameError, FromWorker, Protocol, Sent, ToWorker, Unframer};

/// What the two say to each other.
#[derive(Debug)]
pub(super) struct Pkcs11Protocol;

impl Protocol for Pkcs11Protocol {
    const NAME: &'static str = "keyport-pkcs11";
    const VERSION: u32 = 2;

    type Answer = Result<Reply, Sent>;
    type Ready = Ready;
    type Refusal = Refusal;
    type Request = Request;
    type Setup = Setup;

    /// Another token of the same name must not take the place of the one that was served.
    fn settle(setup: &mut Setup, ready: &Ready) {
        if let (Purpose::Serve { identity, .. }, Ready::Token { identity: found }) =
            (&mut setup.purpose, ready)
        {
            *identity = Some(found.clone());
        }
    }
}

/// Reads `bytes` as what either side may say, and throws it away: for fuzzing.
pub fn parse(bytes: &[u8]) -> Result<(), FrameError> {
    let mut to = Unframer::default();
    to.room().extend_from_slice(bytes);
    while to.take::<ToWorker<Pkcs11Protocol>>()?.is_some() {}

    let mut from = Unframer::default();
    from.room().extend_from_slice(bytes);
    while from.take::<FromWorker<Pkcs11Protocol>>()?.is_some() {}
    Ok(())
}

/// What the process needs to start.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(super) struct Setup {
    pub(super) module: PathBuf,
    pub(super) initialisation: Option<String>,
    pub(super) network: Network,
    pub(super) purpose: Purpose,
}

/// What it is started for.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(super) enum Purpose {
    /// To say what is there.
    Inventory,
    /// To serve one token.
    Serve {
        token: TokenChoice,
        /// The one that it must be.
        identity: Option<String>,
        pin: Option<Pin>,
        sessions: usize,
        in_flight: usize,
        read_only: bool,
    },
}

/// What it says when it has started.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(super) enum Ready {
    /// What is there.
    Inventory(Inventory),
    /// The token that it serves, told from every other.
    Token { identity: String },
}

/// What it can be asked. Objects are named by their CKA_ID.
#[derive(Debug, Deserialize, Serialize)]
pub(super) enum Request {
    Offers {
        #[serde(with = "KeyTypeDef")]
        key_type: KeyType,
    },
    Generate {
        id: Vec<u8>,
        #[serde(with = "KeyTypeDef")]
        key_type: KeyType,
        label: String,
    },
    Find {
        id: Vec<u8>,
    },
    Locate(Reference),
    PublicKey {
        id: Vec<u8>,
    },
    Sign {
        id: Vec<u8>,
        #[serde(with = "KeyTypeDef")]
        key_type: KeyType,
        #[serde(with = "MechanismDef")]
        mechanism: Mechanism,
        input: Vec<u8>,
    },
    Destroy {
        id: Vec<u8>,
    },
    Forget {
        id: Vec<u8>,
    },
    Health,
}

/// How an operator names an object.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub(super) enum Reference {
    Id(Vec<u8>),
    Label(String),
}

/// What it answers.
#[derive(Debug, Deserialize, Serialize)]
pub(super) enum Reply {
    /// A key pair: its CKA_ID, and its SubjectPublicKeyInfo in DER.
    Pair {
        id: Vec<u8>,
        spki: Vec<u8>,
    },
    /// Whether there is such a pair.
    Found(bool),
    Signature(Vec<u8>),
    Done,
}

/// A PIN, which is never printed.
#[derive(Clone, Debug)]
pub(super) struct Pin(pub(super) Secret);

impl Serialize for Pin {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(self.0.expose())
    }
}

impl<'de> Deserialize<'de> for Pin {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl serde::de::Visitor<'_> for Visitor {
            type Value = Pin;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a PIN")
            }

            fn visit_bytes<E>(self, bytes: &[u8]) -> Result<Pin, E> {
                Ok(Pin(Secret::new(bytes.to_vec())))
            }
        }

        deserializer.deserialize_bytes(Visitor)
    }
}

#[derive(Deserialize, Serialize)]
#[serde(remote = "KeyType")]
enum KeyTypeDef {
    EcP256,
    EcP384,
    EcP521,
    EcSecp256k1,
    Ed25519,
    Rsa2048,
    Rsa3072,
    Rsa4096,
    MlDsa44,
    MlDsa65,
    MlDsa87,
}

#[derive(Deserialize, Serialize)]
#[serde(remote = "Hash")]
enum HashDef {
    Sha256,
    Sha384,
    Sha512,
}

#[derive(Deserialize, Serialize)]
#[serde(remote = "Mechanism")]
enum MechanismDef {
    Ecdsa,
    Ed25519,
    Ed25519ph,
    Ed25519phOfMessage,
    RsaPkcs1v15DigestInfo,
    RsaPkcs1v15(#[serde(with = "HashDef")] Hash),
    RsaPss(#[serde(with = "HashDef")] Hash),
    MlDsa,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::worker::{decode, encode};

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(bytes: Vec<u8>) {
            let _refused = parse(&bytes);
            // The same behind a header that fits, so that the values themselves are read.
            let length = u32::try_from(bytes.len()).unwrap().to_be_bytes();
            let _refused = parse(&[&length, bytes.as_slice()].concat());
        }

        #[test]
        fn a_setup_comes_out_as_it_went_in(pin: Vec<u8>, label: String) {
            let purpose = Purpose::Serve {
                identity: Some(label.clone()),
                token: TokenChoice::Label(label),
                pin: Some(Pin(Secret::new(pin))),
                sessions: 1,
                in_flight: 2,
                read_only: false,
            };
            let setup = Setup {
                module: "/lib/module.so".into(),
                initialisation: None,
                network: Network::None,
                purpose,
            };
            let frame = encode(&setup).unwrap();
            let read: Setup = decode(&frame[4..]).unwrap();
            let again = encode(&read).unwrap();

            prop_assert_eq!(&*again, &*frame);
        }
    }

    #[test]
    fn a_pin_is_never_printed() {
        assert!(!format!("{:?}", Pin(Secret::new(b"hunter2".to_vec()))).contains("hunter2"));
    }
}
