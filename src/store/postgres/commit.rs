//! Writing a batch on PostgreSQL: a few statements for all of it, each of which unpacks one array
//! for every column.

use crate::payment::ids::OrderId;
use crate::payment::ksn::Ksn;
use crate::store::batch::{Batch, Claim, Results};
use crate::store::jobs::{Job, claim_jobs};
use crate::store::judge::{Known, Verdict, judge_batch};
use crate::store::notices::{DueNotice, claim_notices};
use crate::store::phones::PhoneBook;
use crate::store::rows::{JobRow, NoteRow, NoticeRow, OrderRow, json};
use crate::store::sql::Row;
use crate::store::writer::{Advance, NewOrder, NoticeResult};
use crate::store::{StoreError, corrupt, readable};
use sqlx::postgres::PgRow;
use sqlx::{PgConnection, Row as _};
use std::collections::{BTreeMap, HashMap, HashSet};

/// An array is made once. A set that is not may be made again for each row that is due, whenever
/// the planner takes a table that has filled since it was last counted for a young one.
const CLAIM_JOBS: &str = claim_jobs!("= ANY(ARRAY(", "))");
const CLAIM_NOTICES: &str = claim_notices!("= ANY(ARRAY(", "))");
const LOOK: &str = "\
    SELECT o.id, d.last_counter, n.digest IS NOT NULL \
    FROM UNNEST($1::bigint[], $2::text[], $3::bigint[], $4::bigint[], $5::bytea[], $6::text[]) \
         WITH ORDINALITY AS r(endpoint_id, client_orderid, reader_id, nonce_bucket, \
                              nonce_digest, initial_ksn, place) \
    LEFT JOIN orders AS o ON o.endpoint_id = r.endpoint_id \
         AND o.client_orderid = r.client_orderid \
    LEFT JOIN readers AS d ON d.id = r.reader_id AND d.initial_ksn = r.initial_ksn \
    LEFT JOIN nonces AS n ON n.bucket = r.nonce_bucket AND n.digest = r.nonce_digest \
    ORDER BY r.place";
/// Answers how many nonces, counters and orders it wrote.
const INSERT: &str = "\
    WITH nonce AS ( \
        INSERT INTO nonces (bucket, digest) SELECT * FROM UNNEST($1::bigint[], $2::bytea[]) \
        ON CONFLICT DO NOTHING RETURNING 1), \
    counter AS ( \
        UPDATE readers SET last_counter = r.highest, \
               state = CASE readers.state WHEN 'new' THEN 'active' ELSE readers.state END \
        FROM UNNEST($3::bigint[], $4::bigint[], $5::bigint[], $33::text[]) \
             AS r(id, lowest, highest, initial_ksn) \
        WHERE readers.id = r.id AND readers.initial_ksn = r.initial_ksn \
          AND readers.last_counter < r.lowest RETURNING 1), \
    placed AS ( \
        INSERT INTO orders (id, endpoint_id, client_orderid, kind, status, stage, \
               amount_minor, currency, reader_id, serial, request_digest, card, request, \
               outcome, card_sealed, created_at, updated_at, version) \
        SELECT r.*, 0 FROM UNNEST($6::bigint[], $7::bigint[], $8::text[], $9::text[], \
               $10::text[], $11::text[], $12::bigint[], $13::text[], $14::bigint[], \
               $15::bigint[], $16::text[], $17::text[], $18::text[], $19::text[], $20::text[], \
               $21::bigint[], $22::bigint[]) AS r \
        ON CONFLICT (endpoint_id, client_orderid) DO NOTHING RETURNING 1), \
    phone AS ( \
        INSERT INTO phones (merchant_id, phone_id, sdk_version, first_seen_at) \
        SELECT * FROM UNNEST($23::bigint[], $24::text[], $25::text[], $26::bigint[]) \
        ON CONFLICT DO NOTHING), \
    job AS ( \
        INSERT INTO jobs (id, order_id, step, round, due_at, claims, tries) \
        SELECT r.*, r.claims FROM UNNEST($27::bigint[], $28::bigint[], $29::text[], \
               $30::bigint[], $31::bigint[], $32::bigint[]) \
               AS r(id, order_id, step, round, due_at, claims)) \
    SELECT (SELECT COUNT(*) FROM nonce), (SELECT COUNT(*) FROM counter), \
           (SELECT COUNT(*) FROM placed)";
