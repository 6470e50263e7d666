//! The statements on every sale's path. Each takes one JSON array and does a whole batch in one
//! round trip, which is where the two databases have no common words.

/// One text per database for each statement of the batch.
pub(super) struct HotStatements {
    /// What is already known of the orders, readers and nonces of a batch of new orders.
    pub look: &'static str,
    pub insert_nonces: &'static str,
    pub raise_counters: &'static str,
    pub insert_phones: &'static str,
    pub insert_orders: &'static str,
    pub insert_jobs: &'static str,
    /// Returns the ids of the orders that were still at the expected version, and whose job was
    /// still the caller's.
    pub advance_orders: &'static str,
    pub plan_jobs: &'static str,
    pub end_jobs: &'static str,
    pub insert_notices: &'static str,
    pub note_attempts: &'static str,
}

pub(super) static SQLITE: HotStatements = HotStatements {
    look: "\
        SELECT CAST(r.key AS INTEGER) AS place, o.id AS order_id, d.last_counter AS last_counter, \
               CASE WHEN n.digest IS NULL THEN 0 ELSE 1 END AS nonce_seen \
        FROM jsonb_each($1) AS r \
        LEFT JOIN orders AS o ON o.endpoint_id = r.value->>'endpoint_id' \
             AND o.client_orderid = r.value->>'client_orderid' \
        LEFT JOIN readers AS d ON d.id = r.value->>'reader_id' \
        LEFT JOIN nonces AS n ON n.bucket = r.value->>'nonce_bucket' \
             AND n.digest = r.value->>'nonce_digest'",
    insert_nonces: "\
        INSERT INTO nonces (bucket, digest) \
        SELECT r.value->>'nonce_bucket', r.value->>'nonce_digest' FROM jsonb_each($1) AS r \
        WHERE true ON CONFLICT DO NOTHING",
    raise_counters: "\
        UPDATE readers SET last_counter = r.value->>'counter', \
               state = CASE readers.state WHEN 'new' THEN 'active' ELSE readers.state END \
        FROM jsonb_each($1) AS r \
        WHERE readers.id = r.value->>'reader_id' \
          AND readers.last_counter < r.value->>'counter'",
    insert_phones: "\
        INSERT INTO phones (merchant_id, phone_id, sdk_version, first_seen_at) \
        SELECT r.value->>'merchant_id', r.value->>'phone_id', r.value->>'sdk_version', \
               r.value->>'seen_at' \
        FROM jsonb_each($1) AS r WHERE true \
        ON CONFLICT DO NOTHING",
    insert_orders: "\
        INSERT INTO orders (id, endpoint_id, client_orderid, kind, status, stage, amount_minor, \
               currency, reader_id, serial, request_digest, card, request, outcome, card_sealed, \
               created_at, updated_at, version) \
        SELECT r.value->>'id', r.value->>'endpoint_id', r.value->>'client_orderid', \
               r.value->>'kind', r.value->>'status', r.value->>'stage', \
               r.value->>'amount_minor', r.value->>'currency', r.value->>'reader_id', \
               r.value->>'serial', r.value->>'request_digest', r.value->>'card', \
               r.value->>'request', r.value->>'outcome', r.value->>'card_sealed', \
               r.value->>'created_at', r.value->>'updated_at', 0 \
        FROM jsonb_each($1) AS r WHERE true \
        ON CONFLICT (endpoint_id, client_orderid) DO NOTHING",
    insert_jobs: "\
        INSERT INTO jobs (id, order_id, step, round, due_at, claims, tries) \
        SELECT r.value->>'id', r.value->>'order_id', r.value->>'step', r.value->>'round', \
               r.value->>'due_at', r.value->>'claims', r.value->>'claims' \
        FROM jsonb_each($1) AS r",
    advance_orders: "\
        UPDATE orders SET status = r.value->>'status', stage = r.value->>'stage', \
               outcome = r.value->>'outcome', updated_at = r.value->>'updated_at', \
               card_sealed = CASE WHEN r.value->>'wipe' THEN NULL ELSE orders.card_sealed END, \
               version = orders.version + 1 \
        FROM jsonb_each($1) AS r \
        WHERE orders.id = r.value->>'id' AND orders.version = r.value->>'version' \
          AND EXISTS (SELECT 1 FROM jobs WHERE jobs.id = r.value->>'job_id' \
                      AND jobs.claims = r.value->>'claims') \
        RETURNING orders.id",
    plan_jobs: "\
        UPDATE jobs SET step = r.value->>'step', round = r.value->>'round', \
               due_at = r.value->>'due_at', tries = 0 \
        FROM jsonb_each($1) AS r \
        WHERE jobs.id = r.value->>'id' AND jobs.claims = r.value->>'claims'",
    end_jobs: "\
        DELETE FROM jobs WHERE id IN (SELECT r.value->>'id' FROM jsonb_each($1) AS r)",
    insert_notices: "\
        INSERT INTO notices (id, order_id, endpoint_id, url, status, state, attempts, due_at, \
               created_at) \
        SELECT r.value->>'id', r.value->>'order_id', r.value->>'endpoint_id', r.value->>'url', \
               r.value->>'status', r.value->>'state', r.value->>'attempts', r.value->>'due_at', \
               r.value->>'created_at' \
        FROM jsonb_each($1) AS r",
    note_attempts: "\
        UPDATE notices SET state = r.value->>'state', due_at = r.value->>'due_at', \
               attempts = r.value->>'made' \
        FROM jsonb_each($1) AS r \
        WHERE notices.id = r.value->>'id' AND notices.attempts = r.value->>'attempts' \
          AND notices.state = r.value->>'was'",
};

