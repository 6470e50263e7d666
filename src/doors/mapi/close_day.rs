//! `close-day`: the end of a gate's business day (MAPI 6).

use super::reply::Reply;
use super::{Mapi, fail, signed_by};
use crate::doors::form::{Form, read_form};
use crate::gateway::{CloseIntent, Closing, Failure};
use crate::payment::day::{Claimed, State};
use crate::payment::ids::{EndpointId, SerialNumber};
use crate::payment::merchant::Endpoint;
use crate::payment::money::Currency;
use crate::payment::refusal::Refusal;
use actix_web::web::{self, Path, Payload};
use actix_web::{HttpRequest, HttpResponse};
use utoipa::ToSchema;
use validator::Validate;

/// The fields of a request to close the day.
#[derive(Validate, ToSchema)]
pub struct CloseDayForm {
    /// The caller's name for this close, letters and digits; the same one again asks how it stands.
    #[validate(length(min = 8, max = 32, message = "not 8 to 32 characters"))]
    #[schema(example = "auto")]
    day_close_request_id: String,
    /// How many sales and captures the caller counted.
    #[validate(length(max = 18, message = "longer than 18 characters"))]
    #[schema(example = "")]
    sale_approved_count: Option<String>,
    /// Their sum, in highest units.
    #[validate(length(max = 18, message = "longer than 18 characters"))]
    #[schema(example = "")]
    sale_approved_sum: Option<String>,
    /// How many reversals, voids and refunds the caller counted.
    #[validate(length(max = 18, message = "longer than 18 characters"))]
    #[schema(example = "")]
    reversal_approved_count: Option<String>,
    /// Their sum, in highest units.
    #[validate(length(max = 18, message = "longer than 18 characters"))]
    #[schema(example = "")]
    reversal_approved_sum: Option<String>,
}

impl CloseDayForm {
    fn read(form: &Form) -> Result<Self, Refusal> {
        form.check_all()?;
        let optional = |name| form.get(name).map(str::to_owned);
        let read = Self {
            day_close_request_id: form.require("day_close_request_id")?.to_owned(),
            sale_approved_count: optional("sale_approved_count"),
            sale_approved_sum: optional("sale_approved_sum"),
            reversal_approved_count: optional("reversal_approved_count"),
            reversal_approved_sum: optional("reversal_approved_sum"),
        };
        read.validate().map_err(|errors| super::sale::first_error(form, &errors))?;
        let plain = read.day_close_request_id.bytes().all(|byte| byte.is_ascii_alphanumeric());
        match plain {
            true => Ok(read),
            false => Err(Refusal::invalid("day_close_request_id", "not letters and digits")),
        }
    }

    fn claimed(&self, currency: Currency) -> Result<Claimed, Refusal> {
        Ok(Claimed {
            sale_count: count("sale_approved_count", self.sale_approved_count.as_deref())?,
            sale_minor: sum("sale_approved_sum", self.sale_approved_sum.as_deref(), currency)?,
            reversal_count: count(
                "reversal_approved_count",
                self.reversal_approved_count.as_deref(),
            )?,
            reversal_minor: sum(
                "reversal_approved_sum",
                self.reversal_approved_sum.as_deref(),
                currency,
            )?,
        })
    }
}

fn count(name: &str, text: Option<&str>) -> Result<Option<i64>, Refusal> {
    let Some(text) = text else { return Ok(None) };
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    let count = text.parse().ok().filter(|_| digits);
    count.map(Some).ok_or_else(|| Refusal::invalid(name, "not a number"))
}

fn sum(name: &str, text: Option<&str>, currency: Currency) -> Result<Option<i64>, Refusal> {
    let Some(text) = text else { return Ok(None) };
    let minor = currency.minor_of(text);
    minor.map(Some).map_err(|error| Refusal::invalid(name, error.to_string()))
}

/// Close the business day of a gate, or ask how a close stands.
///
/// The answer has the names that the documents give: `status` (`processing`, `finished`, `error`),
/// `gateId`, `isDayClosing`, `gateCloseDate`, `epntId`, `saleApprovedCount`, `saleAmount`,
/// `reversalApprovedCount`, `reversalAmount`, `code39`, `RRN`, `theRequestSerialNumber`.
#[utoipa::path(post, path = "/api/v2/close-day/{endpoint}", tag = "mPOS API",
    params(("endpoint" = i64, Path, description = "End point id", example = 1111)),
    request_body(content = CloseDayForm, content_type = "application/x-www-form-urlencoded"),
    security(("oauth1" = [])),
    responses(
        (status = 200, description = "`close-day-response`, `validation-error` or `error`",
         content_type = "text/html", body = String),
        (status = 400, description = "Malformed request"),
        (status = 403, description = "The signature does not hold"),
        (status = 503, description = "Try the same again, signed anew")))]
pub(crate) async fn close_day(
    mapi: web::Data<Mapi>,
    request: HttpRequest,
    path: Path<i64>,
    payload: Payload,
) -> HttpResponse {
    let form = match read_form(&request, payload).await {
        Ok(form) => form,
        Err(answer) => return answer,
    };
    let signed = match signed_by(&mapi, &request, &form, EndpointId(*path)).await {
        Ok(signed) => signed,
        Err(answer) => return answer,
    };
    let endpoint = signed.endpoint.clone();
    let result: Result<Closing, Failure> = async {
        let read = CloseDayForm::read(&form)?;
        mapi.gateway.use_nonce(signed.stamped_at, signed.nonce_digest).await?;
        let claimed = read.claimed(endpoint.currency)?;
        let request_id = read.day_close_request_id;
        let intent =
            CloseIntent { merchant: signed.merchant, endpoint: endpoint.id, request_id, claimed };
        mapi.gateway.close_day(&intent).await
    }
    .await;
    match result {
        Ok(closing) => describe(&closing, &endpoint, mapi.gateway.roll_serial()).answer(&request),
        Err(failure) => fail(&mapi, &failure, None, &request),
    }
}

fn describe(closing: &Closing, endpoint: &Endpoint, serial: SerialNumber) -> Reply {
    let close = &closing.close;
    let amount = |minor| endpoint.currency.decimal(minor);
    let totals = close.totals.as_ref();
    // What was given up is over, too; that its gate is still shut stands beside it.
    let status = match close.state {
        State::Waiting | State::Settling => "processing",
        State::Finished | State::Blocked => "finished",
        State::Released => "error",
    };
    Reply::of_type("close-day-response", serial)
        .with("status", status)
        .with("gateId", close.endpoint.to_string())
        .with("isDayClosing", closing.is_shut.to_string())
        .with("gateCloseDate", &close.close_date)
        .with("epntId", close.endpoint.to_string())
        .with_some("saleApprovedCount", totals.map(|totals| totals.sale_count.to_string()))
        .with_some("saleAmount", totals.map(|totals| amount(totals.sale_minor)))
        .with_some("reversalApprovedCount", totals.map(|totals| totals.reversal_count.to_string()))
        .with_some("reversalAmount", totals.map(|totals| amount(totals.reversal_minor)))
        .with_some("code39", close.response_code.as_deref())
        .with("RRN", format!("{:012}", close.id.0))
        .with("theRequestSerialNumber", close.serial.to_string())
}