/// Moves orders on that are still at the expected version and whose job is still the caller's.
/// Answers for each which order it was, and whether its job was moved on with it.
const ADVANCE: &str = "\
    WITH saved AS ( \
        UPDATE orders SET status = r.status, stage = r.stage, outcome = r.outcome, \
               updated_at = r.updated_at, \
               card_sealed = CASE WHEN r.wipe THEN NULL ELSE orders.card_sealed END, \
               version = orders.version + 1 \
        FROM UNNEST($1::bigint[], $2::bigint[], $3::text[], $4::text[], $5::text[], \
             $6::bigint[], $7::boolean[], $8::bigint[], $9::bigint[], $10::text[], \
             $11::bigint[], $12::bigint[]) \
             AS r(id, version, status, stage, outcome, updated_at, wipe, job_id, claims, step, \
                  round, due_at) \
        WHERE orders.id = r.id AND orders.version = r.version \
          AND EXISTS (SELECT 1 FROM jobs WHERE jobs.id = r.job_id AND jobs.claims = r.claims) \
        RETURNING r.id, r.job_id, r.claims, r.step, r.round, r.due_at), \
    ended AS ( \
        DELETE FROM jobs USING saved \
        WHERE saved.step IS NULL AND jobs.id = saved.job_id AND jobs.claims = saved.claims \
        RETURNING jobs.order_id), \
    planned AS ( \
        UPDATE jobs SET step = saved.step, round = saved.round, due_at = saved.due_at, tries = 0 \
        FROM saved \
        WHERE saved.step IS NOT NULL AND jobs.id = saved.job_id AND jobs.claims = saved.claims \
        RETURNING jobs.order_id) \
    SELECT id, (SELECT COUNT(*) FROM ended) + (SELECT COUNT(*) FROM planned) FROM saved";
/// Holds the gates, so that no day is closed while something is posted to it. Two writers may hold
/// the same one.
const POST: &str = "\
    WITH gate AS ( \
        SELECT endpoint_id, day FROM gates WHERE endpoint_id = ANY($1::bigint[]) \
        ORDER BY endpoint_id FOR SHARE) \
    INSERT INTO ledger (endpoint_id, day, transaction_id, movement, order_id, debit, credit, \
           amount_minor, posted_at) \
    SELECT r.endpoint_id, gate.day, r.transaction_id, r.movement, r.order_id, r.debit, r.credit, \
           r.amount_minor, r.posted_at \
    FROM UNNEST($1::bigint[], $2::bigint[], $3::text[], $4::bigint[], $5::text[], $6::text[], \
         $7::bigint[], $8::bigint[]) AS r(endpoint_id, transaction_id, movement, order_id, debit, \
         credit, amount_minor, posted_at) \
    JOIN gate ON gate.endpoint_id = r.endpoint_id";
const INSERT_NOTICES: &str = "\
    INSERT INTO notices (id, order_id, endpoint_id, url, status, state, attempts, due_at, \
           created_at) \
    SELECT * FROM UNNEST($1::bigint[], $2::bigint[], $3::bigint[], $4::text[], $5::text[], \
           $6::text[], $7::bigint[], $8::bigint[], $9::bigint[])";
const INSERT_USAGES: &str = "\
    INSERT INTO usages (endpoint_id, subject_kind, subject, used_at, order_id, amount_minor) \
    SELECT * FROM UNNEST($1::bigint[], $2::text[], $3::text[], $4::bigint[], $5::bigint[], \
           $6::bigint[])";