pub(super) static POSTGRES: HotStatements = HotStatements {
    look: "\
        SELECT r.place, o.id AS order_id, d.last_counter AS last_counter, \
               CASE WHEN n.digest IS NULL THEN 0 ELSE 1 END AS nonce_seen \
        FROM json_to_recordset($1::json) AS r(place bigint, endpoint_id bigint, \
             client_orderid text, reader_id bigint, nonce_bucket bigint, nonce_digest text) \
        LEFT JOIN orders AS o ON o.endpoint_id = r.endpoint_id \
             AND o.client_orderid = r.client_orderid \
        LEFT JOIN readers AS d ON d.id = r.reader_id \
        LEFT JOIN nonces AS n ON n.bucket = r.nonce_bucket AND n.digest = r.nonce_digest",
    insert_nonces: "\
        INSERT INTO nonces (bucket, digest) \
        SELECT r.nonce_bucket, r.nonce_digest \
        FROM json_to_recordset($1::json) AS r(nonce_bucket bigint, nonce_digest text) \
        ON CONFLICT DO NOTHING",
    raise_counters: "\
        UPDATE readers SET last_counter = r.counter, \
               state = CASE readers.state WHEN 'new' THEN 'active' ELSE readers.state END \
        FROM json_to_recordset($1::json) AS r(reader_id bigint, counter bigint) \
        WHERE readers.id = r.reader_id AND readers.last_counter < r.counter",
    insert_phones: "\
        INSERT INTO phones (merchant_id, phone_id, sdk_version, first_seen_at) \
        SELECT r.merchant_id, r.phone_id, r.sdk_version, r.seen_at \
        FROM json_to_recordset($1::json) AS r(merchant_id bigint, phone_id text, \
             sdk_version text, seen_at bigint) \
        ON CONFLICT DO NOTHING",
    insert_orders: "\
        INSERT INTO orders (id, endpoint_id, client_orderid, kind, status, stage, amount_minor, \
               currency, reader_id, serial, request_digest, card, request, outcome, card_sealed, \
               created_at, updated_at, version) \
        SELECT r.id, r.endpoint_id, r.client_orderid, r.kind, r.status, r.stage, \
               r.amount_minor, r.currency, r.reader_id, r.serial, r.request_digest, r.card, \
               r.request, r.outcome, r.card_sealed, r.created_at, r.updated_at, 0 \
        FROM json_to_recordset($1::json) AS r(id bigint, endpoint_id bigint, \
             client_orderid text, kind text, status text, stage text, amount_minor bigint, \
             currency text, reader_id bigint, serial bigint, request_digest text, card text, \
             request text, outcome text, card_sealed text, created_at bigint, \
             updated_at bigint) \
        ON CONFLICT (endpoint_id, client_orderid) DO NOTHING",
    insert_jobs: "\
        INSERT INTO jobs (id, order_id, step, round, due_at, claims, tries) \
        SELECT r.id, r.order_id, r.step, r.round, r.due_at, r.claims, r.claims \
        FROM json_to_recordset($1::json) AS r(id bigint, order_id bigint, step text, \
             round bigint, due_at bigint, claims bigint)",
    advance_orders: "\
        UPDATE orders SET status = r.status, stage = r.stage, outcome = r.outcome, \
               updated_at = r.updated_at, \
               card_sealed = CASE WHEN r.wipe THEN NULL ELSE orders.card_sealed END, \
               version = orders.version + 1 \
        FROM json_to_recordset($1::json) AS r(id bigint, version bigint, status text, \
             stage text, outcome text, updated_at bigint, wipe boolean, job_id bigint, \
             claims bigint) \
        WHERE orders.id = r.id AND orders.version = r.version \
          AND EXISTS (SELECT 1 FROM jobs WHERE jobs.id = r.job_id AND jobs.claims = r.claims) \
        RETURNING orders.id",
    plan_jobs: "\
        UPDATE jobs SET step = r.step, round = r.round, due_at = r.due_at, tries = 0 \
        FROM json_to_recordset($1::json) AS r(id bigint, step text, round bigint, \
             due_at bigint, claims bigint) \
        WHERE jobs.id = r.id AND jobs.claims = r.claims",
    end_jobs: "\
        DELETE FROM jobs USING json_to_recordset($1::json) AS r(id bigint, claims bigint) \
        WHERE jobs.id = r.id AND jobs.claims = r.claims",
    insert_notices: "\
        INSERT INTO notices (id, order_id, endpoint_id, url, status, state, attempts, due_at, \
               created_at) \
        SELECT r.id, r.order_id, r.endpoint_id, r.url, r.status, r.state, r.attempts, r.due_at, \
               r.created_at \
        FROM json_to_recordset($1::json) AS r(id bigint, order_id bigint, endpoint_id bigint, \
             url text, status text, state text, attempts bigint, due_at bigint, \
             created_at bigint)",
    note_attempts: "\
        UPDATE notices SET state = r.state, due_at = r.due_at, attempts = r.made \
        FROM json_to_recordset($1::json) AS r(id bigint, attempts bigint, made bigint, \
             state text, due_at bigint, was text) \
        WHERE notices.id = r.id AND notices.attempts = r.attempts \
          AND notices.state = r.was",
};
