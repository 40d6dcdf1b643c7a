//! The audit log's head in SQLite.

use std::path::Path;

use keyport_core::Result;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, Connection, SqliteConnection};

use super::failure::failed;
use super::row::signed;
use super::{BUSY_TIMEOUT, Database, to_the_end};
use crate::audit::Head;

impl Database {
    /// The head that was saved last.
    pub(crate) async fn head(&self) -> Result<Option<Head>, sqlx::Error> {
        select(&mut *self.writer.acquire().await?).await
    }

    /// Saves `head`, unless a later one is there.
    pub(crate) async fn save_head(&self, head: Head) -> Result<()> {
        let writer = self.writer.clone();
        let save = async move {
            let query = sqlx::query(SAVE).bind(signed(head.seq)).bind(head.hash.to_vec());
            query.execute(&writer).await.map(drop).map_err(failed)
        };

        to_the_end(save).await
    }
}

/// The head that the database at `path` has, which another process may be using.
pub(crate) async fn read_head(path: &Path) -> Result<Option<Head>, sqlx::Error> {
    let options = SqliteConnectOptions::new().filename(path).read_only(true).busy_timeout(BUSY_TIMEOUT);
    match read_with(&options).await {
        // Where SQLite cannot make its index of the write-ahead log, the disk is read-only, or not ours to write. What is
        // in that log alone is then not seen: an earlier head, which asks for less.
        Err(sqlx::Error::Database(error)) if error.code().as_deref() == Some(CANNOT_OPEN) => {
            read_with(&options.immutable(true)).await
        }
        read => read,
    }
}

async fn read_with(options: &SqliteConnectOptions) -> Result<Option<Head>, sqlx::Error> {
    let mut connection = options.connect().await?;
    let head = select(&mut connection).await;
    connection.close().await?;

    head
}

async fn select(connection: &mut SqliteConnection) -> Result<Option<Head>, sqlx::Error> {
    let row: Option<(i64, Vec<u8>)> =
        sqlx::query_as("SELECT seq, hash FROM audit_head").fetch_optional(connection).await?;

    row.map(|(seq, hash)| Ok(Head { seq: seq.try_into().map_err(decode)?, hash: decode_hash(&hash)? }))
        .transpose()
}

fn decode_hash(bytes: &[u8]) -> Result<[u8; 32], sqlx::Error> {
    bytes.try_into().map_err(decode)
}

fn decode(error: impl std::error::Error + Send + Sync + 'static) -> sqlx::Error {
    sqlx::Error::Decode(Box::new(error))
}

/// SQLITE_CANTOPEN (<https://www.sqlite.org/rescode.html>).
const CANNOT_OPEN: &str = "14";

const SAVE: &str = "
    INSERT INTO audit_head (id, seq, hash) VALUES (1, ?1, ?2)
    ON CONFLICT (id) DO UPDATE SET seq = excluded.seq, hash = excluded.hash WHERE excluded.seq > audit_head.seq";
