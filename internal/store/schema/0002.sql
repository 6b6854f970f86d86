-- An attempt's way to the model: the token that opens the gateway, as the hex of its SHA-256, while the
-- attempt is open, and what was used of the model with it.
ALTER TABLE attempts ADD COLUMN token_hash         TEXT    NOT NULL DEFAULT '';
ALTER TABLE attempts ADD COLUMN model_requests     INTEGER NOT NULL DEFAULT 0;
ALTER TABLE attempts ADD COLUMN input_tokens       INTEGER NOT NULL DEFAULT 0;
ALTER TABLE attempts ADD COLUMN output_tokens      INTEGER NOT NULL DEFAULT 0;
ALTER TABLE attempts ADD COLUMN cache_read_tokens  INTEGER NOT NULL DEFAULT 0;
ALTER TABLE attempts ADD COLUMN cache_write_tokens INTEGER NOT NULL DEFAULT 0;
ALTER TABLE attempts ADD COLUMN cost_usd           REAL    NOT NULL DEFAULT 0;
CREATE UNIQUE INDEX attempts_token ON attempts (token_hash) WHERE open = 1 AND token_hash <> '';
