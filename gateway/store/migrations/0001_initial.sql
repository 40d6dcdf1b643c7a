-- Rows of keys: names and facts, never key material. Times are milliseconds since 1970-01-01T00:00:00Z.
CREATE TABLE keys (
    number        INTEGER PRIMARY KEY AUTOINCREMENT,
    key_id        TEXT NOT NULL UNIQUE,
    tenant        TEXT NOT NULL,
    name          TEXT NOT NULL,
    key_type      TEXT NOT NULL,
    state         TEXT NOT NULL CHECK (state IN ('pending', 'active', 'released', 'destroying', 'destroyed')),
    provider      TEXT NOT NULL,
    handle        BLOB,
    connection    TEXT,
    native_id     TEXT,
    public        BLOB,
    created       INTEGER NOT NULL,
    changed       INTEGER NOT NULL,
    destroy_after INTEGER,
    event         INTEGER,
    revision      INTEGER NOT NULL
) STRICT;

CREATE UNIQUE INDEX one_active_key_per_name ON keys (tenant, name) WHERE state = 'active';
CREATE UNIQUE INDEX one_pending_key_per_name ON keys (tenant, name) WHERE state = 'pending';
CREATE UNIQUE INDEX one_key_per_object ON keys (connection, native_id)
    WHERE state <> 'destroyed' AND native_id IS NOT NULL;
CREATE INDEX shown_keys ON keys (number) WHERE state <> 'destroyed' OR event IS NULL;

-- The embedded token's material, sealed before it comes here.
CREATE TABLE sealed_keys (
    tenant TEXT NOT NULL,
    key_id TEXT NOT NULL,
    sealed BLOB NOT NULL,
    PRIMARY KEY (tenant, key_id)
) STRICT;

-- The mark of the master key that everything in sealed_keys is sealed under: one row at most.
CREATE TABLE master_key_mark (
    id   INTEGER PRIMARY KEY CHECK (id = 1),
    mark BLOB NOT NULL
) STRICT;

-- The last entry of the audit log that was seen to be durable: one row at most.
CREATE TABLE audit_head (
    id   INTEGER PRIMARY KEY CHECK (id = 1),
    seq  INTEGER NOT NULL,
    hash BLOB NOT NULL CHECK (length(hash) = 32)
) STRICT;
