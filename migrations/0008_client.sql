-- Machines that ask for tokens in their own name (RFC 6749 s4.4). Portable like 0001, and like it never edited.
CREATE TABLE client (
    -- cli_<UUIDv7>: the client_id and the subject of its tokens. Sorts by creation, never that of a person.
    id TEXT NOT NULL PRIMARY KEY,
    -- What operators call it. Unique, so that it can be named by it.
    name TEXT NOT NULL UNIQUE CHECK (length(name) BETWEEN 1 AND 64),
    -- What it may ask for, space separated (RFC 6749 s3.3). Empty: nothing. Short enough that a token of all of them can be minted.
    scopes TEXT NOT NULL CHECK (length(scopes) <= 1024),
    -- SHA-256 of its secret, in base64url. The secret has 256 random bits, so nobody finds it by trying.
    secret_hash TEXT NOT NULL,
    -- The same of the secret before, which is as good until the next rotation. NULL: there was none.
    previous_secret_hash TEXT,
    -- When it was made.
    created_at BIGINT NOT NULL,
    -- When its secret was last replaced. NULL: never.
    secret_rotated_at BIGINT,
    -- Since when it is refused. NULL: not disabled.
    disabled_at BIGINT
);

-- Which client an event is about, or was the work of. No reference, like the others. NULL: none.
ALTER TABLE audit ADD COLUMN client_id TEXT;
