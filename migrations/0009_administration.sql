-- What administrators do to others. Portable like 0001, and like it never edited.

-- Who did it, where that is not the person or the client that the event is about: usr_… or cli_…, or `operator` at the command line. No
-- reference, like the others. NULL: nobody else.
ALTER TABLE audit ADD COLUMN actor TEXT;
-- From which address, for what an actor did. NULL: not known.
ALTER TABLE audit ADD COLUMN ip TEXT;

-- The one row at which changes queue that may take an administrator away: on PostgreSQL two of them would not see each other, and both of
-- the last two administrators could go.
CREATE TABLE administration (
    -- There is no second row.
    id BIGINT NOT NULL PRIMARY KEY CHECK (id = 1),
    -- When the last such change was tried.
    changed_at BIGINT NOT NULL
);
INSERT INTO administration (id, changed_at) VALUES (1, 0);

-- Finds another administrator without reading a million accounts. REPLACE, since LIKE tells cases apart on one database only.
CREATE INDEX account_administrator ON account (id)
    WHERE REPLACE(' ' || scopes || ' ', ' hallpass:admin ', '') <> ' ' || scopes || ' ';
