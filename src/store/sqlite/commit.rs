//! Writing a batch on SQLite: row after row with statements that are prepared once.

use super::Session;
use crate::payment::ids::{EndpointId, OrderId};
use crate::payment::ledger::Posting;
use crate::payment::order::Order;
use crate::store::batch::{Batch, Claim, Results};
use crate::store::jobs::{Job, claim_jobs};
use crate::store::judge::{Known, Verdict, judge};
use crate::store::notices::{DueNotice, claim_notices};
use crate::store::phones::PhoneBook;
use crate::store::rows::{JobRow, NoteRow, NoticeRow, OrderRow, json};
use crate::store::sql::Row;
use crate::store::usages::Usage;
use crate::store::writer::{Acceptance, Advance, NewOrder, NoticeResult, PhoneSeen};
use crate::store::{StoreError, readable};

const CLAIM_JOBS: &str = claim_jobs!("IN (", ")");
const CLAIM_NOTICES: &str = claim_notices!("IN (", ")");
const LOOK: &str = "\
    SELECT (SELECT id FROM orders WHERE endpoint_id = ?1 AND client_orderid = ?2), \
           (SELECT last_counter FROM readers WHERE id = ?3 AND initial_ksn = ?6), \
           EXISTS (SELECT 1 FROM nonces WHERE bucket = ?4 AND digest = ?5)";
const INSERT_NONCE: &str = "INSERT INTO nonces (bucket, digest) VALUES (?1, ?2)";
const RAISE_COUNTER: &str = "\
    UPDATE readers SET last_counter = ?2, \
           state = CASE state WHEN 'new' THEN 'active' ELSE state END \
    WHERE id = ?1";
const INSERT_PHONE: &str = "\
    INSERT INTO phones (merchant_id, phone_id, sdk_version, first_seen_at) \
    VALUES (?1, ?2, ?3, ?4) ON CONFLICT DO NOTHING";
const INSERT_ORDER: &str = "\
    INSERT INTO orders (id, endpoint_id, client_orderid, kind, status, stage, amount_minor, \
           currency, reader_id, serial, request_digest, card, request, outcome, card_sealed, \
           created_at, updated_at, version) \
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, 0)";
const INSERT_USAGE: &str = "\
    INSERT INTO usages (endpoint_id, subject_kind, subject, used_at, order_id, amount_minor) \
    VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
const INSERT_JOB: &str = "\
    INSERT INTO jobs (id, order_id, step, round, due_at, claims, tries) \
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?6)";
/// Only the order's latest version moves on, and only by the job's latest owner.
const ADVANCE_ORDER: &str = "\
    UPDATE orders SET status = ?3, stage = ?4, outcome = ?5, updated_at = ?6, \
           card_sealed = CASE WHEN ?7 THEN NULL ELSE card_sealed END, version = version + 1 \
    WHERE id = ?1 AND version = ?2 \
      AND EXISTS (SELECT 1 FROM jobs WHERE id = ?8 AND claims = ?9)";
const PLAN_JOB: &str =
    "UPDATE jobs SET step = ?2, round = ?3, due_at = ?4, tries = 0 WHERE id = ?1";
const END_JOB: &str = "DELETE FROM jobs WHERE id = ?1";
const INSERT_NOTICE: &str = "\
    INSERT INTO notices (id, order_id, endpoint_id, url, status, state, attempts, due_at, \
           created_at) \
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)";
const POST: &str = "\
    INSERT INTO ledger (endpoint_id, day, transaction_id, movement, order_id, debit, credit, \
           amount_minor, posted_at) \
    SELECT endpoint_id, day, ?2, ?3, ?4, ?5, ?6, ?7, ?8 FROM gates WHERE endpoint_id = ?1";
const NOTE_ATTEMPT: &str = "\
    UPDATE notices SET state = ?3, due_at = ?4, attempts = ?5 \
    WHERE id = ?1 AND attempts = ?2 AND state = 'sending'";

const INSERT_ATTEMPT: &str = "\
    INSERT INTO callback_attempts (notice_id, number, made_at, took_millis, outcome, address, \
           http_status, cause, answer) \
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)";

/// Writes a batch into the open transaction.
pub(super) fn write(
    session: &Session<'_>,
    batch: &Batch,
    phones: &PhoneBook,
) -> Result<Results, StoreError> {
    let mut results = Results::default();
    for (row, _) in &batch.accepts {
        results.accepts.push(accept(session, row)?);
    }
    for (new, phone) in phones.unknown(batch.saved(&results)) {
        insert_phone(session, new, phone)?;
    }
    for (advance, _) in &batch.advances {
        results.advances.push(save_step(session, advance)?);
    }
    for (note, _) in &batch.notes {
        note_attempt(session, note)?;
    }
    for (claim, _) in &batch.job_claims {
        results.job_claims.push(readable(claimed(session, CLAIM_JOBS, *claim)?, Job::read));
    }
    for (claim, _) in &batch.notice_claims {
        let due = claimed(session, CLAIM_NOTICES, *claim)?;
        results.notice_claims.push(readable(due, DueNotice::read));
    }
    for (statements, _) in &batch.together {
        results.together.push(session.run_in_order(statements)?);
    }
    Ok(results)
}

fn accept(session: &Session<'_>, row: &OrderRow) -> Result<Acceptance, StoreError> {
    let verdict = judge(&row.new, look(session, &row.new)?);
    if verdict == Verdict::Write {
        insert(session, row)?;
    }
    Ok(verdict.acceptance())
}

