-- What an endpoint lets through, and what its cards and readers have used of it.

ALTER TABLE endpoints ADD COLUMN limits TEXT NOT NULL DEFAULT '{}';

-- One row for each order and subject, only where a limit counts them. `amount_minor` is cut at what
-- no sum may exceed.
CREATE TABLE usages (
    endpoint_id BIGINT NOT NULL,
    subject_kind TEXT NOT NULL,
    subject TEXT NOT NULL,
    used_at BIGINT NOT NULL,
    order_id BIGINT NOT NULL,
    amount_minor BIGINT NOT NULL,
    PRIMARY KEY (endpoint_id, subject_kind, subject, used_at, order_id)
) /* WITHOUT ROWID */;
CREATE INDEX usages_by_time ON usages (used_at);
