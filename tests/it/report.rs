//! The transaction report: which lines it has, how they are written, and that it is a stream.

use crate::database::{Engine, engines};
use crate::effort::wanted;
use crate::world::{Answer, Fields, World, scenario, with};
use sqlx::{AssertSqlSafe, Executor};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use tillgate::crypto::oauth::authorize;
use tillgate::crypto::oauth_header::Header;
use tillgate::payment::ids::{EndpointId, MerchantId};
use tillgate::payment::{HOUR, SECOND};

const PATH: &str = "/paynet-ui/services/transaction-report";

/// How many orders the long report has if nobody says otherwise.
const ORDERS: u64 = 20_000;

static NONCES: AtomicU64 = AtomicU64::new(0);

/// The day on which scenarios begin, and what else is asked for.
fn day(more: &[(&str, &str)]) -> Fields {
    let day =
        [("createdFromDate", "2026-11-21 00:00:00"), ("createdToDate", "2026-11-21 23:59:59")];
    let all = day.iter().chain(more);
    all.map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn signature(world: &World, path: &str, query: &Fields) -> String {
    let nonce = format!("report-{}", NONCES.fetch_add(1, Ordering::Relaxed));
    let stamp = (world.clock.now() / SECOND).unsigned_abs();
    let header = Header::unsigned(&world.ready.login, &nonce, stamp);
    authorize(&header, &world.ready.control_key, "GET", &world.url(path), query).unwrap()
}

fn request(world: &World, path: &str, query: &Fields, signature: &str) -> reqwest::RequestBuilder {
    let request = world.http.get(world.url(path)).query(query);
    request.header("Authorization", signature)
}

async fn ask(world: &World, query: &Fields) -> Answer {
    let signature = signature(world, PATH, query);
    Answer::of(request(world, PATH, query, &signature)).await
}

/// The lines of a report, by column.
async fn report(world: &World, query: &Fields) -> Vec<BTreeMap<String, String>> {
    let answer = ask(world, query).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(answer.headers["content-type"], "text/csv; charset=utf-8", "{answer:?}");
    let mut reader = csv::Reader::from_reader(answer.body.as_bytes());
    reader.deserialize().map(Result::unwrap).collect()
}

/// These columns of each line, with blanks between them.
async fn told(world: &World, query: &Fields, columns: &[&str]) -> Vec<String> {
    let line = |line: &BTreeMap<String, String>| {
        columns.iter().map(|column| line[*column].clone()).collect::<Vec<_>>().join(" ")
    };
    report(world, query).await.iter().map(line).collect()
}

async fn names(world: &World, query: &Fields) -> Vec<String> {
    told(world, query, &["client-orderid", "type"]).await
}

async fn change(world: &World, statement: &str) {
    let pool = world.database.look().await;
    pool.execute(AssertSqlSafe(statement.to_owned())).await.unwrap();
    pool.close().await;
}

#[tokio::test]
async fn each_transaction_has_a_line_and_those_of_an_order_stand_together_oldest_first() {
    scenario(async |world| {
        let hold = world.hold("A-2", "10.42").await;
        world.sell("A-1", "1.16").await;
        world.settle().await;
        world.clock.advance(HOUR);
        world.amend("capture", "A-2", &hold, Some("6")).await.order();
        world.pass(SECOND).await;
        let back = world.amend("return", "A-2", &hold, Some("5.5")).await;
        world.sell("A-3", "7").await;
        let columns = ["created", "decided", "client-orderid", "type", "status", "amount"];
        assert_eq!(
            told(world, &day(&[]), &columns).await,
            [
                "2026-11-21 12:00:00 2026-11-21 12:00:00 A-1 sale declined 1.16",
                "2026-11-21 12:00:00 2026-11-21 12:00:00 A-2 preauth approved 10.42",
                "2026-11-21 13:00:00 2026-11-21 13:00:01 A-2 capture approved 6.00",
                "2026-11-21 13:00:01  A-2 reversal processing 5.50",
                "2026-11-21 13:00:01  A-3 sale processing 7.00",
            ]
        );
        let lines = report(world, &day(&[])).await;
        let (declined, reversal) = (&lines[0], &lines[3]);
        assert_eq!(declined["error-code"], "116");
        assert_eq!(declined["error-message"], "Not sufficient funds");
        assert_eq!(declined["order-stage"], "sale_declined");
        for (column, value) in [
            ("endpoint", "1111"),
            ("paynet-order-id", hold.as_str()),
            ("serial-number", &back.get("serial-number")),
            ("order-stage", "reversal_processing"),
            ("currency", "RUB"),
            ("card-type", "VISA"),
            ("bin", "444455"),
            ("last-four-digits", "1111"),
            ("approval-code", ""),
            ("error-code", ""),
            ("reader-serial", world.reader()),
            ("terminal-id", "10000462"),
            ("comment", "changed my mind"),
        ] {
            assert_eq!(reversal[column], value, "{column}");
        }
        assert_eq!(lines[1]["approval-code"].len(), 6);
        assert_eq!(lines[1]["processor-rrn"].len(), 12);
        assert_eq!(lines[1]["comment"], "");
    })
    .await;
}

#[tokio::test]
async fn every_filter_leaves_out_what_was_not_asked_for() {
    scenario(async |world| {
        let sale = world.sell("F-1", "10").await;
        world.sell("F-2", "1.16").await;
        world.sell("F-3", "3.00").await;
        world.hold("F-4", "10").await;
        world.settle().await;
        world.clock.advance(HOUR);
        world.amend("return", "F-1", &sale, None).await.order();
        world.settle().await;
        let waiting = world.sell("F-5", "10").await;
        let euros = euros_sale(world, "F-6").await;
        assert_ne!(waiting, euros);
        for (parameter, value, found) in [
            ("transactionTypes", "preauth", "F-4 preauth"),
            ("transactionTypes", "reversal, preauth", "F-1 reversal, F-4 preauth"),
            ("transactionTypes", "chargeback,fraud", ""),
            ("transactionStatuses", "declined,filtered", "F-2 sale, F-3 sale"),
            ("transactionStatuses", "approved", "F-1 sale, F-1 reversal, F-4 preauth"),
            ("transactionStatuses", "processing", "F-5 sale, F-6 sale"),
            ("endpoints", "1112", "F-6 sale"),
            ("endpoints", "1112,1113,1112", "F-6 sale"),
            ("bankFromDate", "2026-11-21 12:00:01", "F-1 reversal"),
            ("bankFromDate", "2026-11-21 13:00:01", ""),
            ("bankToDate", "2026-11-21 11:59:59", ""),
            ("bankToDate", "2026-11-21 12:00:00", "F-1 sale, F-2 sale, F-3 sale, F-4 preauth"),
            ("transactionTypes", "", ALL),
            ("endpoints", "1112,1111", ALL),
        ] {
            let lines = names(world, &day(&[(parameter, value)])).await;
            assert_eq!(lines.join(", "), found, "{parameter}={value}");
        }
        let both = day(&[("transactionTypes", "sale"), ("transactionStatuses", "approved")]);
        assert_eq!(names(world, &both).await, ["F-1 sale"]);
    })
    .await;
}

const ALL: &str = "F-1 sale, F-1 reversal, F-2 sale, F-3 sale, F-4 preauth, F-5 sale, F-6 sale";

async fn euros_sale(world: &World, name: &str) -> String {
    let data = world.swipe("10", serde_json::json!({ "currency": "EUR" })).await;
    let form = with(&world.sale_form(name, "10").await, "currency", Some("EUR"));
    let form = with(&form, "encrypted-data", Some(&data));
    world.post_signed("/mapi/v1/sale/1112", &form).await.order()
}

#[tokio::test]
async fn both_ends_of_the_time_belong_to_it_to_the_last_part_of_their_second() {
    scenario(async |world| {
        world.sell("E-1", "10").await;
        world.clock.advance(SECOND - 1);
        let sale = world.sell("E-2", "10").await;
        world.settle().await;
        world.clock.advance(1);
        world.amend("return", "E-2", &sale, Some("5")).await.order();
        for (from, to, found) in [
            ("12:00:00", "12:00:00", "E-1 sale, E-2 sale"),
            ("12:00:00", "12:00:01", "E-1 sale, E-2 sale, E-2 reversal"),
            ("12:00:01", "12:00:02", "E-2 reversal"),
            ("11:59:58", "11:59:59", ""),
            ("12:00:02", "12:00:03", ""),
        ] {
            let query = day(&[]);
            let query = with(&query, "createdFromDate", Some(&format!("2026-11-21 {from}")));
            let query = with(&query, "createdToDate", Some(&format!("2026-11-21 {to}")));
            assert_eq!(names(world, &query).await.join(", "), found, "{from} to {to}");
        }
        let month = with(&day(&[]), "createdFromDate", Some("2026-10-22 12:00:00"));
        let month = with(&month, "createdToDate", Some("2026-11-22 12:00:00"));
        assert_eq!(names(world, &month).await.len(), 3, "31 days to the second");
    })
    .await;
}

#[tokio::test]
async fn what_cannot_be_asked_for_is_a_validation_error_that_names_the_parameter() {
    scenario(async |world| {
        let gateway = world.gateway();
        gateway.enrol_merchant(MerchantId(77), "stranger", "KEY").await.unwrap();
        let own = gateway.endpoint(EndpointId(1111)).await.unwrap().unwrap();
        let mut foreign = (*own).clone();
        (foreign.id, foreign.merchant, foreign.group) = (EndpointId(7777), MerchantId(77), None);
        gateway.enrol_endpoint(&foreign).await.unwrap();

        let wrong = |name: &str, why: &str| {
            format!("validation-error 1 Request parameter '{name}' is invalid: {why}")
        };
        let time = "not a time like 2026-11-21 12:00:00";
        for (name, value, refusal) in [
            (
                "createdFromDate",
                "",
                "validation-error 2 Request parameter 'createdFromDate' is missing".to_owned(),
            ),
            (
                "createdToDate",
                "",
                "validation-error 2 Request parameter 'createdToDate' is missing".to_owned(),
            ),
            ("createdFromDate", "2026-11-21", wrong("createdFromDate", time)),
            ("createdToDate", "2026-11-31 00:00:00", wrong("createdToDate", time)),
            (
                "createdFromDate",
                "2026-11-22 00:00:00",
                wrong("createdToDate", "earlier than createdFromDate"),
            ),
            (
                "createdFromDate",
                "2026-10-21 23:59:58",
                wrong("createdToDate", "more than 31 days after createdFromDate"),
            ),
            ("bankFromDate", "yesterday", wrong("bankFromDate", time)),
            ("transactionTypes", "sale,gift", wrong("transactionTypes", "unknown value")),
            (
                "transactionStatuses",
                "approved,,declined",
                wrong("transactionStatuses", "unknown value"),
            ),
            ("endpoints", "1111,x", wrong("endpoints", "unknown value")),
            ("endpoints", "1111,7777", "validation-error 4 End point 7777 not found".to_owned()),
            ("endpoints", "1111,8888", "validation-error 4 End point 8888 not found".to_owned()),
        ] {
            let value = Some(value).filter(|value| !value.is_empty());
            let query = with(&day(&[]), name, value);
            let answer = ask(world, &query).await;
            assert_eq!(answer.status, 200);
            assert_eq!(answer.refusal(), refusal);
        }
        let twice = day(&[("endpoints", "1111"), ("endpoints", "1111")]);
        assert_eq!(ask(world, &twice).await.refusal(), wrong("endpoints", "given more than once"));
        let broken = Answer::of(world.http.get(world.url(&format!("{PATH}?a=%zz")))).await;
        assert_eq!(broken.status, 400);
    })
    .await;
}

#[tokio::test]
async fn nobody_reads_what_belongs_to_another_merchant() {
    scenario(async |world| {
        world.sell("M-1", "10").await;
        let gateway = world.gateway();
        gateway.enrol_merchant(MerchantId(77), "stranger", "KEY").await.unwrap();
        let header =
            Header::unsigned("stranger", "once", (world.clock.now() / SECOND).unsigned_abs());
        let query = day(&[]);
        let signature = authorize(&header, "KEY", "GET", &world.url(PATH), &query).unwrap();
        let answer = Answer::of(request(world, PATH, &query, &signature)).await;
        assert_eq!((answer.status, answer.body.lines().count()), (200, 1), "only its columns");
    })
    .await;
}

#[tokio::test]
async fn the_query_is_what_is_signed_and_no_signature_is_used_twice() {
    scenario(async |world| {
        let query = day(&[("endpoints", "1111")]);
        for path in ["/services/transaction-report", "/paynet/services/transaction-report", PATH] {
            let signature = signature(world, path, &query);
            let first = Answer::of(request(world, path, &query, &signature)).await;
            assert_eq!((first.status, first.headers["content-type"].as_str()), (200, CSV));
            let again = Answer::of(request(world, path, &query, &signature)).await;
            assert_eq!((again.status, again.body.as_str()), (403, ""));
        }
        let other = day(&[("endpoints", "1112")]);
        let foreign = signature(world, PATH, &other);
        assert_eq!(Answer::of(request(world, PATH, &query, &foreign)).await.status, 403);
        assert_eq!(Answer::of(world.http.get(world.url(PATH)).query(&query)).await.status, 403);
        assert_eq!(world.post(PATH, &query).await.status, 405);

        // The same pairs, written with %20 for blanks.
        let signature = signature(world, PATH, &query);
        let by_hand = "createdFromDate=2026-11-21%2000:00:00&createdToDate=2026-11-21%2023%3A59%3A59\
                       &endpoints=1111";
        let url = world.url(&format!("{PATH}?{by_hand}"));
        let written = world.http.get(url).header("Authorization", &signature);
        assert_eq!(Answer::of(written).await.status, 200);

        let used = world.database.count("nonces").await;
        assert_eq!(used, 4, "other instances, and this one after a restart, know them too");
    })
    .await;
}

#[tokio::test]
async fn the_pages_that_explain_it_get_its_query_signed_by_the_sandbox() {
    scenario(async |world| {
        let query = day(&[("transactionTypes", "sale,void")]);
        let url = world.url(PATH);
        let sign = world.http.post(world.url("/sandbox/sign"));
        let sign = sign.query(&[("url", url.as_str()), ("method", "GET")]).form(&query);
        let signed = Answer::of(sign).await;
        let signed: serde_json::Value = serde_json::from_str(&signed.body).unwrap();
        let signature = signed["authorization"].as_str().unwrap();
        assert_eq!(Answer::of(request(world, PATH, &query, signature)).await.status, 200);
    })
    .await;
}

const CSV: &str = "text/csv; charset=utf-8";

#[tokio::test]
async fn values_with_commas_quotes_and_line_breaks_are_read_back_as_they_were() {
    scenario(async |world| {
        world.sell("a,b \"c\" ä", "10").await;
        world.sell("breaks", "10").await;
        // No request brings a line break, but whoever reads the report must not depend on that.
        let renamed =
            "UPDATE orders SET client_orderid = 'z\r\n\"' WHERE client_orderid = 'breaks'";
        change(world, renamed).await;
        let answer = ask(world, &day(&[])).await;
        assert!(answer.body.ends_with("\r\n") && answer.body.contains("\"a,b \"\"c\"\" ä\""));
        assert_eq!(names(world, &day(&[])).await, ["a,b \"c\" ä sale", "z\r\n\" sale"]);
    })
    .await;
}

/// Copies of the first order under names and ids of their own, as if they had been long final.
async fn store_copies(world: &World, orders: u64) {
    let columns = "kind, stage, amount_minor, currency, reader_id, serial, request_digest, card, \
                   request, outcome, created_at, updated_at, version";
    change(
        world,
        &format!(
            "WITH RECURSIVE n (i) AS (\
                 SELECT CAST(1 AS BIGINT) UNION ALL SELECT i + 1 FROM n WHERE i < {orders}) \
             INSERT INTO orders (id, endpoint_id, client_orderid, status, {columns}) \
             SELECT 1000000 + n.i, endpoint_id, 'copy-' || ((n.i * 7919) % 4294967296), \
                    'approved', {columns} \
             FROM n, (SELECT * FROM orders ORDER BY id LIMIT 1) AS o"
        ),
    )
    .await;
}

#[tokio::test]
async fn a_report_that_cannot_be_finished_breaks_off_and_never_looks_complete() {
    scenario(async |world| {
        world.sell("B-1", "10").await;
        world.settle().await;
        store_copies(world, 2_000).await;
        change(
            world,
            "UPDATE orders SET kind = 'broken' WHERE id = \
                       (SELECT id FROM orders ORDER BY client_orderid DESC LIMIT 1)",
        )
        .await;
        let query = day(&[]);
        let signature = signature(world, PATH, &query);
        let mut answer = request(world, PATH, &query, &signature).send().await.unwrap();
        assert_eq!(answer.status(), 200);
        let mut lines = 0;
        let end = loop {
            match answer.chunk().await {
                Ok(Some(chunk)) => lines += lines_in(&chunk),
                end => break end,
            }
        };
        assert!(end.is_err(), "it ended as if it were whole");
        assert!(lines > 500, "what could be read was sent: {lines}");
        change(world, "UPDATE orders SET kind = 'sale'").await;
        assert_eq!(report(world, &query).await.len(), 2_001);
    })
    .await;
}

/// `REPORT_ORDERS=1000000 cargo test --test it a_long_report -- --nocapture` reads that many, and
/// prints what memory it took, the client's included.
#[tokio::test]
async fn a_long_report_arrives_piece_by_piece_and_takes_no_more_memory_than_a_short_one() {
    let orders = wanted("REPORT_ORDERS").unwrap_or(ORDERS);
    for engine in engines() {
        let world = World::start(engine).await;
        world.sell("L-1", "10").await;
        world.settle().await;
        store_copies(&world, orders).await;
        read_long(&world, engine, orders).await;
        if orders == ORDERS {
            world.end().await;
        } else {
            world.database.remove().await;
        }
    }
}

#[expect(clippy::print_stdout, reason = "shown with --nocapture")]
async fn read_long(world: &World, engine: Engine, orders: u64) {
    let query = day(&[]);
    let signature = signature(world, PATH, &query);
    let started = std::time::Instant::now();
    let mut answer = request(world, PATH, &query, &signature).send().await.unwrap();
    assert_eq!(answer.headers()["transfer-encoding"], "chunked");
    let (mut lines, mut chunks, mut bytes) = (0, 0, 0);
    let (mut before, mut most) = (0, 0);
    while let Some(chunk) = answer.chunk().await.unwrap() {
        lines += lines_in(&chunk) as u64;
        bytes += chunk.len();
        chunks += 1;
        if chunks % 64 == 1 {
            let now = resident();
            // Buffers and caches have their size after the first pages.
            before = if lines < 5_000 { now } else { before };
            most = most.max(now);
        }
    }
    println!(
        "{engine:?}: {lines} lines, {bytes} bytes in {chunks} chunks, {} ms; \
         resident {before} kB after the first pages, {most} kB at most, {} kB at the end",
        started.elapsed().as_millis(),
        resident()
    );
    assert_eq!(lines, orders + 2, "the columns, the first order, and its copies");
    assert!(chunks > 1);
}

fn lines_in(chunk: &[u8]) -> usize {
    chunk.split(|byte| *byte == b'\n').count() - 1
}

/// The resident memory of this process, in kB.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or_default()
}