/// The state that a notice must have is a value, because PostgreSQL would plan a young table's
/// constant as a walk through all notices. What is inserted comes out of the update itself: to find
/// it again among the arrays would take a comparison of each with each.
const NOTE_ATTEMPTS: &str = "\
    WITH noted AS ( \
        UPDATE notices SET state = r.state, due_at = r.due_at, attempts = r.made \
        FROM UNNEST($1::bigint[], $2::bigint[], $3::text[], $4::bigint[], $5::bigint[], \
             $7::bigint[], $8::bigint[], $9::text[], $10::text[], $11::bigint[], $12::text[], \
             $13::text[]) \
             AS r(id, attempts, state, due_at, made, made_at, took_millis, outcome, address, \
                  http_status, cause, answer) \
        WHERE notices.id = r.id AND notices.attempts = r.attempts AND notices.state = $6 \
        RETURNING r.*) \
    INSERT INTO callback_attempts (notice_id, number, made_at, took_millis, outcome, address, \
           http_status, cause, answer) \
    SELECT id, attempts, made_at, took_millis, outcome, address, http_status, cause, answer \
    FROM noted WHERE made_at IS NOT NULL";

/// Writes a batch into the open transaction. `None` when something was not as it was taken to be,
/// because nobody looked, or because another instance was faster: then nothing may be committed.
pub(super) async fn write(
    connection: &mut PgConnection,
    batch: &Batch,
    phones: &PhoneBook,
    look_first: bool,
) -> Result<Option<Results>, StoreError> {
    let mut results = Results::default();
    let mut notices = Vec::new();
    if !batch.accepts.is_empty() {
        let new: Vec<_> = batch.accepts.iter().map(|(row, _)| &row.new).collect();
        let known = match look_first {
            true => look(connection, &new).await?,
            false => vec![Known::NOTHING; new.len()],
        };
        let verdicts = judge_batch(new.iter().copied(), &known);
        if !look_first && verdicts.iter().any(|verdict| *verdict != Verdict::Write) {
            return Ok(None);
        }
        let fresh = batch.accepts.iter().zip(&verdicts).filter(|(_, v)| **v == Verdict::Write);
        let fresh: Vec<_> = fresh.map(|((row, _), _)| row.as_ref()).collect();
        if !insert(connection, &fresh, phones).await? {
            return Ok(None);
        }
        insert_usages(connection, &fresh).await?;
        notices.extend(fresh.into_iter().filter_map(|row| NoticeRow::of_new(&row.new)));
        results.accepts = verdicts.into_iter().map(Verdict::acceptance).collect();
    }
    if !batch.advances.is_empty() {
        let steps: Vec<_> = batch.advances.iter().map(|(advance, _)| advance.as_ref()).collect();
        let Some(saved) = save_steps(connection, &steps).await? else {
            return Ok(None);
        };
        results.advances = saved;
        let saved = steps.into_iter().zip(&results.advances).filter(|(_, saved)| **saved);
        let saved: Vec<_> = saved.map(|(advance, _)| advance).collect();
        post(connection, &saved).await?;
        notices.extend(saved.into_iter().filter_map(NoticeRow::of_advance));
    }
    insert_notices(connection, &notices).await?;
    note_attempts(connection, batch.notes.iter().map(|(note, _)| note)).await?;
    for (claim, _) in &batch.job_claims {
        results
            .job_claims
            .push(readable(claimed(connection, CLAIM_JOBS, *claim).await?, Job::read));
    }
    for (claim, _) in &batch.notice_claims {
        let due = claimed(connection, CLAIM_NOTICES, *claim).await?;
        results.notice_claims.push(readable(due, DueNotice::read));
    }
    for (statements, _) in &batch.together {
        results.together.push(super::run_in_order(connection, statements).await?);
    }
    Ok(Some(results))
}

/// One array for a column.
fn column<'a, I, T>(rows: &'a [I], value: impl Fn(&'a I) -> T) -> Vec<T> {
    rows.iter().map(value).collect()
}

fn count(row: &PgRow, place: usize) -> Result<usize, StoreError> {
    usize::try_from(row.try_get::<i64, _>(place)?).map_err(|_| corrupt("count"))
}

