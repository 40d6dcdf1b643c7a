//! Sealed material in SQLite.

use async_trait::async_trait;
use keyport_core::key::KeyId;
use keyport_core::name::TenantId;
use keyport_core::store::{Reseal, SealedKeys};
use keyport_core::{Error, Result};
use sqlx::pool::PoolConnection;
use sqlx::{Sqlite, SqliteConnection};

use super::failure::{failed, is_taken};
use super::{Database, begin, empty_log, to_the_end};

/// Implements core's port.
#[derive(Clone, Debug)]
pub(crate) struct SqliteSealedKeys {
    database: Database,
}

impl SqliteSealedKeys {
    pub(crate) fn new(database: Database) -> Self {
        Self { database }
    }
}

#[async_trait]
impl SealedKeys for SqliteSealedKeys {
    async fn put(&self, tenant: &TenantId, id: KeyId, sealed: &[u8]) -> Result<()> {
        let (this, tenant, sealed) = (self.clone(), tenant.as_str().to_owned(), sealed.to_vec());
        let insert = async move {
            let query = sqlx::query(INSERT).bind(tenant).bind(id.to_string()).bind(sealed);
            match query.execute(&this.database.writer).await {
                Err(error) if is_taken(&error) => Err(Error::KeyExists),
                done => done.map(drop).map_err(failed),
            }
        };

        to_the_end(insert).await
    }

    async fn get(&self, tenant: &TenantId, id: KeyId) -> Result<Option<Vec<u8>>> {
        sqlx::query_scalar("SELECT sealed FROM sealed_keys WHERE tenant = ?1 AND key_id = ?2")
            .bind(tenant.as_str())
            .bind(id.to_string())
            .fetch_optional(&self.database.readers)
            .await
            .map_err(failed)
    }

    async fn delete(&self, tenant: &TenantId, id: KeyId) -> Result<()> {
        let (this, tenant) = (self.clone(), tenant.as_str().to_owned());
        let erase = async move {
            let mut connection = this.database.writer.acquire().await.map_err(failed)?;
            let query = sqlx::query(DELETE).bind(tenant).bind(id.to_string());
            query.execute(&mut *connection).await.map_err(failed)?;

            // Even if there was nothing: an earlier attempt may have got no further than this.
            forget(&mut connection).await
        };

        to_the_end(erase).await
    }

    async fn mark(&self) -> Result<Option<Vec<u8>>> {
        sqlx::query_scalar("SELECT mark FROM master_key_mark")
            .fetch_optional(&self.database.readers)
            .await
            .map_err(failed)
    }

    async fn reseal(&self, mark: &[u8], reseal: &Reseal) -> Result<u64> {
        // Nobody else writes while the connection is held, from the first read to the commit.
        let mut connection = self.database.writer.acquire().await.map_err(failed)?;
        let resealed = resealed(&mut connection, reseal).await?;

        to_the_end(replace(connection, mark.to_vec(), resealed)).await
    }
}

async fn replace(
    mut connection: PoolConnection<Sqlite>,
    mark: Vec<u8>,
    resealed: Vec<(i64, Vec<u8>)>,
) -> Result<u64> {
    let mut transaction = begin(&mut connection).await?;
    let mut count = 0;
    for (row, sealed) in resealed {
        let query = sqlx::query("UPDATE sealed_keys SET sealed = ?2 WHERE rowid = ?1").bind(row).bind(sealed);
        count += query.execute(&mut *transaction).await.map_err(failed)?.rows_affected();
    }
    sqlx::query(SET_MARK).bind(mark).execute(&mut *transaction).await.map_err(failed)?;
    transaction.commit().await.map_err(failed)?;

    forget(&mut connection).await?;
    Ok(count)
}

/// Makes sure that what was replaced or deleted is in no file any more. `secure_delete` sees to the database itself.
async fn forget(connection: &mut SqliteConnection) -> Result<()> {
    if empty_log(connection).await.map_err(failed)? { Ok(()) } else { Err(Error::unavailable(Lingers)) }
}

/// The change is durable, but the write-ahead log still has what was there before.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("the write-ahead log could not be emptied, because the database is being read")]
struct Lingers;

/// Every row of `sealed_keys` with its new content.
async fn resealed(connection: &mut SqliteConnection, reseal: &Reseal) -> Result<Vec<(i64, Vec<u8>)>> {
    let rows: Vec<(i64, String, String, Vec<u8>)> =
        sqlx::query_as("SELECT rowid, tenant, key_id, sealed FROM sealed_keys")
            .fetch_all(connection)
            .await
            .map_err(failed)?;

    let reseal_row = |(row, tenant, id, sealed): (i64, String, String, Vec<u8>)| {
        let tenant: TenantId = tenant.parse().map_err(Error::internal)?;
        Ok((row, reseal(&tenant, id.parse().map_err(Error::internal)?, &sealed)?))
    };
    rows.into_iter().map(reseal_row).collect()
}

const INSERT: &str = "INSERT INTO sealed_keys (tenant, key_id, sealed) VALUES (?1, ?2, ?3)";

const DELETE: &str = "DELETE FROM sealed_keys WHERE tenant = ?1 AND key_id = ?2";

const SET_MARK: &str = "
    INSERT INTO master_key_mark (id, mark) VALUES (1, ?1)
    ON CONFLICT (id) DO UPDATE SET mark = excluded.mark";
