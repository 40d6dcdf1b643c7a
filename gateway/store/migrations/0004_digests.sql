-- Whether a SHA-512 digest that the key is to sign is the message of pure Ed25519.
ALTER TABLE keys ADD COLUMN digest_as_message INTEGER NOT NULL DEFAULT 0 CHECK (digest_as_message IN (0, 1));
