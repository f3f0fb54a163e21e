-- What happened to accounts and sessions, for those who have to find out later. Portable like 0001, and like it never edited.
CREATE TABLE audit (
    -- UUIDv7. Sorts by time, so a page of the list goes on after the last one of the page before.
    id TEXT NOT NULL PRIMARY KEY,
    -- When it happened. Rows are swept some months later.
    at BIGINT NOT NULL,
    -- What happened: a fixed word, never one that somebody sent.
    event TEXT NOT NULL CHECK (length(event) BETWEEN 1 AND 40),
    -- Whose account. No reference: the row outlives the account, of which it keeps nothing but the id. NULL: of nobody known.
    account_id TEXT,
    -- Which session. No reference either. NULL: of none, or of several.
    session_id TEXT,
    -- A fixed word that tells apart what has the same event. NULL: nothing to add.
    detail TEXT CHECK (length(detail) BETWEEN 1 AND 40)
);

-- The sweep.
CREATE INDEX audit_at ON audit (at);
-- What happened to one person.
CREATE INDEX audit_account ON audit (account_id, id);