async fn look(connection: &mut PgConnection, new: &[&NewOrder]) -> Result<Vec<Known>, StoreError> {
    let rows = sqlx::query(LOOK)
        .bind(column(new, |new| new.change.order.endpoint.0))
        .bind(column(new, |new| new.change.order.client_orderid.as_str()))
        .bind(column(new, |new| new.change.order.reader.0))
        .bind(column(new, |new| new.nonce.map(|nonce| nonce.bucket)))
        .bind(column(new, |new| new.nonce.as_ref().map(|nonce| &nonce.digest[..])))
        .bind(column(new, |new| new.initial_ksn.to_string()))
        .fetch_all(connection)
        .await?;
    if rows.len() != new.len() {
        return Err(corrupt("look-up"));
    }
    let known = rows.iter().map(|row| {
        Ok(Known {
            order: row.try_get::<Option<i64>, _>(0)?.map(OrderId),
            last_counter: row.try_get(1)?,
            nonce_seen: row.try_get(2)?,
        })
    });
    known.collect()
}

/// `false` when a nonce, a counter or an order was in the way.
async fn insert(
    connection: &mut PgConnection,
    rows: &[&OrderRow],
    phones: &PhoneBook,
) -> Result<bool, StoreError> {
    if rows.is_empty() {
        return Ok(true);
    }
    let new: &[&NewOrder] = &column(rows, |row| &row.new);
    let counters = counters(new);
    let mut phones = phones.unknown(new.iter().copied());
    let mut nonces: Vec<_> = new.iter().filter_map(|new| new.nonce).collect();
    // What two writers may both want they take in the same order, so that neither waits for the
    // other.
    let mut rows = rows.to_vec();
    rows.sort_unstable_by_key(|row| {
        (row.new.change.order.endpoint.0, row.new.change.order.client_orderid.as_str())
    });
    phones.sort_unstable_by_key(|(new, phone)| (new.merchant.0, phone.phone_id.as_str()));
    nonces.sort_unstable_by_key(|nonce| (nonce.bucket, nonce.digest));
    let (rows, new) = (&rows, &column(&rows, |row| &row.new));
    let jobs: Vec<_> = new.iter().filter_map(|new| Some((new, JobRow::of(new)?))).collect();
    let row = sqlx::query(INSERT)
        .bind(column(&nonces, |nonce| nonce.bucket))
        .bind(column(&nonces, |nonce| &nonce.digest[..]))
        .bind(column(&counters, |counters| counters.reader))
        .bind(column(&counters, |counters| counters.lowest))
        .bind(column(&counters, |counters| counters.highest))
        .bind(column(new, |new| new.change.order.id.0))
        .bind(column(new, |new| new.change.order.endpoint.0))
        .bind(column(new, |new| new.change.order.client_orderid.as_str()))
        .bind(column(new, |new| new.change.order.kind.name()))
        .bind(column(new, |new| new.change.order.status.name()))
        .bind(column(new, |new| new.change.order.stage.name()))
        .bind(column(new, |new| new.change.order.amount.minor()))
        .bind(column(new, |new| new.change.order.amount.currency().alpha()))
        .bind(column(new, |new| new.change.order.reader.0))
        .bind(column(new, |new| new.change.order.serial.0))
        .bind(column(new, |new| new.request_digest.as_str()))
        .bind(column(rows, |row| row.card.as_str()))
        .bind(column(rows, |row| row.request.as_str()))
        .bind(column(rows, |row| row.outcome.as_str()))
        .bind(column(new, |new| new.card_sealed.as_deref()))
        .bind(column(new, |new| new.change.order.created_at))
        .bind(column(new, |new| new.change.order.updated_at))
        .bind(column(&phones, |(new, _)| new.merchant.0))
        .bind(column(&phones, |(_, phone)| phone.phone_id.as_str()))
        .bind(column(&phones, |(_, phone)| phone.sdk_version.as_deref()))
        .bind(column(&phones, |(new, _)| new.change.order.created_at))
        .bind(column(&jobs, |(new, _)| new.change.order.id.0))
        .bind(column(&jobs, |(new, _)| new.change.order.id.0))
        .bind(column(&jobs, |(_, job)| job.step))
        .bind(column(&jobs, |(_, job)| job.round))
        .bind(column(&jobs, |(_, job)| job.due_at))
        .bind(column(&jobs, |(_, job)| job.claims))
        .bind(column(&counters, |counters| counters.initial_ksn.to_string()))
        .fetch_one(connection)
        .await?;
    let written = (count(&row, 0)?, count(&row, 1)?, count(&row, 2)?);
    Ok(written == (nonces.len(), counters.len(), new.len()))
}

