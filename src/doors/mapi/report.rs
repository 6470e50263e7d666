//! `transaction-report`: what is asked for, and the lines of the answer (MAPI 13).

use super::{Mapi, fail, turn_away};
use crate::doors::csv::push_record;
use crate::doors::form::{Form, answer_malformed};
use crate::doors::oauth::{SignedBy, authenticate_merchant};
use crate::gateway::{Failure, Line, Report, ReportIntent, Wanted};
use crate::payment::ids::EndpointId;
use crate::payment::order::Status;
use crate::payment::refusal::Refusal;
use crate::payment::{DAY, Millis, SECOND};
use actix_web::web::{self, Bytes};
use actix_web::{HttpRequest, HttpResponse};
use chrono::{DateTime, NaiveDateTime};
use futures_util::stream::{self, Stream};
use std::ops::Range;
use utoipa::IntoParams;

/// How long a time a report may be about.
const SPAN_MAX: Millis = 31 * DAY;
/// How times are written, in the question and in the answer.
const TIME: &str = "%Y-%m-%d %H:%M:%S";

/// The types that may be asked for (MAPI 9.2). Of some there never is a transaction here.
const KINDS: [&str; 11] = [
    "sale",
    "reversal",
    "preauth",
    "capture",
    "cancel",
    "void",
    "fraud",
    "chargeback",
    "retrieval",
    "dispute",
    "refund",
];

/// The first line of the answer.
const COLUMNS: [&str; 21] = [
    "created",
    "decided",
    "endpoint",
    "paynet-order-id",
    "client-orderid",
    "serial-number",
    "type",
    "status",
    "order-stage",
    "amount",
    "currency",
    "card-type",
    "bin",
    "last-four-digits",
    "approval-code",
    "processor-rrn",
    "error-code",
    "error-message",
    "reader-serial",
    "terminal-id",
    "comment",
];

/// The parameters of a report. Times are UTC, to the second, both ends included.
#[derive(IntoParams)]
#[into_params(parameter_in = Query, rename_all = "camelCase")]
pub struct ReportParams {
    /// Made at this time or later.
    #[param(example = "2026-11-01 00:00:00")]
    created_from_date: String,
    /// Made at this time or earlier; 31 days later at most.
    #[param(example = "2026-11-30 23:59:59")]
    created_to_date: String,
    /// Decided at this time or later.
    bank_from_date: Option<String>,
    /// Decided at this time or earlier.
    bank_to_date: Option<String>,
    /// With commas: `sale`, `preauth`, `capture`, `cancel`, `reversal`, `void` and others; all if
    /// left out.
    transaction_types: Option<String>,
    /// With commas: `approved`, `declined`, `filtered` and others; all if left out.
    transaction_statuses: Option<String>,
    /// Numbers with commas; all of the merchant's if left out.
    endpoints: Option<String>,
}

impl ReportParams {
    fn read(form: &Form) -> Result<Self, Refusal> {
        form.check_all()?;
        let optional = |name| form.get(name).map(str::to_owned);
        let required = |name| form.require(name).map(str::to_owned);
        Ok(Self {
            created_from_date: required("createdFromDate")?,
            created_to_date: required("createdToDate")?,
            bank_from_date: optional("bankFromDate"),
            bank_to_date: optional("bankToDate"),
            transaction_types: optional("transactionTypes"),
            transaction_statuses: optional("transactionStatuses"),
            endpoints: optional("endpoints"),
        })
    }

