//! A data folder, opened: the adapters for core's ports, and their orderly end.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use keyport_core::audit::AuditLog;
use keyport_core::outside::Clock;
use keyport_core::store::{Keys, SealedKeys};
use tokio::task::JoinHandle;

use crate::audit::{AuditFiles, Head, Options, Recovery};
use crate::data_folder::{DataFolder, LockError};
use crate::sqlite::{Database, LoadError, Pins, SqliteKeys, SqliteSealedKeys};

/// A data folder that this process alone has. It stays locked until the value is dropped.
#[derive(Debug)]
pub struct Store {
    folder: DataFolder,
    clock: Arc<dyn Clock>,
    database: Database,
    keys: Arc<SqliteKeys>,
    audit: Mutex<Option<OpenLog>>,
}

#[derive(Debug)]
struct OpenLog {
    files: Arc<AuditFiles>,
    saves_head: JoinHandle<()>,
}

impl Store {
    /// Opens the data folder `path`, which is made where it does not exist: locks it, brings its database to this
    /// version's schema, and reads the rows of keys. Needs a tokio runtime, now and for every later call.
    pub async fn open(path: &Path, clock: Arc<dyn Clock>) -> Result<Self, OpenError> {
        Self::open_locked(DataFolder::lock(path)?, clock).await
    }

    /// The same in a folder that is locked already.
    pub async fn open_locked(folder: DataFolder, clock: Arc<dyn Clock>) -> Result<Self, OpenError> {
        let unusable = |cause: Box<dyn std::error::Error + Send + Sync>| OpenError::Database {
            path: folder.database(),
            cause,
        };

        let database = Database::open(&folder.database()).await.map_err(|error| unusable(error.into()))?;
        let keys = match SqliteKeys::load(database.clone()).await {
            Ok(keys) => Arc::new(keys),
            Err(LoadError::Database(cause)) => return Err(unusable(cause.into())),
            Err(LoadError::Row(cause)) => return Err(unusable(cause.into())),
        };
        Ok(Self { folder, clock, database, keys, audit: Mutex::new(None) })
    }

    /// The rows of keys.
    #[must_use]
    pub fn keys(&self) -> Arc<dyn Keys> {
        Arc::<SqliteKeys>::clone(&self.keys)
    }

    /// The embedded token's material.
    #[must_use]
    pub fn sealed(&self) -> Arc<dyn SealedKeys> {
        Arc::new(SqliteSealedKeys::new(self.database.clone()))
    }

    /// What is remembered of connections.
    #[must_use]
    pub fn pins(&self) -> Pins {
        Pins(self.database.clone())
    }

    /// Opens the audit log, repairs what a crash left of it, and closes the intents that are open. To be called once.
    pub async fn audit(&self, options: Options) -> Result<(Arc<dyn AuditLog>, Recovery), OpenError> {
        let path = self.folder.audit();
        let failed = |cause| OpenError::Audit { path: path.clone(), cause };
        let saved = self.database.head().await.map_err(|error| failed(io::Error::other(error)))?;

        let (folder, clock) = (path.clone(), Arc::clone(&self.clock));
        let open = move || AuditFiles::open(&folder, options, clock, saved);
        let opened = tokio::task::spawn_blocking(open).await.map_err(io::Error::other);
        let (files, recovery) = opened.and_then(std::convert::identity).map_err(failed)?;

        let files = Arc::new(files);
        let saves_head =
            tokio::spawn(save_heads(Arc::clone(&files), self.database.clone(), Arc::clone(&self.clock)));
        let log = OpenLog { files: Arc::clone(&files), saves_head };
        *self.audit.lock().unwrap_or_else(PoisonError::into_inner) = Some(log);
        Ok((files, recovery))
    }

    /// Ends in order: the audit log is on the disk, its head is saved, the database is closed. What is asked of the
    /// adapters later is refused.
    pub async fn close(&self) {
        let log = self.audit.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(log) = log {
            log.saves_head.abort();
            let closing = Arc::clone(&log.files);
            if let Err(error) = tokio::task::spawn_blocking(move || closing.close()).await {
                tracing::error!(%error, "the audit log was not closed in order");
            }
            save(&self.database, log.files.durable()).await;
        }

        self.database.close().await;
    }
}

impl Drop for OpenLog {
    fn drop(&mut self) {
        self.saves_head.abort();
    }
}

/// Why a data folder cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// It cannot be taken.
    #[error(transparent)]
    Folder(#[from] LockError),
    /// Its database cannot be opened, is damaged, or was made by a later version.
    #[error("{path}: cannot be used as database")]
    Database {
        /// Where the database is.
        path: PathBuf,
        /// Why.
        #[source]
        cause: Box<dyn std::error::Error + Send + Sync>,
    },
    /// Its audit log cannot be read or continued.
    #[error("{path}: the audit log cannot be continued")]
    Audit {
        /// The audit folder.
        path: PathBuf,
        /// Why.
        #[source]
        cause: io::Error,
    },
}

/// Saves the log's head whenever it has moved, so that missing last entries show.
async fn save_heads(files: Arc<AuditFiles>, database: Database, clock: Arc<dyn Clock>) {
    let mut saved = Head::START;
    loop {
        let head = files.durable();
        if head != saved && save(&database, head).await {
            saved = head;
        }
        clock.sleep_until(clock.now() + HEAD_INTERVAL).await;
    }
}

async fn save(database: &Database, head: Head) -> bool {
    let done = database.save_head(head).await;
    if let Err(error) = &done {
        let cause = std::error::Error::source(error).map(ToString::to_string);
        tracing::warn!(%error, cause, "the audit log's head could not be saved");
    }

    done.is_ok()
}

/// How old the saved head may be.
const HEAD_INTERVAL: Duration = Duration::from_secs(1);
