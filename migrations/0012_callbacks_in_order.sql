-- Callbacks are claimed in the order in which they fall due, and of the same moment by number: a
-- stretch of time that is sent again is due at one moment, and no claim may sort all of it.
DROP INDEX notices_by_due;
CREATE INDEX notices_by_due ON notices (due_at, id) WHERE due_at IS NOT NULL;

-- What was under way is looked for when a process begins, which may not take longer when a million
-- wait. On PostgreSQL nobody looks: there other processes may be at it.
CREATE INDEX notices_sending ON notices (id) WHERE state = 'sending';
/* POSTGRES DROP INDEX notices_sending; */