/// Most endpoints count nothing: then there is no statement.
async fn insert_usages(
    connection: &mut PgConnection,
    rows: &[&OrderRow],
) -> Result<(), StoreError> {
    let of_row = rows
        .iter()
        .flat_map(|row| row.new.usages.iter().map(move |usage| (&row.new.change.order, usage)));
    let usages: Vec<_> = of_row.collect();
    if usages.is_empty() {
        return Ok(());
    }
    sqlx::query(INSERT_USAGES)
        .bind(column(&usages, |(order, _)| order.endpoint.0))
        .bind(column(&usages, |(_, usage)| usage.subject.per.name()))
        .bind(column(&usages, |(_, usage)| usage.subject.name.as_str()))
        .bind(column(&usages, |(order, _)| order.created_at))
        .bind(column(&usages, |(order, _)| order.id.0))
        .bind(column(&usages, |(_, usage)| usage.amount_minor))
        .execute(connection)
        .await?;
    Ok(())
}

/// What the counters of one reader's key in a batch span.
struct Counters {
    reader: i64,
    initial_ksn: Ksn,
    lowest: i64,
    highest: i64,
}

/// One row for each reader, so that a statement never updates one twice. All of the batch must be
/// above what the reader has, so the lowest is compared and the highest is kept.
fn counters(new: &[&NewOrder]) -> Vec<Counters> {
    let mut spans: BTreeMap<_, Counters> = BTreeMap::new();
    for new in new {
        let (reader, counter) = (new.change.order.reader.0, new.counter);
        let initial_ksn = new.initial_ksn;
        // Counters of one reader that may be written rise from order to order.
        let first = Counters { reader, initial_ksn, lowest: counter, highest: counter };
        let key = (reader, initial_ksn.as_bytes().to_vec());
        spans.entry(key).or_insert(first).highest = counter;
    }
    spans.into_values().collect()
}

/// Saves the orders whose version is still the expected one, and their jobs. `None` when a job was
/// claimed by somebody else meanwhile.
async fn save_steps(
    connection: &mut PgConnection,
    steps: &[&Advance],
) -> Result<Option<Vec<bool>>, StoreError> {
    // Two steps of one order in one batch: only the job's latest owner can be right.
    let mut latest: BTreeMap<i64, &Advance> = BTreeMap::new();
    for step in steps {
        let known = latest.entry(step.change.order.id.0).or_insert(step);
        if step.job.claims > known.job.claims {
            *known = step;
        }
    }
    let first: Vec<_> = latest.into_values().collect();
    let outcomes: Vec<_> =
        first.iter().map(|step| json(&step.change.order.outcome)).collect::<Result<_, _>>()?;
    let next = |step: &&Advance| step.change.next.map(|next| next.step.name_and_round());
    let rows = sqlx::query(ADVANCE)
        .bind(column(&first, |step| step.change.order.id.0))
        .bind(column(&first, |step| step.change.order.version))
        .bind(column(&first, |step| step.change.order.status.name()))
        .bind(column(&first, |step| step.change.order.stage.name()))
        .bind(outcomes)
        .bind(column(&first, |step| step.change.order.updated_at))
        .bind(column(&first, |step| step.change.order.status.is_final()))
        .bind(column(&first, |step| step.job.id.0))
        .bind(column(&first, |step| i64::from(step.job.claims)))
        .bind(column(&first, |step| next(step).map(|(name, _)| name)))
        .bind(column(&first, |step| next(step).map(|(_, round)| i64::from(round))))
        .bind(column(&first, |step| step.change.next.map(|next| next.due_at)))
        .fetch_all(connection)
        .await?;
    let mut saved = HashSet::new();
    for row in &rows {
        if count(row, 1)? != rows.len() {
            return Ok(None);
        }
        saved.insert(OrderId(row.try_get(0)?));
    }
    let tried = first.iter().map(|step| (step.change.order.id, step.job.claims));
    let tried: HashMap<_, _> = tried.collect();
    // Taken out, so that of two with the same claim only the first is told that it was saved.
    let is_saved = |step: &&Advance| {
        let order = step.change.order.id;
        tried.get(&order) == Some(&step.job.claims) && saved.remove(&order)
    };
    Ok(Some(steps.iter().map(is_saved).collect()))
}

