//! Rows of keys in SQLite.

use std::cmp::Reverse;
use std::sync::Arc;

use async_trait::async_trait;
use keyport_core::key::{Handle, Key, KeyId, KeyName, NativeId, State};
use keyport_core::name::{ConnectionName, TenantId};
use keyport_core::outside::Timestamp;
use keyport_core::public_key::PublicKey;
use keyport_core::store::Keys;
use keyport_core::{Error, Result};
use sqlx::sqlite::SqliteArguments;
use sqlx::{Sqlite, SqliteConnection, query::QueryScalar};

use super::failure::{failed, is_taken};
use super::row::{BadRow, Row, signed};
use super::{Database, begin, to_the_end};
use crate::index::{Index, Numbered};

/// Implements core's port; cloning it gives another handle of the same rows.
#[derive(Clone, Debug)]
pub(crate) struct SqliteKeys {
    database: Database,
    index: Arc<Index>,
}

impl SqliteKeys {
    /// Reads every row that is of use.
    pub(crate) async fn load(database: Database) -> Result<Self, LoadError> {
        let rows: Vec<Row> = sqlx::query_as(SELECT_SHOWN).fetch_all(&database.readers).await?;
        let keys = rows.into_iter().map(Row::read).collect::<Result<Vec<_>, _>>()?;

        let index = Arc::new(Index::default());
        index.put(keys);
        Ok(Self { database, index })
    }
}

#[async_trait]
impl Keys for SqliteKeys {
    async fn insert(&self, tenant: &TenantId, key: &Key) -> Result<()> {
        check_tenant(tenant, key)?;
        let (this, key) = (self.clone(), key.clone());

        to_the_end(async move { this.insert_row(key).await }).await
    }

    async fn update(&self, tenant: &TenantId, keys: &[Key]) -> Result<bool> {
        for key in keys {
            check_tenant(tenant, key)?;
        }
        let (this, keys) = (self.clone(), keys.to_vec());

        to_the_end(async move { this.update_rows(keys).await }).await
    }

    async fn active(&self, tenant: &TenantId, name: &KeyName) -> Result<Option<Arc<Key>>> {
        Ok(self.index.active(tenant, name))
    }

    async fn key(&self, tenant: &TenantId, id: KeyId) -> Result<Option<Arc<Key>>> {
        match self.index.key(tenant, id) {
            None => self.destroyed_key(tenant, id).await,
            found => Ok(found),
        }
    }

    async fn list(&self, tenant: &TenantId) -> Result<Vec<Arc<Key>>> {
        Ok(self.index.list(tenant))
    }

    async fn tenants(&self) -> Result<Vec<TenantId>> {
        Ok(self.index.tenants())
    }
}

impl SqliteKeys {
    async fn insert_row(&self, key: Key) -> Result<()> {
        // Held until the index has the row too, so that it follows the order of the commits.
        let mut connection = self.database.writer.acquire().await.map_err(failed)?;

        let mut transaction = begin(&mut connection).await?;

        let insert = bind(INSERT, &key).bind(signed(key.revision));
        let number = match insert.fetch_one(&mut *transaction).await {
            Err(error) if is_taken(&error) => return Err(Error::KeyExists),
            done => done.map_err(failed)?,
        };
        // Without a transaction, SQLite would answer RETURNING first and commit later, and nobody would hear of a failure.
        transaction.commit().await.map_err(failed)?;

        self.index.put([(number, key)]);
        Ok(())
    }

    async fn update_rows(&self, mut keys: Vec<Key>) -> Result<bool> {
        // A unique index looks at each statement: a row that gives up a name or an object goes before its successor.
        keys.sort_by_key(|key| Reverse(progress(key.state)));
        let mut connection = self.database.writer.acquire().await.map_err(failed)?;
        let mut transaction = begin(&mut connection).await?;

        let mut updated = Vec::with_capacity(keys.len());
        for key in keys {
            match update_row(&mut transaction, key).await {
                Err(error) if is_taken(&error) => return Ok(false),
                done => match done.map_err(failed)? {
                    None => return Ok(false),
                    Some(key) => updated.push(key),
                },
            }
        }
        transaction.commit().await.map_err(failed)?;

        self.index.put(updated);
        Ok(true)
    }

