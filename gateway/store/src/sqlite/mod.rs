//! The embedded database: one connection that writes, a few that read.

mod failure;
mod head;
mod keys;
mod pins;
mod row;
mod sealed;

use std::path::Path;
use std::time::Duration;

use keyport_core::Result;
use sqlx::migrate::Migrator;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{Connection, Sqlite, SqliteConnection, SqlitePool, Transaction};

pub(crate) use head::read_head;
pub(crate) use keys::{LoadError, SqliteKeys};
pub use pins::Pins;
pub(crate) use sealed::SqliteSealedKeys;

use crate::data_folder;
use failure::failed;

/// The database of a data folder.
#[derive(Clone, Debug)]
pub(crate) struct Database {
    /// SQLite has one writer, so there is one connection, and whoever holds it is alone.
    writer: SqlitePool,
    readers: SqlitePool,
}

impl Database {
    /// Opens the database at `path` and brings it to this version's schema. It is made with mode 0600 where it does
    /// not exist; SQLite gives the files beside it the same mode.
    pub(crate) async fn open(path: &Path) -> Result<Self, sqlx::Error> {
        data_folder::open_private(path)?;
        let options = SqliteConnectOptions::new()
            .filename(path)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .foreign_keys(true)
            .pragma("secure_delete", "ON")
            .busy_timeout(BUSY_TIMEOUT);

        let writer = pool(1).after_release(|writer, _| Box::pin(is_settled(writer)));
        let writer = writer.connect_with(options.clone()).await?;
        MIGRATIONS.run(&writer).await?;
        let readers = pool(READERS).connect_lazy_with(options.read_only(true));

        // A process that died after a deletion may have left the deleted bytes there; the next deletion tries again.
        if !matches!(empty_log(&mut *writer.acquire().await?).await, Ok(true)) {
            tracing::warn!(path = %path.display(), "the database's write-ahead log keeps old pages for now");
        }
        Ok(Self { writer, readers })
    }

    /// Writes what is in the write-ahead log back, and closes every connection.
    pub(crate) async fn close(&self) {
        self.readers.close().await;
        self.writer.close().await;
    }
}

/// Empties the write-ahead log, which holds earlier versions of pages: what was deleted can be read from it. `false`
/// where somebody was reading it all the time.
async fn empty_log(connection: &mut SqliteConnection) -> Result<bool, sqlx::Error> {
    let (busy, _, _): (i64, i64, i64) =
        sqlx::query_as("PRAGMA wal_checkpoint(TRUNCATE)").fetch_one(connection).await?;

    Ok(busy == 0)
}

/// Begins a transaction that may write. Waiting for the lock comes first, so that nothing in it fails for being late.
async fn begin(connection: &mut SqliteConnection) -> Result<Transaction<'_, Sqlite>> {
    connection.begin_with("BEGIN IMMEDIATE").await.map_err(failed)
}

/// Whether a connection that wrote can write again; where it cannot, the pool opens another.
///
/// A full disk makes SQLite undo a transaction by itself (<https://www.sqlite.org/lang_transaction.html>, section 3).
/// Undoing it again then fails, and the connection is taken for one inside a transaction ever after.
async fn is_settled(writer: &mut SqliteConnection) -> Result<bool, sqlx::Error> {
    // What a dropped transaction asked for is done by then.
    writer.ping().await?;

    Ok(!writer.is_in_transaction())
}

/// Runs `work` to its end, even when the caller goes away: a write that was begun is committed and seen, or undone.
async fn to_the_end<T: Send + 'static>(work: impl Future<Output = Result<T>> + Send + 'static) -> Result<T> {
    tokio::spawn(work).await.map_err(keyport_core::Error::internal)?
}

fn pool(connections: u32) -> SqlitePoolOptions {
    SqlitePoolOptions::new()
        .max_connections(connections)
        .acquire_timeout(BUSY_TIMEOUT)
        .idle_timeout(None)
        .max_lifetime(None)
        .test_before_acquire(false)
}

static MIGRATIONS: Migrator = sqlx::migrate!();

/// How long to wait for a connection, and for another process that reads.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

const READERS: u32 = 4;
