-- One-time codes (RFC 6238) and recovery codes: one row for each person who has them, or is about to. Portable like 0001, and like it never
-- edited.
CREATE TABLE second_factor (
    -- Whose it is. A deleted account takes it along.
    account_id TEXT NOT NULL PRIMARY KEY REFERENCES account (id) ON DELETE CASCADE,
    -- The secret that the person's device has too, sealed under a key that is not in the database. A copy put into the row of another
    -- account cannot be opened there.
    secret TEXT NOT NULL,
    -- Which key of the ring sealed it: after a rotation it is sealed anew.
    kid TEXT NOT NULL,
    -- When the secret was made.
    created_at BIGINT NOT NULL,
    -- Since when a login needs a code. NULL: the person has not yet shown that the device has the secret; nothing needs a code.
    confirmed_at BIGINT,
    -- The time step of the last code that was accepted: no code of this step or an earlier one is accepted again. -1: none was.
    last_step BIGINT NOT NULL,
    -- The recovery codes that were not used: SHA-256 in hex, each followed by a space. In one text, so that they come and go together with
    -- what they stand in for, and one statement uses one up.
    recovery_codes TEXT NOT NULL
);

-- How the person last proved who they are within the session, when that was after the login. NULL: not since. When it was is auth_time.
ALTER TABLE session ADD COLUMN step_up_amr TEXT;
ALTER TABLE session ADD COLUMN step_up_acr TEXT;
