//! What goes wrong in SQLite, as the gateway's errors.

use keyport_core::Error;

/// What cannot be helped by asking differently (a full disk, a lock, a failed read) is [`Error::Unavailable`]; the
/// rest is a mistake of ours.
pub(super) fn failed(error: sqlx::Error) -> Error {
    if is_ours(&error) { Error::internal(error) } else { Error::unavailable(error) }
}

/// Whether a unique index refused a row.
pub(super) fn is_taken(error: &sqlx::Error) -> bool {
    error.as_database_error().is_some_and(sqlx::error::DatabaseError::is_unique_violation)
}

fn is_ours(error: &sqlx::Error) -> bool {
    let Some(error) = error.as_database_error() else {
        return matches!(
            error,
            sqlx::Error::ColumnDecode { .. }
                | sqlx::Error::ColumnIndexOutOfBounds { .. }
                | sqlx::Error::ColumnNotFound(_)
                | sqlx::Error::Decode(_)
                | sqlx::Error::Encode(_)
                | sqlx::Error::RowNotFound
        );
    };

    // The low byte of an extended result code is the primary one (https://www.sqlite.org/rescode.html).
    let code = error.code().and_then(|code| code.parse::<u32>().ok()).unwrap_or_default();
    matches!(code & 0xff, SQLITE_ERROR | SQLITE_TOOBIG | SQLITE_CONSTRAINT | SQLITE_MISMATCH | SQLITE_MISUSE)
}

const SQLITE_ERROR: u32 = 1;
const SQLITE_TOOBIG: u32 = 18;
const SQLITE_CONSTRAINT: u32 = 19;
const SQLITE_MISMATCH: u32 = 20;
const SQLITE_MISUSE: u32 = 21;