/// Writes what the steps move.
async fn post(connection: &mut PgConnection, steps: &[&Advance]) -> Result<(), StoreError> {
    let of_step = |step: &&'_ Advance| {
        let endpoint = step.change.order.endpoint;
        step.postings.iter().map(|posting| (endpoint, *posting)).collect::<Vec<_>>()
    };
    let rows: Vec<_> = steps.iter().flat_map(of_step).collect();
    if rows.is_empty() {
        return Ok(());
    }
    let done = sqlx::query(POST)
        .bind(column(&rows, |(endpoint, _)| endpoint.0))
        .bind(column(&rows, |(_, posting)| posting.transaction))
        .bind(column(&rows, |(_, posting)| posting.movement.name()))
        .bind(column(&rows, |(_, posting)| posting.order.0))
        .bind(column(&rows, |(_, posting)| posting.debit.name()))
        .bind(column(&rows, |(_, posting)| posting.credit.name()))
        .bind(column(&rows, |(_, posting)| posting.amount.minor()))
        .bind(column(&rows, |(_, posting)| posting.posted_at))
        .execute(connection)
        .await?;
    match done.rows_affected() == rows.len() as u64 {
        true => Ok(()),
        false => Err(StoreError::Broken("an endpoint has no gate to post to".to_owned())),
    }
}

async fn insert_notices(
    connection: &mut PgConnection,
    rows: &[NoticeRow<'_>],
) -> Result<(), StoreError> {
    if rows.is_empty() {
        return Ok(());
    }
    sqlx::query(INSERT_NOTICES)
        .bind(column(rows, |row| row.id))
        .bind(column(rows, |row| row.order_id))
        .bind(column(rows, |row| row.endpoint_id))
        .bind(column(rows, |row| row.url))
        .bind(column(rows, |row| row.status))
        .bind(column(rows, |row| row.state))
        .bind(column(rows, |row| row.attempts))
        .bind(column(rows, |row| row.due_at))
        .bind(column(rows, |row| row.created_at))
        .execute(connection)
        .await?;
    Ok(())
}

async fn note_attempts(
    connection: &mut PgConnection,
    notes: impl Iterator<Item = &NoticeResult>,
) -> Result<(), StoreError> {
    let told: Vec<_> = notes.collect();
    let notes: Vec<_> = told.iter().map(|note| NoteRow::of(note)).collect();
    let facts: Vec<_> = told.iter().map(|note| note.facts.as_ref()).collect();
    if notes.is_empty() {
        return Ok(());
    }
    sqlx::query(NOTE_ATTEMPTS)
        .bind(column(&notes, |note| note.id))
        .bind(column(&notes, |note| note.attempts))
        .bind(column(&notes, |note| note.state))
        .bind(column(&notes, |note| note.due_at))
        .bind(column(&notes, |note| note.made))
        .bind("sending")
        .bind(column(&facts, |facts| facts.map(|facts| facts.made_at)))
        .bind(column(&facts, |facts| facts.map(|facts| facts.took)))
        .bind(column(&told, |note| note.attempt.outcome()))
        .bind(column(&facts, |facts| facts.and_then(|facts| facts.address.as_deref())))
        .bind(column(&facts, |facts| facts.and_then(|facts| facts.http_status).map(i64::from)))
        .bind(column(&facts, |facts| facts.and_then(|facts| facts.cause.as_deref())))
        .bind(column(&facts, |facts| facts.and_then(|facts| facts.answer.as_deref())))
        .execute(connection)
        .await?;
    Ok(())
}

async fn claimed(
    connection: &mut PgConnection,
    statement: &'static str,
    claim: Claim,
) -> Result<Vec<Row>, StoreError> {
    let rows = sqlx::query(statement)
        .bind(claim.leased_until)
        .bind(claim.now)
        .bind(i64::from(claim.most))
        .fetch_all(connection)
        .await?;
    rows.iter().map(super::read).collect()
}