fn look(session: &Session<'_>, new: &NewOrder) -> Result<Known, StoreError> {
    let (order, nonce) = (&new.change.order, new.nonce.as_ref());
    let values = rusqlite::params![
        order.endpoint.0,
        order.client_orderid,
        order.reader.0,
        nonce.map(|nonce| nonce.bucket),
        nonce.map(|nonce| nonce.digest),
        new.initial_ksn.to_string(),
    ];
    let mut rows = session.query(LOOK, values)?;
    let row = rows.first_mut().ok_or_else(|| crate::store::corrupt("look-up"))?;
    Ok(Known {
        order: row.optional_int()?.map(OrderId),
        last_counter: row.optional_int()?,
        nonce_seen: row.flag()?,
    })
}

fn insert(session: &Session<'_>, row: &OrderRow) -> Result<(), StoreError> {
    let new = &row.new;
    let order = &new.change.order;
    if let Some(nonce) = &new.nonce {
        session.execute(INSERT_NONCE, (nonce.bucket, nonce.digest))?;
    }
    session.execute(RAISE_COUNTER, (order.reader.0, new.counter))?;
    session.execute(
        INSERT_ORDER,
        rusqlite::params![
            order.id.0,
            order.endpoint.0,
            order.client_orderid,
            order.kind.name(),
            order.status.name(),
            order.stage.name(),
            order.amount.minor(),
            order.amount.currency().alpha(),
            order.reader.0,
            order.serial.0,
            new.request_digest,
            row.card,
            row.request,
            row.outcome,
            new.card_sealed,
            order.created_at,
            order.updated_at,
        ],
    )?;
    if let Some(JobRow { step, round, due_at, claims }) = JobRow::of(new) {
        session.execute(INSERT_JOB, (order.id.0, order.id.0, step, round, due_at, claims))?;
    }
    for usage in &new.usages {
        insert_usage(session, order, usage)?;
    }
    insert_notice(session, NoticeRow::of_new(new))
}

fn insert_usage(session: &Session<'_>, order: &Order, usage: &Usage) -> Result<(), StoreError> {
    let subject = &usage.subject;
    let values = (
        order.endpoint.0,
        subject.per.name(),
        &subject.name,
        order.created_at,
        order.id.0,
        usage.amount_minor,
    );
    session.execute(INSERT_USAGE, values).map(drop)
}

fn insert_phone(
    session: &Session<'_>,
    new: &NewOrder,
    phone: &PhoneSeen,
) -> Result<(), StoreError> {
    let seen_at = new.change.order.created_at;
    let phone = (new.merchant.0, &phone.phone_id, &phone.sdk_version, seen_at);
    session.execute(INSERT_PHONE, phone).map(drop)
}

fn save_step(session: &Session<'_>, advance: &Advance) -> Result<bool, StoreError> {
    let (order, job) = (&advance.change.order, advance.job);
    let values = (
        order.id.0,
        order.version,
        order.status.name(),
        order.stage.name(),
        json(&order.outcome)?,
        order.updated_at,
        order.status.is_final(),
        job.id.0,
        job.claims,
    );
    if session.execute(ADVANCE_ORDER, values)? == 0 {
        return Ok(false);
    }
    match advance.change.next {
        Some(planned) => {
            let (step, round) = planned.step.name_and_round();
            session.execute(PLAN_JOB, (job.id.0, step, round, planned.due_at))?
        }
        None => session.execute(END_JOB, [job.id.0])?,
    };
    for posting in &advance.postings {
        post(session, order.endpoint, posting)?;
    }
    insert_notice(session, NoticeRow::of_advance(advance))?;
    Ok(true)
}

fn post(session: &Session<'_>, endpoint: EndpointId, posting: &Posting) -> Result<(), StoreError> {
    let values = (
        endpoint.0,
        posting.transaction,
        posting.movement.name(),
        posting.order.0,
        posting.debit.name(),
        posting.credit.name(),
        posting.amount.minor(),
        posting.posted_at,
    );
    match session.execute(POST, values)? {
        1 => Ok(()),
        _ => Err(StoreError::Broken(format!("endpoint {endpoint} has no gate to post to"))),
    }
}

fn insert_notice(session: &Session<'_>, row: Option<NoticeRow<'_>>) -> Result<(), StoreError> {
    let Some(row) = row else {
        return Ok(());
    };
    let values = (
        row.id,
        row.order_id,
        row.endpoint_id,
        row.url,
        row.status,
        row.state,
        row.attempts,
        row.due_at,
        row.created_at,
    );
    session.execute(INSERT_NOTICE, values).map(drop)
}

fn note_attempt(session: &Session<'_>, note: &NoticeResult) -> Result<(), StoreError> {
    let NoteRow { id, attempts, made, state, due_at } = NoteRow::of(note);
    if session.execute(NOTE_ATTEMPT, (id, attempts, state, due_at, made))? == 0 {
        return Ok(());
    }
    let (Some(facts), Some(outcome)) = (&note.facts, note.attempt.outcome()) else {
        return Ok(());
    };
    let values = (
        id,
        attempts,
        facts.made_at,
        facts.took,
        outcome,
        &facts.address,
        facts.http_status,
        &facts.cause,
        &facts.answer,
    );
    session.execute(INSERT_ATTEMPT, values).map(drop)
}

fn claimed(
    session: &Session<'_>,
    statement: &'static str,
    claim: Claim,
) -> Result<Vec<Row>, StoreError> {
    session.query(statement, (claim.leased_until, claim.now, claim.most))
}
