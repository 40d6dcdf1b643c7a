//! Which custodian each connection reached, and which PIN it did not take, in SQLite.

use keyport_core::Result;
use keyport_core::name::ConnectionName;

use super::failure::failed;
use super::{Database, to_the_end};

/// What is remembered of connections. Cloning it gives another handle of the same.
#[derive(Clone, Debug)]
pub struct Pins(pub(crate) Database);

impl Pins {
    /// What tells the custodian that `connection` is bound to from every other, if it was ever reached.
    pub async fn pinned(&self, connection: &ConnectionName) -> Result<Option<String>> {
        sqlx::query_scalar("SELECT identity FROM connections WHERE name = ?1")
            .bind(connection.as_str())
            .fetch_optional(&self.0.readers)
            .await
            .map_err(failed)
    }

    /// Binds `connection` to the custodian of this identity, and to no other.
    pub async fn pin(&self, connection: &ConnectionName, identity: &str) -> Result<()> {
        let (writer, connection, identity) =
            (self.0.writer.clone(), connection.as_str().to_owned(), identity.to_owned());
        let pin = async move {
            sqlx::query(PIN).bind(connection).bind(identity).execute(&writer).await.map(drop).map_err(failed)
        };

        to_the_end(pin).await
    }

    /// The salt and the hash of the PIN that `connection` did not take last.
    pub async fn refused_pin(&self, connection: &ConnectionName) -> Result<Option<(Vec<u8>, Vec<u8>)>> {
        sqlx::query_as("SELECT salt, hash FROM refused_pins WHERE connection = ?1")
            .bind(connection.as_str())
            .fetch_optional(&self.0.readers)
            .await
            .map_err(failed)
    }

    /// Keeps the salt and the hash of the PIN that `connection` did not take; `None` where it took one.
    pub async fn set_refused_pin(
        &self,
        connection: &ConnectionName,
        refused: Option<(Vec<u8>, Vec<u8>)>,
    ) -> Result<()> {
        let (writer, connection) = (self.0.writer.clone(), connection.as_str().to_owned());
        let set = async move {
            let query = match refused {
                None => sqlx::query("DELETE FROM refused_pins WHERE connection = ?1").bind(connection),
                Some((salt, hash)) => sqlx::query(REFUSE).bind(connection).bind(salt).bind(hash),
            };
            query.execute(&writer).await.map(drop).map_err(failed)
        };

        to_the_end(set).await
    }
}

const REFUSE: &str = "
    INSERT INTO refused_pins (connection, salt, hash) VALUES (?1, ?2, ?3)
    ON CONFLICT (connection) DO UPDATE SET salt = excluded.salt, hash = excluded.hash";

const PIN: &str = "
    INSERT INTO connections (name, identity) VALUES (?1, ?2)
    ON CONFLICT (name) DO UPDATE SET identity = excluded.identity";
