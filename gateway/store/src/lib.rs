//! Keys, sealed material and audit, made durable.
//!
//! [`Store::open`] takes a data folder for this process alone and returns adapters for core's ports: rows of keys and
//! sealed material in SQLite (`keyport.db`), the audit log in files of JSON lines (`audit/`). The two meet in one
//! place: the database keeps the audit log's head, so that a log that lost its end is found out.
//!
//! [`audit::verify`] reads both while a gateway runs, and changes neither.

pub mod audit;
mod data_folder;
mod index;
mod sqlite;
mod store;

pub use data_folder::{DataFolder, Holder, LockError};
pub use sqlite::Pins;
pub use store::{OpenError, Store};
