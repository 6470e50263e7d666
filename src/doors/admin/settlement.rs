//! The settlement file of a closed day: CSV (RFC 4180) or JSON, written while it is read, so that a
//! day of a million sales needs no more memory than one of ten.

use super::{Admin, failed, problem};
use crate::doors::csv::push_record;
use crate::gateway::{Failure, Gateway, SettledDay, SettlementLine};
use crate::payment::ids::DayCloseId;
use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::web::{self, Bytes, Path};
use chrono::DateTime;
use futures_util::stream::{self, Stream};
use serde::Serialize;
use std::sync::Arc;

/// One line of the file; the names are the columns.
#[derive(Serialize)]
struct FileLine {
    batch: String,
    date: String,
    endpoint: String,
    transaction: String,
    order: String,
    client_orderid: String,
    movement: &'static str,
    reference: String,
    amount: String,
    currency: &'static str,
    posted_at: String,
}

const COLUMNS: [&str; 11] = [
    "batch",
    "date",
    "endpoint",
    "transaction",
    "order",
    "client_orderid",
    "movement",
    "reference",
    "amount",
    "currency",
    "posted_at",
];

impl FileLine {
    fn of(day: &SettledDay, line: &SettlementLine) -> Self {
        let currency = day.endpoint.currency;
        let posted_at = DateTime::from_timestamp_millis(line.posted_at).unwrap_or_default();
        Self {
            batch: format!("{:012}", day.close.id.0),
            date: day.close.close_date.clone(),
            endpoint: day.close.endpoint.to_string(),
            transaction: line.transaction.to_string(),
            order: line.order.to_string(),
            client_orderid: line.client_orderid.clone(),
            movement: line.movement.name(),
            reference: line.reference.clone().unwrap_or_default(),
            amount: currency.decimal(line.minor),
            currency: currency.alpha(),
            posted_at: posted_at.format("%Y-%m-%dT%H:%M:%SZ").to_string(),
        }
    }
}

impl FileLine {
    /// In the order of the columns.
    fn fields(&self) -> [&str; COLUMNS.len()] {
        [
            &self.batch,
            &self.date,
            &self.endpoint,
            &self.transaction,
            &self.order,
            &self.client_orderid,
            self.movement,
            &self.reference,
            &self.amount,
            self.currency,
            &self.posted_at,
        ]
    }
}

/// How a file is written.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Format {
    Csv,
    Json,
}

impl Format {
    fn head(self, out: &mut Vec<u8>) {
        match self {
            Self::Csv => push_record(out, COLUMNS),
            Self::Json => out.push(b'['),
        }
    }

    fn line(self, line: &FileLine, first: bool, out: &mut Vec<u8>) -> serde_json::Result<()> {
        match self {
            Self::Csv => push_record(out, line.fields()),
            Self::Json => {
                out.extend(if first { &b"\n"[..] } else { b",\n" });
                serde_json::to_writer(out, line)?;
            }
        }
        Ok(())
    }

    fn foot(self) -> &'static [u8] {
        match self {
            Self::Csv => b"",
            Self::Json => b"\n]\n",
        }
    }
}

/// What a closed day moved, as CSV.
#[utoipa::path(get, path = "/admin/settlements/{batch}.csv", tag = "Operators",
    params(("batch" = i64, Path, description = "Batch number: `RRN` of close-day", example = 1004)),
    security(("operator" = [])),
    responses((status = 200, description = "One line for each movement, fees among them",
               content_type = "text/csv", body = String),
              (status = 401, description = "Not the operators' token"),
              (status = 404, description = "No day was closed and counted with this number")))]
pub(crate) async fn settlement_csv(admin: web::Data<Admin>, path: Path<i64>) -> HttpResponse {
    file(&admin, DayCloseId(*path), Format::Csv).await
}

/// What a closed day moved, as JSON.
#[utoipa::path(get, path = "/admin/settlements/{batch}.json", tag = "Operators",
    params(("batch" = i64, Path, description = "Batch number: `RRN` of close-day", example = 1004)),
    security(("operator" = [])),
    responses((status = 200, description = "One object for each movement, fees among them",
               content_type = "application/json", body = String),
              (status = 401, description = "Not the operators' token"),
              (status = 404, description = "No day was closed and counted with this number")))]
pub(crate) async fn settlement_json(admin: web::Data<Admin>, path: Path<i64>) -> HttpResponse {
    file(&admin, DayCloseId(*path), Format::Json).await
}

async fn file(admin: &Admin, batch: DayCloseId, format: Format) -> HttpResponse {
    let content_type = match format {
        Format::Csv => "text/csv; charset=utf-8",
        Format::Json => "application/json",
    };
    match admin.gateway.settled_day(batch).await {
        Ok(Some(day)) => {
            let writing = Writing {
                gateway: Arc::clone(&admin.gateway),
                day,
                format,
                last: None,
                at: Place::Head,
            };
            HttpResponse::Ok().content_type(content_type).streaming(writing.stream())
        }
        Ok(None) => {
            let told = format!("no day was closed and counted with the number {batch}");
            problem(StatusCode::NOT_FOUND, told)
        }
        Err(failure) => failed(&failure),
    }
}

/// A file that is being written.
struct Writing {
    gateway: Arc<Gateway>,
    day: SettledDay,
    format: Format,
    last: Option<SettlementLine>,
    at: Place,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Head,
    Lines,
    End,
}

impl Writing {
    /// The file in pieces. One that cannot be read to its end breaks off, and so never looks whole.
    fn stream(self) -> impl Stream<Item = Result<Bytes, actix_web::Error>> {
        stream::try_unfold(self, |mut writing| async move {
            match writing.at {
                Place::End => Ok(None),
                Place::Head | Place::Lines => {
                    let piece = writing.piece().await.map_err(|error| {
                        tracing::error!(%error, "a settlement file breaks off");
                        actix_web::error::ErrorInternalServerError("broken off")
                    })?;
                    Ok(Some((piece, writing)))
                }
            }
        })
    }

    async fn piece(&mut self) -> anyhow::Result<Bytes> {
        let mut piece = Vec::new();
        if self.at == Place::Head {
            self.format.head(&mut piece);
            self.at = Place::Lines;
        }
        let page = self.gateway.settlement_page(&self.day, self.last.as_ref()).await;
        let page = page.map_err(|failure: Failure| anyhow::anyhow!(failure.to_string()))?;
        for (place, line) in page.iter().enumerate() {
            let first = self.last.is_none() && place == 0;
            self.format.line(&FileLine::of(&self.day, line), first, &mut piece)?;
        }
        if let Some(last) = page.into_iter().next_back() {
            self.last = Some(last);
        } else {
            piece.extend(self.format.foot());
            self.at = Place::End;
        }
        Ok(piece.into())
    }
}
