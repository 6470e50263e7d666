-- The close of the business day.

ALTER TABLE endpoints ADD COLUMN time_zone TEXT NOT NULL DEFAULT 'UTC';
-- Minutes after midnight, in that zone; empty: the day is closed by hand only.
ALTER TABLE endpoints ADD COLUMN close_at BIGINT;

-- The close that keeps the gate shut; empty while it is open.
ALTER TABLE gates ADD COLUMN closing_id BIGINT;
ALTER TABLE gates ADD COLUMN opened_at BIGINT NOT NULL DEFAULT 0;

-- One row for each close of a day; its id is the batch number.
CREATE TABLE day_closes (
    id BIGINT PRIMARY KEY,
    endpoint_id BIGINT NOT NULL,
    request_id TEXT NOT NULL,
    -- What the caller counted, as far as it said so.
    claimed TEXT NOT NULL,
    day BIGINT NOT NULL,
    -- The calendar date in the gate's zone.
    close_date TEXT NOT NULL,
    serial BIGINT NOT NULL,
    state TEXT NOT NULL,
    -- What the ledger says, once the day is over.
    totals TEXT,
    -- The acquirer's word (ISO 8583 field 39).
    response_code TEXT,
    started_at BIGINT NOT NULL,
    -- How often it has looked for what is in flight, or asked the acquirer.
    looks BIGINT NOT NULL DEFAULT 0,
    -- When it goes on by itself; empty when it is over.
    due_at BIGINT,
    UNIQUE (endpoint_id, request_id)
);
CREATE INDEX day_closes_by_due ON day_closes (due_at) WHERE due_at IS NOT NULL;
