-- The people who can log in. Portable between SQLite and PostgreSQL: TEXT and BIGINT only, times are NumericDate (seconds since 1970),
-- flags are nullable times. Written once and never edited: its checksum is recorded in every database.
CREATE TABLE account (
    -- usr_<UUIDv7>: the subject of tokens. Sorts by creation, never reused, tells nothing about the person.
    id TEXT NOT NULL PRIMARY KEY,
    -- The address as it was typed: shown back to people, never compared.
    email TEXT NOT NULL CHECK (length(email) BETWEEN 3 AND 254),
    -- The address with ASCII letters in lower case: the only thing compared, and unique, so that one address is one account.
    email_folded TEXT NOT NULL UNIQUE,
    -- bcrypt, as `$2b$…`. NULL: an account without a password, which nobody can log in to yet. Not checked here: an unusable
    -- imported hash must be answered like a wrong password, not like an outage.
    password_hash TEXT,
    -- What the person may ask for, space separated (RFC 6749 s3.3). Empty: nothing.
    scopes TEXT NOT NULL,
    -- Roles put into the tokens, space separated like scopes. Empty: none.
    roles TEXT NOT NULL,
    -- When the account was made.
    created_at BIGINT NOT NULL,
    -- Since when logins and refreshes are refused. NULL: not disabled.
    disabled_at BIGINT,
    -- When the person or an operator last set the password; a new hash of the same password does not count. NULL: never set.
    password_changed_at BIGINT
);
