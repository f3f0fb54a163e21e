-- Who was tried how often: what slows guessing down, for addresses with an account and without one alike. Portable like 0001, and like it
-- never edited.
CREATE TABLE throttle (
    -- A MAC of the folded address under a key that is not in the database: no address stands here, and none can be guessed from it.
    address_mac TEXT NOT NULL PRIMARY KEY,
    -- Tries in a row that failed, those that are under way included: a try is counted before anything is known of it.
    failures BIGINT NOT NULL,
    -- How many of them are under way.
    pending BIGINT NOT NULL,
    -- Before when no try is admitted, once there were more failures than are free.
    retry_at BIGINT NOT NULL,
    -- When the last try was admitted: what was not tried for long is swept, and what has been under way for long is not any more.
    tried_at BIGINT NOT NULL
);

-- The sweep.
CREATE INDEX throttle_tried ON throttle (tried_at);
