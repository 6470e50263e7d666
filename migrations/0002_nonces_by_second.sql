-- Nonces lie by the second of their signature, so that those of one moment lie together and a
-- commit touches few pages. What the old table remembered was for some minutes only.
DROP TABLE nonces;

-- Digests of OAuth nonces, so that none is taken twice; emptied bucket by bucket.
CREATE TABLE nonces (
    -- The signature's time stamp, in seconds.
    bucket BIGINT NOT NULL,
    digest BYTEA NOT NULL,
    PRIMARY KEY (bucket, digest)
) /* WITHOUT ROWID */;
