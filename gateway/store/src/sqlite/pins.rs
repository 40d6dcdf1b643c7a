//! Which custodian each connection reached, in SQLite.

use keyport_core::Result;
use keyport_core::name::ConnectionName;

use super::failure::failed;
use super::{Database, to_the_end};

impl Database {
    /// The identity that was pinned for `connection`.
    pub(crate) async fn pinned(&self, connection: &ConnectionName) -> Result<Option<String>> {
        sqlx::query_scalar("SELECT identity FROM connections WHERE name = ?1")
            .bind(connection.as_str())
            .fetch_optional(&self.readers)
            .await
            .map_err(failed)
    }

    /// Pins `identity` for `connection`, in the place of what was pinned before.
    pub(crate) async fn pin(&self, connection: &ConnectionName, identity: &str) -> Result<()> {
        let (writer, connection, identity) =
            (self.writer.clone(), connection.as_str().to_owned(), identity.to_owned());
        let pin = async move {
            sqlx::query(PIN).bind(connection).bind(identity).execute(&writer).await.map(drop).map_err(failed)
        };

        to_the_end(pin).await
    }
}

const PIN: &str = "
    INSERT INTO connections (name, identity) VALUES (?1, ?2)
    ON CONFLICT (name) DO UPDATE SET identity = excluded.identity";
