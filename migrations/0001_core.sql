-- Portable between SQLite and PostgreSQL: TEXT, BIGINT, SMALLINT and BYTEA only.
-- Times are milliseconds UTC (`_at`), money is minor units (`_minor`), flags are 0 or 1.
-- On SQLite the store reads `BIGINT PRIMARY KEY` as `INTEGER PRIMARY KEY`, the row's own key.

-- Numbers given out in blocks: order ids, request serials, and the rest.
CREATE TABLE counters (
    name TEXT PRIMARY KEY,
    next_value BIGINT NOT NULL
);

CREATE TABLE merchants (
    id BIGINT PRIMARY KEY,
    login TEXT NOT NULL UNIQUE,
    control_key_sealed BYTEA NOT NULL,
    created_at BIGINT NOT NULL
);

CREATE TABLE endpoint_groups (
    id BIGINT PRIMARY KEY,
    merchant_id BIGINT NOT NULL REFERENCES merchants (id)
);

CREATE TABLE endpoints (
    id BIGINT PRIMARY KEY,
    merchant_id BIGINT NOT NULL REFERENCES merchants (id),
    group_id BIGINT REFERENCES endpoint_groups (id),
    currency TEXT NOT NULL,
    enabled SMALLINT NOT NULL CHECK (enabled IN (0, 1)),
    strict_validation SMALLINT NOT NULL CHECK (strict_validation IN (0, 1)),
    sandbox SMALLINT NOT NULL CHECK (sandbox IN (0, 1)),
    callback_url TEXT,
    amount_least_minor BIGINT NOT NULL,
    amount_most_minor BIGINT NOT NULL,
    terminal_id TEXT NOT NULL,
    descriptor TEXT NOT NULL
);
CREATE INDEX endpoints_by_group ON endpoints (group_id);

-- Readers whose initial keys are derived from one base key.
CREATE TABLE key_sets (
    id BIGINT PRIMARY KEY,
    prefix TEXT NOT NULL UNIQUE,
    base_key_sealed BYTEA NOT NULL
);

CREATE TABLE readers (
    id BIGINT PRIMARY KEY,
    serial TEXT NOT NULL UNIQUE,
    kind TEXT NOT NULL,
    merchant_id BIGINT NOT NULL REFERENCES merchants (id),
    endpoint_id BIGINT REFERENCES endpoints (id),
    group_id BIGINT REFERENCES endpoint_groups (id),
    key_set_id BIGINT NOT NULL REFERENCES key_sets (id),
    device_id TEXT NOT NULL,
    state TEXT NOT NULL,
    last_counter BIGINT NOT NULL,
    CHECK ((endpoint_id IS NULL) <> (group_id IS NULL))
);

-- Mobile devices, noted as their orders arrive.
CREATE TABLE phones (
    merchant_id BIGINT NOT NULL REFERENCES merchants (id),
    phone_id TEXT NOT NULL,
    sdk_version TEXT,
    first_seen_at BIGINT NOT NULL,
    PRIMARY KEY (merchant_id, phone_id)
);

CREATE TABLE orders (
    id BIGINT PRIMARY KEY,
    endpoint_id BIGINT NOT NULL,
    client_orderid TEXT NOT NULL,
    kind TEXT NOT NULL,
    status TEXT NOT NULL,
    stage TEXT NOT NULL,
    amount_minor BIGINT NOT NULL CHECK (amount_minor > 0),
    currency TEXT NOT NULL,
    reader_id BIGINT NOT NULL,
    serial BIGINT NOT NULL,
    request_digest TEXT NOT NULL,
    card TEXT NOT NULL,
    request TEXT NOT NULL,
    outcome TEXT NOT NULL,
    -- The card for the acquirer, sealed to this order; gone when the order is final.
    card_sealed TEXT,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    version BIGINT NOT NULL,
    UNIQUE (endpoint_id, client_orderid)
);

-- One row for the one step that an order still needs.
CREATE TABLE jobs (
    id BIGINT PRIMARY KEY,
    order_id BIGINT NOT NULL,
    step TEXT NOT NULL,
    round BIGINT NOT NULL,
    due_at BIGINT NOT NULL,
    -- How often the job was ever claimed: tells an owner whose lease ran out from the next one.
    claims BIGINT NOT NULL,
    -- How often since this step was planned: above 1, the step may have been taken before.
    tries BIGINT NOT NULL
);
CREATE INDEX jobs_by_due ON jobs (due_at);

-- The outbox: callbacks owed. `due_at` is empty when nothing more will be sent by itself.
CREATE TABLE notices (
    id BIGINT PRIMARY KEY,
    order_id BIGINT NOT NULL,
    endpoint_id BIGINT NOT NULL,
    url TEXT NOT NULL,
    status TEXT NOT NULL,
    state TEXT NOT NULL,
    attempts BIGINT NOT NULL,
    due_at BIGINT,
    created_at BIGINT NOT NULL
);
CREATE INDEX notices_by_due ON notices (due_at) WHERE due_at IS NOT NULL;
CREATE INDEX notices_by_order ON notices (order_id);

-- Digests of OAuth nonces, so that none is taken twice; emptied bucket by bucket.
CREATE TABLE nonces (
    bucket BIGINT NOT NULL,
    digest TEXT NOT NULL,
    PRIMARY KEY (bucket, digest)
);

-- Short-lived keys for `card_sealed`; destroying one makes all it sealed unreadable.
CREATE TABLE card_keys (
    id BIGINT PRIMARY KEY,
    key_sealed BYTEA NOT NULL,
    created_at BIGINT NOT NULL
);
