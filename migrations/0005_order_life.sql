-- What happens to an order after it was accepted: later transactions, the ledger, the business day.

-- Of a later transaction the job has the number of that transaction, so orders and amendments are
-- numbered together, and a job of an order has the order's number.
CREATE TABLE jobs_by_transaction (
    id BIGINT PRIMARY KEY,
    order_id BIGINT NOT NULL,
    step TEXT NOT NULL,
    round BIGINT NOT NULL,
    due_at BIGINT NOT NULL,
    claims BIGINT NOT NULL,
    tries BIGINT NOT NULL
);
INSERT INTO jobs_by_transaction (id, order_id, step, round, due_at, claims, tries)
    SELECT order_id, order_id, step, round, due_at, claims, tries FROM jobs;
DROP TABLE jobs;
ALTER TABLE jobs_by_transaction RENAME TO jobs;
CREATE INDEX jobs_by_due ON jobs (due_at);

-- Captures, cancels, reversals and voids.
CREATE TABLE amendments (
    id BIGINT PRIMARY KEY,
    order_id BIGINT NOT NULL,
    -- Which of the order's amendments it is, from 1. Ids do not tell: each instance has its own.
    ordinal BIGINT NOT NULL,
    kind TEXT NOT NULL,
    status TEXT NOT NULL,
    amount_minor BIGINT NOT NULL CHECK (amount_minor > 0),
    serial BIGINT NOT NULL,
    comment TEXT,
    outcome TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    version BIGINT NOT NULL,
    UNIQUE (order_id, ordinal)
);

-- The latest amendment: whoever adds one names the one before, so that two never see the same sums.
ALTER TABLE orders ADD COLUMN last_amendment_id BIGINT;
-- Empty: the notice is about the transaction that opened the order.
ALTER TABLE notices ADD COLUMN amendment_id BIGINT;

ALTER TABLE endpoints ADD COLUMN partial_capture SMALLINT NOT NULL DEFAULT 0;
ALTER TABLE endpoints ADD COLUMN partial_reversal SMALLINT NOT NULL DEFAULT 0;
ALTER TABLE endpoints ADD COLUMN multi_capture SMALLINT NOT NULL DEFAULT 0;
ALTER TABLE endpoints ADD COLUMN hold_days BIGINT NOT NULL DEFAULT 7;
ALTER TABLE endpoints ADD COLUMN fee_basis_points BIGINT NOT NULL DEFAULT 0;
ALTER TABLE endpoints ADD COLUMN fee_fixed_minor BIGINT NOT NULL DEFAULT 0;

-- The virtual merchant account behind each endpoint, and its open business day: a number that
-- counts the closes. Whoever posts holds this row, so that nothing is posted to a closed day.
CREATE TABLE gates (
    endpoint_id BIGINT PRIMARY KEY REFERENCES endpoints (id),
    day BIGINT NOT NULL
);
INSERT INTO gates (endpoint_id, day) SELECT id, 1 FROM endpoints;

-- Double entry: a row takes an amount from one account and gives it to another, so that whatever is
-- added up comes to zero. `transaction_id` is the amendment, or the order itself.
CREATE TABLE ledger (
    endpoint_id BIGINT NOT NULL,
    day BIGINT NOT NULL,
    transaction_id BIGINT NOT NULL,
    movement TEXT NOT NULL,
    order_id BIGINT NOT NULL,
    debit TEXT NOT NULL,
    credit TEXT NOT NULL,
    amount_minor BIGINT NOT NULL CHECK (amount_minor > 0),
    posted_at BIGINT NOT NULL,
    PRIMARY KEY (endpoint_id, day, transaction_id, movement)
) /* WITHOUT ROWID */;

-- What was approved before: sales stand in the books of the first day, holds are released in time.
INSERT INTO ledger (endpoint_id, day, transaction_id, movement, order_id, debit, credit,
                    amount_minor, posted_at)
    SELECT endpoint_id, 1, id, 'sale', id, 'card_holders', 'merchant', amount_minor, updated_at
    FROM orders WHERE kind = 'sale' AND status = 'approved';
INSERT INTO jobs (id, order_id, step, round, due_at, claims, tries)
    SELECT id, id, 'expire', 0, updated_at + 604800000, 0, 0
    FROM orders WHERE kind = 'preauth' AND status = 'approved';

-- What card holders drew, as the till sent it.
CREATE TABLE signatures (
    order_id BIGINT PRIMARY KEY,
    drawing TEXT NOT NULL,
    created_at BIGINT NOT NULL
);