    /// A row that the index no longer has: it is destroyed and on record.
    async fn destroyed_key(&self, tenant: &TenantId, id: KeyId) -> Result<Option<Arc<Key>>> {
        let row: Option<Row> = sqlx::query_as(SELECT_ONE)
            .bind(tenant.as_str())
            .bind(id.to_string())
            .fetch_optional(&self.database.readers)
            .await
            .map_err(failed)?;

        row.map(|row| row.read().map(|(_, key)| Arc::new(key)).map_err(Error::internal)).transpose()
    }
}

/// Why the rows could not be read at start.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LoadError {
    #[error(transparent)]
    Database(#[from] sqlx::Error),
    #[error(transparent)]
    Row(#[from] BadRow),
}

async fn update_row(connection: &mut SqliteConnection, key: Key) -> Result<Option<Numbered>, sqlx::Error> {
    let next = key.revision.saturating_add(1);
    let number =
        bind(UPDATE, &key).bind(signed(next)).bind(signed(key.revision)).fetch_optional(connection).await?;

    Ok(number.map(|number| (number, Key { revision: next, ..key })))
}

/// Binds everything but the revision, in the order of [`INSERT`] and [`UPDATE`].
fn bind(sql: &'static str, key: &Key) -> QueryScalar<'static, Sqlite, i64, SqliteArguments> {
    sqlx::query_scalar(sql)
        .bind(key.id.to_string())
        .bind(key.tenant.as_str().to_owned())
        .bind(key.name.as_str().to_owned())
        .bind(key.key_type.as_str())
        .bind(key.state.as_str())
        .bind(key.provider.as_str().to_owned())
        .bind(key.handle.as_ref().map(Handle::bytes).map(<[u8]>::to_vec))
        .bind(key.connection.as_ref().map(ConnectionName::as_str).map(str::to_owned))
        .bind(key.native_id.as_ref().map(NativeId::as_str).map(str::to_owned))
        .bind(key.public.as_ref().map(PublicKey::der).map(<[u8]>::to_vec))
        .bind(time(key.created))
        .bind(time(key.changed))
        .bind(key.destroy_after.map(time))
        .bind(key.event.map(signed))
        .bind(key.registered)
        .bind(key.digest_as_message)
}

fn time(time: Timestamp) -> i64 {
    signed(time.0)
}

fn check_tenant(tenant: &TenantId, key: &Key) -> Result<()> {
    if key.tenant == *tenant { Ok(()) } else { Err(Error::internal(ForeignKey)) }
}

/// A row was handed in under a tenant that is not its own.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("the row belongs to another tenant")]
struct ForeignKey;

fn progress(state: State) -> u8 {
    match state {
        State::Pending => 0,
        State::Active => 1,
        State::Released => 2,
        State::Destroying => 3,
        State::Destroyed => 4,
    }
}

const SELECT_SHOWN: &str = "SELECT * FROM keys WHERE state <> 'destroyed' OR event IS NULL ORDER BY number";

const SELECT_ONE: &str = "SELECT * FROM keys WHERE tenant = ?1 AND key_id = ?2";

const INSERT: &str = "
    INSERT INTO keys (key_id, tenant, name, key_type, state, provider, handle, connection, native_id, public, created,
        changed, destroy_after, event, registered, digest_as_message, revision)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17)
    RETURNING number";

const UPDATE: &str = "
    UPDATE keys SET name = ?3, key_type = ?4, state = ?5, provider = ?6, handle = ?7, connection = ?8, native_id = ?9,
        public = ?10, created = ?11, changed = ?12, destroy_after = ?13, event = ?14, registered = ?15,
        digest_as_message = ?16, revision = ?17
    WHERE key_id = ?1 AND tenant = ?2 AND revision = ?18
    RETURNING number";
