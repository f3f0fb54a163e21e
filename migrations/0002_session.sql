-- Logins that can be refreshed: one row each, for as long as it lives. A refresh changes the row and never adds one. Portable like 0001,
-- and like it never edited.
CREATE TABLE session (
    -- UUIDv7, the `sid` of its access tokens. Sorts by creation.
    id TEXT NOT NULL PRIMARY KEY,
    -- Whose it is. A deleted account takes its sessions with it.
    account_id TEXT NOT NULL REFERENCES account (id) ON DELETE CASCADE,
    -- 32 random bytes in base64url: what the service's key alone cannot know. No refresh token is stored, and none follows from this.
    seed TEXT NOT NULL,
    -- How often it was refreshed: the number of the one refresh token that is good.
    generation BIGINT NOT NULL,
    -- What was asked for at the login, space separated. NULL: whatever the person holds at each refresh.
    scope TEXT,
    -- How the person proved who they are, space separated (RFC 8176), and how strong that was. Refreshing never changes them.
    amr TEXT NOT NULL,
    acr TEXT NOT NULL,
    -- The account's password_changed_at at the login: the session of a password that was replaced is over, even one that was being made
    -- while the password was replaced. NULL like there.
    password_changed_at BIGINT,
    -- When it was made; the absolute timeout counts from here.
    created_at BIGINT NOT NULL,
    -- When the person last proved who they are.
    auth_time BIGINT NOT NULL,
    -- When the generation last changed: the grace of the one before counts from here, and so does the idle timeout.
    rotated_at BIGINT NOT NULL,
    -- Since when it is over: logged out, reused, or ended with the account. NULL: not ended. One that timed out may still have NULL.
    ended_at BIGINT
);

-- A person's sessions, to end or list them; and the cascade from the account.
CREATE INDEX session_account ON session (account_id);
-- What can be swept, by columns that a refresh does not change: so PostgreSQL can refresh a row without touching any index.
CREATE INDEX session_created ON session (created_at);
CREATE INDEX session_ended ON session (ended_at) WHERE ended_at IS NOT NULL;
