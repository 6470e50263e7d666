-- Keys under which other keys travel, and how far a base key may travel under them.

-- A transport key comes of a ceremony, and of each ceremony one: of two who complete it at once the
-- second fails here.
CREATE TABLE transport_keys (
    id BIGINT PRIMARY KEY,
    ceremony_id BIGINT NOT NULL UNIQUE REFERENCES key_ceremonies (id),
    algorithm TEXT NOT NULL,
    key_sealed BYTEA NOT NULL,
    -- The operators whose components made it, parted by commas.
    custodians TEXT NOT NULL,
    created_at BIGINT NOT NULL
);

-- What comes of a ceremony is a base key, of which prefix, cipher and PIN formats are said, or a
-- transport key, of which the algorithm is said; the others are empty.
ALTER TABLE key_ceremonies ADD COLUMN algorithm TEXT;
ALTER TABLE key_ceremonies ADD COLUMN transport_key_id BIGINT;
ALTER TABLE key_ceremonies RENAME COLUMN prefix TO old_prefix;
ALTER TABLE key_ceremonies RENAME COLUMN cipher TO old_cipher;
ALTER TABLE key_ceremonies RENAME COLUMN pin_formats TO old_pin_formats;
ALTER TABLE key_ceremonies ADD COLUMN prefix TEXT;
ALTER TABLE key_ceremonies ADD COLUMN cipher TEXT;
ALTER TABLE key_ceremonies ADD COLUMN pin_formats TEXT;
UPDATE key_ceremonies
    SET prefix = old_prefix, cipher = old_cipher, pin_formats = old_pin_formats;
ALTER TABLE key_ceremonies DROP COLUMN old_prefix;
ALTER TABLE key_ceremonies DROP COLUMN old_cipher;
ALTER TABLE key_ceremonies DROP COLUMN old_pin_formats;

-- How far a base key may travel, by the letters of key blocks: E under transport keys, S also
-- otherwise, N nowhere. Of the key sets that are there nobody was asked, so their keys stay.
ALTER TABLE key_sets ADD COLUMN exportability TEXT NOT NULL DEFAULT 'N';
