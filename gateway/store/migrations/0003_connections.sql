-- What tells the custodian that a connection reached first from every other: a token's serial, an account's number.
CREATE TABLE connections (
    name     TEXT PRIMARY KEY,
    identity TEXT NOT NULL
) STRICT;
