-- What happens on a schedule, and the last slot of it that an instance took: each slot is taken once.
CREATE TABLE turns (
    name TEXT PRIMARY KEY,
    slot BIGINT NOT NULL
);
