//! Why a component is not loaded, in words that say what would help.

use std::fmt;
use std::time::Duration;

use keyport_core::Failure;
use keyport_core::grant::{ConnectionKind, Use};
use keyport_core::name::{ComponentDigest, ProviderName};

use crate::imports::{Interface, Need, PACKAGE, VERSION, wasi};

/// Why a component is not loaded.
#[derive(Debug, thiserror::Error)]
#[error("provider `{provider}` {refusal}")]
pub struct LoadError {
    /// The provider.
    pub provider: ProviderName,
    /// What is wrong with its component.
    pub refusal: Refusal,
}

/// What is wrong with a component.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// It is too large.
    #[error("has a component of {size} bytes; the limit is {limit}")]
    TooLarge {
        /// Its bytes.
        size: usize,
        /// The most there may be.
        limit: usize,
    },
    /// It is not the one that was pinned.
    #[error(
        "has a component whose digest is\n  {found}\nwhile its configuration pins\n  {pinned}\nIf the new component \
         is the one you mean, pin its digest."
    )]
    Digest {
        /// The digest of its bytes.
        found: ComponentDigest,
        /// The digest in the configuration.
        pinned: ComponentDigest,
    },
    /// It is a core module.
    #[error(
        "has a core WebAssembly module where a component is needed: wrap it with `wasm-tools component new`, or \
         build it with the provider SDK"
    )]
    CoreModule,
    /// It is a component in text.
    #[error("has a component in text format: translate it with `wasm-tools parse`")]
    Text,
    /// It is something else.
    #[error("has a file that is not a WebAssembly component")]
    NotWebAssembly,
    /// Compiling it takes too long.
    #[error("has a component that was not compiled within {limit:?}")]
    Slow {
        /// How long it was given.
        limit: Duration,
    },
    /// It is not valid, or needs something of WebAssembly that is switched off.
    #[error("has a component that is not accepted: {0}")]
    Invalid(Detail),
    /// Compiling it takes too much.
    #[error(
        "has a component that is too large or too deep for the compiler ({ended}): it may take {memory} bytes of memory, \
         and `compiler-memory` in [host] allows more"
    )]
    Costly {
        /// Bytes of memory that it was given.
        memory: usize,
        /// How the compiler ended.
        ended: String,
    },
    /// The compiler gave up on it.
    #[error("has a component that the compiler cannot take: {0}")]
    Compiler(Failure),
    /// It imports what it is not granted.
    #[error("{}", imports(.0))]
    Imports(Vec<RefusedImport>),
    /// What it imports or exports is not of the type that the WIT package gives it.
    #[error("has a component that does not fit {PACKAGE}@{VERSION}: {0}")]
    Misfit(Detail),
    /// It was started once and did not say what it is.
    #[error("could not be asked what it is: {0}")]
    Describe(Failure),
    /// It says something of itself that cannot be.
    #[error("says of itself what cannot be: {0}")]
    Descriptor(&'static str),
}

/// An import that is not given.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct RefusedImport {
    /// Its name.
    pub import: String,
    /// What would have to be granted; `None` where no grant gives it.
    pub needs: Option<Need>,
}

/// Words of the engine's, for the operator.
#[derive(Debug)]
pub struct Detail(String);

impl From<wasmtime::Error> for Detail {
    fn from(error: wasmtime::Error) -> Self {
        format!("{error:#}").as_str().into()
    }
}

impl From<&str> for Detail {
    fn from(words: &str) -> Self {
        Self(crate::text::line(words, crate::text::MESSAGE))
    }
}

impl fmt::Display for Detail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What is refused and what would help, once for all imports that the same would help.
fn imports(refused: &[RefusedImport]) -> String {
    let mut mends: Vec<(Mend, Vec<String>)> = Vec::new();
    for RefusedImport { import, needs } in refused {
        let (mend, import) = (Mend::of(import, *needs), format!("`{import}`"));
        match mends.iter_mut().find(|(other, _)| *other == mend) {
            Some((_, imports)) => imports.push(import),
            None => mends.push((mend, vec![import])),
        }
    }

    let said = mends.iter().map(|(mend, imports)| {
        let (verb, imports) = (if imports.len() == 1 { "needs" } else { "need" }, imports.join(", "));
        match mend {
            Mend::Grant(lines) => format!("imports {imports}, which {verb}:\n\n{lines}"),
            Mend::Other(instead) => format!("imports {imports}, which no grant gives: {instead}"),
        }
    });
    said.collect::<Vec<_>>().join("\nand ")
}

/// What would help where an import is not given.
#[derive(Eq, PartialEq)]
enum Mend {
    /// These lines of configuration.
    Grant(String),
    /// Another component.
    Other(String),
}

impl Mend {
    fn of(import: &str, needs: Option<Need>) -> Self {
        match (needs, wasi::instead(import)) {
            (Some(Need::Connection(kind)), _) => Self::Grant(grant(kind)),
            (Some(Need::Wasi), _) => Self::Grant(WASI_GRANT.to_owned()),
            (None, Some(instead)) => Self::Other(instead.to_owned()),
            (None, None) => {
                let offered = Interface::ALL.map(Interface::name).join(", ");
                Self::Other(format!("this gateway offers {PACKAGE}/{{{offered}}}@{VERSION}"))
            }
        }
    }
}

fn grant(kind: ConnectionKind) -> String {
    let (connection, kind, imports) = match kind {
        ConnectionKind::Aws | ConnectionKind::Azure | ConnectionKind::Gcp | ConnectionKind::Vault => {
            ("kms", "aws\", \"azure\", \"gcp\" or \"vault", false)
        }
        ConnectionKind::Derived => ("derived", kind.as_str(), false),
        ConnectionKind::Http => return HTTP_GRANT.to_owned(),
        ConnectionKind::Pkcs11 => ("hsm", kind.as_str(), false),
        ConnectionKind::Soft => ("embedded", kind.as_str(), true),
    };
    let uses = Use::ALL.into_iter().filter(|granted| imports || *granted != Use::Import);
    let uses = uses.map(|granted| format!("\"{granted}\"")).collect::<Vec<_>>().join(", ");

    format!(
        "[[provider.grant]]\nconnection = \"{connection}\"   # a connection of kind \"{kind}\"\nuses = [{uses}]\n"
    )
}

/// What a provider needs that was built for WASI, before its grants.
const WASI_GRANT: &str = "wasi = true   # in its [[provider]]\n";

/// The grant that a provider needs which words its own requests.
const HTTP_GRANT: &str = "[[provider.grant]]
connection = \"kms\"   # a connection of kind \"http\"

[[provider.grant.request]]   # one for each request that it sends; none for a component that is built in
during = \"sign\"   # or \"create\", \"destroy\", \"health\"
method = \"POST\"
path = \"/keys/{key}/sign\"
";
