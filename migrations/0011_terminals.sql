-- Payment terminals that are played here, the points of sale that are logged in to them, and the
-- services that they carry out.

CREATE TABLE terminals (
    id BIGINT PRIMARY KEY,
    -- What points of sale address it by.
    poi_id TEXT NOT NULL UNIQUE,
    merchant_id BIGINT NOT NULL REFERENCES merchants (id),
    -- The card reader inside it.
    reader_serial TEXT NOT NULL REFERENCES readers (serial),
    -- What the acquirer calls it.
    acquirer_poi_id TEXT NOT NULL UNIQUE,
    dialect TEXT NOT NULL,
    profile TEXT NOT NULL,
    listener_url TEXT,
    -- Of the key that its points of sale show; empty: only those of this machine are let in.
    credential_digest TEXT,
    -- Of the messages' protection, where the dialect has one.
    passphrase_sealed BYTEA,
    -- The period that is being counted: the number of the service that opened it.
    period BIGINT NOT NULL,
    created_at BIGINT NOT NULL
);
CREATE INDEX terminals_by_merchant ON terminals (merchant_id);
CREATE INDEX terminals_by_credential ON terminals (credential_digest);

-- A point of sale that is logged in: its session, and what it said of itself.
CREATE TABLE terminal_sessions (
    terminal_id BIGINT NOT NULL REFERENCES terminals (id),
    sale_id TEXT NOT NULL,
    session BIGINT NOT NULL,
    login TEXT NOT NULL,
    opened_at BIGINT NOT NULL,
    PRIMARY KEY (terminal_id, sale_id)
);

-- One row for each service that must never be done twice. Empty `response`: it is under way, and
-- belongs to the process that took it up until `leased_until`.
CREATE TABLE terminal_services (
    id BIGINT PRIMARY KEY,
    terminal_id BIGINT NOT NULL,
    sale_id TEXT NOT NULL,
    session BIGINT NOT NULL,
    category TEXT NOT NULL,
    service_id TEXT NOT NULL,
    -- The point of sale's own name for what is sold.
    sale_transaction TEXT,
    request_digest TEXT NOT NULL,
    request TEXT NOT NULL,
    response TEXT,
    -- What it moved, for the totals of its period.
    period BIGINT NOT NULL,
    movement TEXT,
    amount_minor BIGINT,
    currency TEXT,
    started_at BIGINT NOT NULL,
    leased_until BIGINT NOT NULL,
    -- How often it was taken up: what an earlier owner does is not counted.
    claims BIGINT NOT NULL DEFAULT 1,
    UNIQUE (terminal_id, sale_id, category, service_id, session)
);
-- A terminal carries out one service at a time, whichever process plays it.
CREATE UNIQUE INDEX terminal_services_running ON terminal_services (terminal_id)
    WHERE response IS NULL;
CREATE INDEX terminal_services_by_time ON terminal_services (terminal_id, started_at);
CREATE INDEX terminal_services_by_period ON terminal_services (terminal_id, period);
