//! The custodians that a component is tried with: the one place that decides which there are, by what it imports.

use std::collections::{BTreeSet, HashMap};
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use keyport_backends::pkcs11::{self, Network, Pkcs11, TokenChoice};
use keyport_backends::soft::{Bounds, MasterKey, Soft};
use keyport_core::backend::Backend;
use keyport_core::grant::{ConnectionKind, Grant, Use};
use keyport_core::name::ConnectionName;
use keyport_store::Store;

use crate::assemble::custodians::pkcs11_host;
use crate::assemble::pin;
use crate::config::Pin;

/// A token behind a PKCS#11 module, to try a component with.
#[derive(Clone, Debug)]
pub(crate) struct Token {
    /// The vendor's library.
    pub(crate) module: PathBuf,
    /// The token's label.
    pub(crate) label: String,
    /// The file with the user's PIN; without it, the PIN is asked for.
    pub(crate) pin_file: Option<PathBuf>,
}

/// What there is for a component to reach.
#[derive(Debug)]
pub(super) struct Custodians {
    pub(super) grants: Vec<Grant>,
    pub(super) backends: HashMap<ConnectionName, Arc<dyn Backend>>,
    /// Whether custody sees everything that they do: it does where backends reach them.
    pub(super) is_seen: bool,
    /// What would have to be given to reach what is not there.
    pub(super) missing: Option<String>,
}

impl Custodians {
    /// A custodian of each of these kinds, as far as it can be had.
    pub(super) async fn open(
        kinds: &BTreeSet<ConnectionKind>,
        token: Option<&Token>,
        store: &Store,
    ) -> Result<Self> {
        let mut custodians =
            Self { grants: Vec::new(), backends: HashMap::new(), is_seen: true, missing: None };
        for kind in kinds {
            match (kind, token) {
                (ConnectionKind::Soft, _) => custodians.add("embedded", *kind, Some(soft(store).await?))?,
                (ConnectionKind::Pkcs11, Some(token)) => {
                    custodians.add(HSM, *kind, Some(open_token(token).await?))?;
                }
                (ConnectionKind::Pkcs11, None) => {
                    custodians.add(HSM, *kind, None)?;
                    custodians.missing =
                        Some("it needs a token: give --module, --token and --pin-file".to_owned());
                }
            }
        }

        Ok(custodians)
    }

    fn add(&mut self, name: &str, kind: ConnectionKind, backend: Option<Arc<dyn Backend>>) -> Result<()> {
        let connection: ConnectionName = name.parse()?;
        if let Some(backend) = backend {
            self.backends.insert(connection.clone(), backend);
        }
        self.grants.push(Grant {
            connection,
            kind,
            uses: Use::ALL.into_iter().collect(),
            mechanisms: None,
            objects: Vec::new(),
        });

        Ok(())
    }
}

/// An embedded token of its own, under a master key that nobody keeps.
async fn soft(store: &Store) -> Result<Arc<dyn Backend>> {
    let master_key = MasterKey::random()?;

    Ok(Arc::new(Soft::open(store.sealed(), &master_key, Bounds::default()).await?))
}

async fn open_token(token: &Token) -> Result<Arc<dyn Backend>> {
    let from = token.pin_file.clone().map_or(Pin::Prompt, Pin::File);
    let opened = Pkcs11::open(pkcs11::Connection {
        name: HSM.to_owned(),
        module: std::path::absolute(&token.module)?,
        token: TokenChoice::Label(token.label.clone()),
        identity: None,
        pin: Some(pin::read(&HSM.parse()?, &from)?),
        sessions: SESSIONS,
        in_flight: SESSIONS,
        read_only: false,
        network: Network::None,
        initialisation: None,
        label: "keyport:{tenant}:{key}".to_owned(),
        call_timeout: Duration::from_secs(30),
        host: pkcs11_host(&[]),
    });

    let opened = opened.await.with_context(|| format!("token `{}` cannot be opened", token.label))?;
    Ok(Arc::new(opened))
}

const HSM: &str = "hsm";

/// As many as are asked for at once.
const SESSIONS: NonZeroUsize = match NonZeroUsize::new(16) {
    Some(sessions) => sessions,
    None => NonZeroUsize::MIN,
};
