-- Real readers and real keys: how the readers of a key set encrypt, whose key it is, and who did what.

ALTER TABLE key_sets ADD COLUMN cipher TEXT NOT NULL DEFAULT 'aes-gcm';
-- Which working key encrypts card data, where the cipher leaves a choice.
ALTER TABLE key_sets ADD COLUMN variant TEXT;
-- The formats of PIN blocks that are taken from its readers, parted by commas.
ALTER TABLE key_sets ADD COLUMN pin_formats TEXT NOT NULL DEFAULT '';

-- The whole KSN of the reader with a counter of zero, instead of the device's bytes alone.
ALTER TABLE readers ADD COLUMN initial_ksn TEXT NOT NULL DEFAULT '';
UPDATE readers SET initial_ksn =
    (SELECT prefix FROM key_sets WHERE key_sets.id = readers.key_set_id) || device_id || '000000';
ALTER TABLE readers DROP COLUMN device_id;
-- When its initial key was handed out for injection; that happens once for each key.
ALTER TABLE readers ADD COLUMN injected_at BIGINT;
ALTER TABLE readers ADD COLUMN created_at BIGINT NOT NULL DEFAULT 0;

-- The control key before the present one, and until when it is still good.
ALTER TABLE merchants ADD COLUMN old_control_key_sealed BYTEA;
ALTER TABLE merchants ADD COLUMN old_control_key_until BIGINT;

-- Keys of the gateway's own that outlive the master key, sealed under it. Of each purpose the
-- highest number is used, and the others are still known.
CREATE TABLE ring_keys (
    purpose TEXT NOT NULL,
    number BIGINT NOT NULL,
    key_sealed BYTEA NOT NULL,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (purpose, number)
);

-- Who may use the operators' door, and for what. Of the token only a digest is kept.
CREATE TABLE operators (
    name TEXT PRIMARY KEY,
    role TEXT NOT NULL,
    token_digest TEXT NOT NULL UNIQUE,
    enabled SMALLINT NOT NULL CHECK (enabled IN (0, 1)),
    created_at BIGINT NOT NULL
);

-- Every call of the operators' door. Each row carries a digest over itself and the row before, so
-- that no row can be changed or taken out without a trace.
CREATE TABLE audit (
    id BIGINT PRIMARY KEY,
    at BIGINT NOT NULL,
    operator TEXT NOT NULL,
    action TEXT NOT NULL,
    subject TEXT NOT NULL,
    status BIGINT NOT NULL,
    request_id TEXT NOT NULL,
    digest TEXT NOT NULL
);

-- A base key on its way in: its parts come from several custodians, none of whom sees another's.
CREATE TABLE key_ceremonies (
    id BIGINT PRIMARY KEY,
    prefix TEXT NOT NULL,
    cipher TEXT NOT NULL,
    variant TEXT,
    pin_formats TEXT NOT NULL,
    components BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    -- The key set that came of it; empty until the last component is there.
    key_set_id BIGINT
);
CREATE TABLE key_components (
    ceremony_id BIGINT NOT NULL REFERENCES key_ceremonies (id),
    operator TEXT NOT NULL,
    check_value TEXT NOT NULL,
    component_sealed BYTEA NOT NULL,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (ceremony_id, operator)
);

CREATE UNIQUE INDEX readers_by_ksn ON readers (initial_ksn);
-- Initial KSNs that readers had before. A key has one life: were its counter to begin again, old
-- messages would count as new ones.
CREATE TABLE retired_ksns (
    initial_ksn TEXT PRIMARY KEY,
    reader_id BIGINT NOT NULL REFERENCES readers (id),
    retired_at BIGINT NOT NULL
);
