-- What tells the custodian that a connection reached first from every other: a token's serial, an account's number.
CREATE TABLE connections (
    name     TEXT PRIMARY KEY,
    identity TEXT NOT NULL
) STRICT;

-- The PIN that a connection's token did not take, as a slow, salted hash: it must not be tried again.
CREATE TABLE refused_pins (
    connection TEXT PRIMARY KEY,
    salt       BLOB NOT NULL,
    hash       BLOB NOT NULL
) STRICT;
