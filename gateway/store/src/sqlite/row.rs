//! A key as the database has it.

use std::str::FromStr;

use keyport_core::key::{Handle, Key, KeyName, NativeId, State};
use keyport_core::outside::Timestamp;
use keyport_core::public_key::PublicKey;

use crate::index::Numbered;

/// A row of `keys`, its columns in the table's order.
#[derive(Debug, sqlx::FromRow)]
pub(super) struct Row {
    number: i64,
    key_id: String,
    tenant: String,
    name: String,
    key_type: String,
    state: String,
    provider: String,
    handle: Option<Vec<u8>>,
    connection: Option<String>,
    native_id: Option<String>,
    public: Option<Vec<u8>>,
    created: i64,
    changed: i64,
    destroy_after: Option<i64>,
    event: Option<i64>,
    revision: i64,
    registered: bool,
    digest_as_message: bool,
}

impl Row {
    /// The key and its number.
    pub(super) fn read(self) -> Result<Numbered, BadRow> {
        let bad = |column| BadRow { number: self.number, column };
        let number = |column, value: i64| u64::try_from(value).ok().ok_or_else(|| bad(column));
        let key = Key {
            tenant: parse(&self.tenant).ok_or_else(|| bad("tenant"))?,
            name: KeyName::new("name", &self.name).ok().ok_or_else(|| bad("name"))?,
            id: parse(&self.key_id).ok_or_else(|| bad("key_id"))?,
            key_type: parse(&self.key_type).ok_or_else(|| bad("key_type"))?,
            digest_as_message: self.digest_as_message,
            state: state(&self.state).ok_or_else(|| bad("state"))?,
            provider: parse(&self.provider).ok_or_else(|| bad("provider"))?,
            handle: self.handle.map(|bytes| Handle::new(&bytes).ok_or_else(|| bad("handle"))).transpose()?,
            connection: self
                .connection
                .map(|name| parse(&name).ok_or_else(|| bad("connection")))
                .transpose()?,
            native_id: self.native_id.map(NativeId::new),
            public: self
                .public
                .map(|der| PublicKey::from_der(&der).ok().ok_or_else(|| bad("public")))
                .transpose()?,
            registered: self.registered,
            created: Timestamp(number("created", self.created)?),
            changed: Timestamp(number("changed", self.changed)?),
            destroy_after: self
                .destroy_after
                .map(|time| number("destroy_after", time).map(Timestamp))
                .transpose()?,
            event: self.event.map(|event| number("event", event)).transpose()?,
            revision: number("revision", self.revision)?,
        };

        Ok((self.number, key))
    }
}

/// A row that this version cannot read: the database was changed by something else, or is damaged.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("row {number} of keys: {column} cannot be read")]
pub(crate) struct BadRow {
    number: i64,
    column: &'static str,
}

/// An unsigned number as SQLite has it. Ours (times, sequence numbers, counts) stay far below its limit.
pub(super) fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn parse<T: FromStr>(text: &str) -> Option<T> {
    text.parse().ok()
}

fn state(text: &str) -> Option<State> {
    State::ALL.into_iter().find(|state| state.as_str() == text)
}