    fn into_intent(self, signed: SignedBy) -> Result<ReportIntent, Refusal> {
        let from = Some(self.created_from_date);
        let created =
            range(("createdFromDate", from), "createdToDate", Some(self.created_to_date))?;
        // The last second is whole: a range of 31 days may end in the second that it began in.
        if created.end - created.start > SPAN_MAX + SECOND {
            return Err(Refusal::invalid(
                "createdToDate",
                "more than 31 days after createdFromDate",
            ));
        }
        let decided = match (self.bank_from_date, self.bank_to_date) {
            (None, None) => None,
            (from, to) => Some(range(("bankFromDate", from), "bankToDate", to)?),
        };
        let kind = |word: &str| KINDS.into_iter().find(|kind| *kind == word);
        let endpoint = |word: &str| word.parse().ok().map(EndpointId);
        Ok(ReportIntent {
            merchant: signed.merchant,
            wanted: Wanted {
                created,
                decided,
                kinds: list("transactionTypes", self.transaction_types.as_deref(), kind)?,
                statuses: list(
                    "transactionStatuses",
                    self.transaction_statuses.as_deref(),
                    Status::from_name,
                )?,
            },
            endpoints: list("endpoints", self.endpoints.as_deref(), endpoint)?,
            nonce_digest: signed.nonce_digest,
            signed_at: signed.stamped_at,
        })
    }
}

/// From the first second to the end of the last.
fn range(
    (from_name, from): (&str, Option<String>),
    to_name: &str,
    to: Option<String>,
) -> Result<Range<Millis>, Refusal> {
    let time =
        |name: &str, text: Option<String>| text.map(|text| read_time(name, &text)).transpose();
    let start = time(from_name, from)?.unwrap_or(Millis::MIN);
    let last = time(to_name, to)?;
    if last.is_some_and(|last| last < start) {
        return Err(Refusal::invalid(to_name, format!("earlier than {from_name}")));
    }
    Ok(start..last.map_or(Millis::MAX, |last| last + SECOND))
}

fn read_time(name: &str, text: &str) -> Result<Millis, Refusal> {
    let at = NaiveDateTime::parse_from_str(text, TIME).ok().map(|at| at.and_utc().timestamp());
    let at = at.and_then(|seconds| seconds.checked_mul(SECOND));
    // What is not written in full, or is no second of the clock, would be written otherwise.
    let at = at.filter(|at| write_time(*at) == text);
    at.ok_or_else(|| Refusal::invalid(name, "not a time like 2026-11-21 12:00:00"))
}

fn write_time(at: Millis) -> String {
    DateTime::from_timestamp_millis(at).unwrap_or_default().format(TIME).to_string()
}

/// The words between the commas; `None` if the parameter was left out.
fn list<T>(
    name: &str,
    text: Option<&str>,
    read: impl Fn(&str) -> Option<T>,
) -> Result<Option<Vec<T>>, Refusal> {
    let word =
        |word: &str| read(word.trim()).ok_or_else(|| Refusal::invalid(name, "unknown value"));
    text.map(|text| text.split(',').map(word).collect()).transpose()
}

/// List transactions as CSV (RFC 4180): those that opened orders, and all later ones.
///
/// Lines come by end point, then by your name for the order, then by age. An answer that breaks
/// off is not complete; ask again.
#[utoipa::path(get, path = "/paynet-ui/services/transaction-report", tag = "mPOS API",
    params(ReportParams),
    security(("oauth1" = [])),
    responses(
        (status = 200, description = "The report; or, as `text/html`, `validation-error`",
         content_type = "text/csv", body = String),
        (status = 400, description = "Malformed request"),
        (status = 403, description = "The signature does not hold"),
        (status = 503, description = "Ask again, signed anew")))]
pub(crate) async fn transaction_report(
    mapi: web::Data<Mapi>,
    request: HttpRequest,
) -> HttpResponse {
    let form = match Form::of_query(request.query_string()) {
        Ok(form) => form,
        Err(malformed) => return answer_malformed(malformed),
    };
    let signed = match authenticate_merchant(mapi.claim(&request, &form)).await {
        Ok(signed) => signed,
        Err(unsigned) => return turn_away(&unsigned, &request),
    };
    let begun = async {
        let intent = ReportParams::read(&form)?.into_intent(signed)?;
        let mut report = mapi.gateway.report(intent).await?;
        // Before anything is answered, so that a database that is away is a 503.
        let mut first = Vec::new();
        push_record(&mut first, COLUMNS);
        let more = report.read_page(|line| push_line(&mut first, line)).await?;
        Ok((first, more.then_some(report)))
    };
    match begun.await {
        Ok((first, report)) => HttpResponse::Ok()
            .content_type("text/csv; charset=utf-8")
            .streaming(chunks(first, report)),
        Err(failure) => fail(&mapi, &failure, None, &request),
    }
}

