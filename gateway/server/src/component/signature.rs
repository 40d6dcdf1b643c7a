//! Detached signatures of a component, in a file beside it under its name and `.sig`.
//!
//! The file is text. Its first line says what it is, and each further one is a signature: who signed, a space, and the
//! 64 bytes of an Ed25519 signature (RFC 8032) in base64 (RFC 4648, section 4, with padding). Every line ends with a
//! newline, so that a file that was cut off shows.
//!
//! ```text
//! keyport component signatures 1
//! ed25519:11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo= FGn1…++Cw==
//! ```
//!
//! What is signed is two lines, each with its newline: a sentence that nothing else begins with, so that no signature
//! made for another purpose passes here, nor one of these elsewhere; and the component's SHA-256 in lower case.
//!
//! ```text
//! keyport component signature 1
//! sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855
//! ```

use std::collections::BTreeMap;
use std::fmt;
use std::fs::File;
use std::io::{self, ErrorKind, Read};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;

use super::artifact::{Artifact, SIGNATURES};
use super::key::{Signature, Signer, SigningKey};

/// Where the signatures of the component in `file` stand.
pub(crate) fn file_beside(file: &Path) -> PathBuf {
    file.with_added_extension("sig")
}

/// Signatures of one component, one for each signer. None of them was verified.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct Signatures(BTreeMap<Signer, Signature>);

impl Signatures {
    /// Reads the signatures of the component in `file`.
    pub(crate) fn beside(file: &Path) -> Result<Self, Unsigned> {
        let signatures = file_beside(file);
        let text = read(&signatures).map_err(|cause| {
            if cause.kind() == ErrorKind::NotFound {
                Unsigned::Missing { component: file.to_owned() }
            } else {
                Unsigned::Unreadable { signatures: signatures.clone(), cause }
            }
        })?;

        text.parse().map_err(|BadSignatures { line, reason }| Unsigned::Malformed {
            signatures,
            line,
            reason,
        })
    }

    /// Reads the signatures of the component that came from a registry as `artifact`, with this annotation.
    pub(crate) fn annotated(artifact: &Artifact, text: Option<&str>) -> Result<Self, Unsigned> {
        let text = text.ok_or_else(|| Unsigned::NotAnnotated { artifact: artifact.to_string() })?;

        text.parse().map_err(|BadSignatures { line, reason }| Unsigned::Malformed {
            signatures: format!("{artifact}, annotation {SIGNATURES}").into(),
            line,
            reason,
        })
    }

    /// Those of `wanted` who signed `component`, which is called `name`: at least one.
    pub(crate) fn signers(
        &self,
        component: &[u8],
        name: impl fmt::Display,
        wanted: &[Signer],
    ) -> Result<Vec<Signer>, Unsigned> {
        let signed = self.valid(component);
        if signed.iter().any(|signer| wanted.contains(signer)) {
            return Ok(signed.into_iter().filter(|signer| wanted.contains(signer)).collect());
        }

        let component = name.to_string();
        Err(match wanted.iter().find(|signer| self.0.contains_key(signer)) {
            Some(&signer) => Unsigned::Altered { component, signer },
            None => Unsigned::ByOthers { component },
        })
    }

    /// Those whose signature is one of `component`.
    pub(crate) fn valid(&self, component: &[u8]) -> Vec<Signer> {
        let message = message(component);
        let valid = self.0.iter().filter(|(signer, signature)| signer.signed(&message, signature));

        valid.map(|(signer, _)| *signer).collect()
    }

    /// Signs `component` with `key`, and drops what is no signature of it.
    pub(crate) fn sign(&mut self, component: &[u8], key: &SigningKey) {
        let message = message(component);

        self.0.retain(|signer, signature| signer.signed(&message, signature));
        self.0.insert(key.signer(), key.sign(&message));
    }
}

impl FromStr for Signatures {
    type Err = BadSignatures;

    fn from_str(text: &str) -> Result<Self, BadSignatures> {
        let mut lines = (1..).zip(text.split_inclusive('\n')).map(whole);
        match lines.next().transpose()? {
            Some((_, TITLE)) => {}
            Some(_) | None => return Err(BadSignatures { line: 1, reason: NO_TITLE }),
        }

        let mut signatures = BTreeMap::new();
        for line in lines {
            let (line, text) = line?;
            let bad = |reason| BadSignatures { line, reason };
            let (signer, signature) = signature(text).ok_or_else(|| bad("this is no signature"))?;
            if signatures.insert(signer, signature).is_some() {
                return Err(bad("this is a second signature of the same signer"));
            }
            if signatures.len() > MOST {
                return Err(bad("there are too many signatures"));
            }
        }
        if signatures.is_empty() {
            return Err(BadSignatures { line: 1, reason: "no signature follows" });
        }

        Ok(Self(signatures))
    }
}

