-- Whether somebody else made the key's object: then it is not the gateway's to destroy.
ALTER TABLE keys ADD COLUMN registered INTEGER NOT NULL DEFAULT 0 CHECK (registered IN (0, 1));