/// The first lines, then page after page, each read when the client has taken the one before. After
/// an error nothing follows, not even the mark at the end: the answer breaks off.
fn chunks(
    first: Vec<u8>,
    report: Option<Report>,
) -> impl Stream<Item = Result<Bytes, Failure>> + 'static {
    stream::try_unfold((first, report), |(mut lines, mut report)| async move {
        while lines.is_empty() {
            let Some(unfinished) = &mut report else {
                return Ok(None);
            };
            match unfinished.read_page(|line| push_line(&mut lines, line)).await {
                Ok(true) => {}
                Ok(false) => report = None,
                Err(failure) => {
                    tracing::error!(%failure, "a report breaks off");
                    return Err(failure);
                }
            }
        }
        Ok(Some((Bytes::from(lines), (Vec::new(), report))))
    })
}

/// One line, in the order of [`COLUMNS`].
fn push_line(lines: &mut Vec<u8>, line: &Line<'_>) {
    let Line { order, reader, transaction } = line;
    let outcome = transaction.outcome;
    // What an unfinished transaction may still end with is not told.
    let error = outcome.error.as_ref().filter(|_| transaction.status.is_final());
    push_record(
        lines,
        [
            write_time(transaction.created_at).as_str(),
            &transaction.decided_at.map(write_time).unwrap_or_default(),
            &order.endpoint.to_string(),
            &order.id.to_string(),
            &order.client_orderid,
            &transaction.serial.to_string(),
            transaction.kind,
            transaction.status.name(),
            &transaction.stage,
            &transaction.amount.to_string(),
            order.amount.currency().alpha(),
            order.card.brand.name(),
            &order.card.bin,
            &order.card.last_four,
            outcome.approval_code.as_deref().unwrap_or_default(),
            outcome.rrn.as_deref().unwrap_or_default(),
            &error.map(|error| error.code.to_string()).unwrap_or_default(),
            error.map(|error| error.message.as_str()).unwrap_or_default(),
            reader.unwrap_or_default(),
            &order.request.terminal_id,
            transaction.comment.unwrap_or_default(),
        ],
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_written_in_full_and_is_a_second_of_the_clock() {
        assert_eq!(read_time("t", "1970-01-02 00:00:01"), Ok(86_401_000));
        for wrong in [
            "1970-01-02",
            "1970-1-2 0:0:1",
            "1970-01-02T00:00:01",
            "1970-02-30 00:00:00",
            "1970-01-02 24:00:00",
            "1970-01-02 23:59:60",
            "+1970-01-02 00:00:01",
            "1970-01-02 00:00:01.5",
            "1970-01-02 00:00:01 UTC",
            "",
        ] {
            assert!(read_time("t", wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_range_has_all_of_its_last_second() {
        let text = |text: &str| Some(text.to_owned());
        let day = "1970-01-01 00:00:0";
        let read = |from, to| range(("from", from), "to", to);
        assert_eq!(read(text(&format!("{day}1")), text(&format!("{day}1"))), Ok(1_000..2_000));
        assert_eq!(read(None, text(&format!("{day}1"))), Ok(Millis::MIN..2_000));
        assert_eq!(read(text(&format!("{day}1")), None), Ok(1_000..Millis::MAX));
        let turned = read(text(&format!("{day}2")), text(&format!("{day}1")));
        assert_eq!(turned, Err(Refusal::invalid("to", "earlier than from")));
    }

    #[test]
    fn a_list_has_words_between_its_commas() {
        let read = |text| list("l", text, |word: &str| word.parse::<i64>().ok());
        assert_eq!(read(None), Ok(None));
        assert_eq!(read(Some("1, 2")), Ok(Some(vec![1, 2])));
        for wrong in ["1,", ",", "x", "1;2"] {
            assert!(read(Some(wrong)).is_err(), "{wrong}");
        }
    }
}