impl fmt::Display for Signatures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{TITLE}")?;
        self.0
            .iter()
            .try_for_each(|(signer, signature)| writeln!(f, "{signer} {}", BASE64_STANDARD.encode(signature)))
    }
}

/// Why a text holds no signatures.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("line {line}: {reason}")]
pub(crate) struct BadSignatures {
    /// The line, counted from 1.
    line: usize,
    reason: &'static str,
}

/// Why a component does not pass for signed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unsigned {
    /// There are no signatures.
    #[error("{} is not signed: there is no {}", component.display(), file_beside(component).display())]
    Missing {
        /// The component's file.
        component: PathBuf,
    },
    /// The manifest that came with the component has no signatures.
    #[error("{artifact} is not signed: its manifest has no annotation {SIGNATURES}")]
    NotAnnotated {
        /// The component.
        artifact: String,
    },
    /// The signatures cannot be read.
    #[error("{} cannot be read: {cause}", signatures.display())]
    Unreadable {
        /// The file with the signatures.
        signatures: PathBuf,
        /// Why.
        cause: io::Error,
    },
    /// Something else stands where the signatures should.
    #[error("{}:{line}: {reason}", signatures.display())]
    Malformed {
        /// The file with the signatures.
        signatures: PathBuf,
        /// The line, counted from 1.
        line: usize,
        /// What is wrong there.
        reason: &'static str,
    },
    /// None of the signatures is of a signer that is asked for.
    #[error("{component} is signed, but by none of these keys")]
    ByOthers {
        /// The component.
        component: String,
    },
    /// A signer's signature is of something else.
    #[error(
        "{component} is not what {signer} signed: it was changed since, or the signature is of another component"
    )]
    Altered {
        /// The component.
        component: String,
        /// Whose signature does not fit.
        signer: Signer,
    },
}

impl Unsigned {
    /// What would help.
    pub(crate) fn mend(&self) -> String {
        match self {
            Self::Missing { component } => format!(
                "fetch it from where the component comes from, or have one of the keys' owners run: keyport provider \
                 sign {} --key FILE",
                component.display()
            ),
            Self::NotAnnotated { .. } => {
                "have one of the keys' owners sign it and push it again, and write the new digest".to_owned()
            }
            Self::Unreadable { .. } => "let the gateway's user read it".to_owned(),
            Self::Malformed { .. } => {
                "fetch it again from where the component comes from, or have the component signed anew".to_owned()
            }
            Self::ByOthers { .. } => {
                "have one of the keys' owners sign it: keyport provider sign COMPONENT --key FILE".to_owned()
            }
            Self::Altered { .. } => {
                "fetch both again from where they come from; if this component is the one that is meant, have it signed: \
                 keyport provider sign COMPONENT --key FILE"
                    .to_owned()
            }
        }
    }
}

fn read(file: &Path) -> io::Result<String> {
    let mut text = String::new();
    File::open(file)?.take(LONGEST).read_to_string(&mut text)?;

    Ok(text)
}

/// A line without the newline that it must end with.
fn whole((line, text): (usize, &str)) -> Result<(usize, &str), BadSignatures> {
    let whole = text.strip_suffix('\n').ok_or(BadSignatures { line, reason: "it is cut off" })?;

    Ok((line, whole))
}

fn signature(line: &str) -> Option<(Signer, Signature)> {
    let (signer, signature) = line.split_once(' ')?;
    let signature = BASE64_STANDARD.decode(signature).ok()?;

    Some((signer.parse().ok()?, signature.try_into().ok()?))
}

/// What is signed of a component.
fn message(component: &[u8]) -> Vec<u8> {
    format!("{PURPOSE}\nsha256:{}\n", hex::encode(digest(&SHA256, component))).into_bytes()
}

const TITLE: &str = "keyport component signatures 1";
const PURPOSE: &str = "keyport component signature 1";
const NO_TITLE: &str = "it does not begin with `keyport component signatures 1`";

/// Signatures in one file.
const MOST: usize = 64;

/// Bytes that are read of a file; 64 signatures have about 9,000.
const LONGEST: u64 = 64 << 10;
