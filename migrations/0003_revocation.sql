-- What is not believed any more although it has not expired: the deny list, as replicas tell it to each other. Portable like 0001, and like
-- it never edited.
CREATE TABLE revocation (
    -- Which claim of a token names it: session = sid, subject = sub, token = jti.
    kind TEXT NOT NULL CHECK (kind IN ('session', 'subject', 'token')),
    -- The value of that claim.
    id TEXT NOT NULL,
    -- For a subject: tokens with an older iat are refused, newer ones are not. NULL for the others, which are refused altogether.
    issued_before BIGINT CHECK ((kind = 'subject') = (issued_before IS NOT NULL)),
    -- When the last token that it denies has expired; then the row can go.
    until BIGINT NOT NULL,
    -- When it was written: what replicas ask by, each time with some overlap, since transactions do not end in the order they began.
    recorded_at BIGINT NOT NULL,
    -- One row for each thing, however often it is revoked.
    PRIMARY KEY (kind, id)
);

-- The question that every replica asks every second.
CREATE INDEX revocation_recorded ON revocation (recorded_at);
-- The sweep.
CREATE INDEX revocation_until ON revocation (until);
