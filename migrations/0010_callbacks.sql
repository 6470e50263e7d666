-- Callbacks that can be trusted: every attempt is kept, an end point's callbacks can wait without
-- being lost, and they may be signed as Standard Webhooks.

-- What came of each attempt to deliver. A request that was never sent leaves no row.
CREATE TABLE callback_attempts (
    notice_id BIGINT NOT NULL,
    number BIGINT NOT NULL,
    made_at BIGINT NOT NULL,
    took_millis BIGINT NOT NULL,
    -- `delivered`, `retried` or `given_up`.
    outcome TEXT NOT NULL,
    -- The network address that was dialled, the status that was answered, why it failed, and the
    -- front of what was answered; each empty if there was none.
    address TEXT,
    http_status BIGINT,
    cause TEXT,
    answer TEXT,
    PRIMARY KEY (notice_id, number)
) /* WITHOUT ROWID */;

-- End points whose callbacks wait until somebody starts them again.
CREATE TABLE callback_stops (
    endpoint_id BIGINT PRIMARY KEY,
    -- `operator`, or `gone`: its receiver has answered 410.
    reason TEXT NOT NULL,
    stopped_at BIGINT NOT NULL
);

-- Whether callbacks carry the signature of Standard Webhooks: `off`, `get` or `post`.
ALTER TABLE endpoints ADD COLUMN webhooks TEXT NOT NULL DEFAULT 'off';
-- What signs them; the highest number is the present key, the others sign too until they expire.
CREATE TABLE webhook_keys (
    endpoint_id BIGINT NOT NULL,
    number BIGINT NOT NULL,
    key_sealed BYTEA NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT,
    PRIMARY KEY (endpoint_id, number)
);

-- Attempts before the callback was sent again by somebody: its schedule begins anew, its numbers do
-- not.
ALTER TABLE notices ADD COLUMN attempts_before BIGINT NOT NULL DEFAULT 0;
CREATE INDEX notices_by_endpoint ON notices (endpoint_id, id);
-- What few callbacks are at any time, so that stopping, starting and sending again need not look
-- through all that were delivered.
CREATE INDEX notices_waiting ON notices (endpoint_id, id) WHERE state = 'waiting';
CREATE INDEX notices_held ON notices (endpoint_id, id) WHERE state = 'held';
CREATE INDEX notices_dead ON notices (endpoint_id, id) WHERE state = 'dead';
