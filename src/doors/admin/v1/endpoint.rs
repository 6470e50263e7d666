//! Endpoints: everything that merchant and acquirer have agreed about them.

use super::{Admin, Answer, Data, PageQuery, Problem, page_of, read};
use crate::doors::limits::LimitsBody;
use crate::payment::day::BusinessDay;
use crate::payment::ids::{EndpointId, GroupId, MerchantId};
use crate::payment::merchant::{Endpoint, Fee, Terms};
use crate::payment::money::Currency;
use actix_web::web::{Bytes, Path};
use actix_web::{HttpRequest, HttpResponse};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

/// What no change of an end point changes.
const FIXED: [&str; 3] = ["id", "merchant", "currency"];

/// An end point.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[expect(clippy::struct_excessive_bools, reason = "each is a term of its own, by its own name")]
pub struct EndpointBody {
    /// A new one takes the next free one, if it is left out.
    pub id: Option<i64>,
    /// The merchant's login.
    #[schema(example = "coffee-shop")]
    pub merchant: String,
    pub group: Option<i64>,
    /// Alpha-3 code.
    #[schema(example = "EUR")]
    pub currency: String,
    #[serde(default = "yes")]
    pub enabled: bool,
    /// Whether the tables of the API apply in full, formats included.
    #[serde(default)]
    pub strict_validation: bool,
    /// Whether the sandbox plays the acquirer here.
    #[serde(default)]
    pub sandbox: bool,
    /// Where callbacks go when an order names no address of its own.
    pub callback_url: Option<String>,
    #[serde(default = "one")]
    pub amount_least_minor: i64,
    #[schema(example = 1_000_000)]
    pub amount_most_minor: i64,
    /// The acquirer's name for the terminal: 1 to 16 characters.
    #[schema(example = "10000462")]
    pub terminal_id: String,
    /// What the card holder's statement shows: up to 40 characters.
    #[serde(default)]
    pub descriptor: String,
    #[serde(default)]
    pub partial_capture: bool,
    #[serde(default)]
    pub partial_reversal: bool,
    #[serde(default)]
    pub multi_capture: bool,
    /// How long a preauthorisation holds: 1 to 31 days.
    #[serde(default = "week")]
    pub hold_days: u32,
    /// Hundredths of a percent.
    #[serde(default)]
    pub fee_basis_points: u32,
    #[serde(default)]
    pub fee_fixed_minor: u32,
    /// Where the day is counted.
    #[serde(default = "utc")]
    #[schema(example = "Europe/Berlin")]
    pub time_zone: String,
    /// When the day is closed by itself.
    #[schema(example = "23:30")]
    pub close_at: Option<String>,
    #[serde(default)]
    pub limits: LimitsBody,
}

/// Where callbacks go.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CallbackRequest {
    /// None takes the address away.
    #[schema(example = "https://shop.example/callback")]
    pub callback_url: Option<String>,
}

fn yes() -> bool {
    true
}

fn one() -> i64 {
    1
}

fn week() -> u32 {
    Terms::default().hold_days
}

fn utc() -> String {
    "UTC".to_owned()
}

impl EndpointBody {
    fn of(endpoint: &Endpoint, merchant: String) -> Self {
        let Endpoint { terms, amount_limits_minor, .. } = endpoint.clone();
        let close_at = |minutes: u32| format!("{:02}:{:02}", minutes / 60, minutes % 60);
        Self {
            id: Some(endpoint.id.0),
            merchant,
            group: endpoint.group.map(|group| group.0),
            currency: endpoint.currency.alpha().to_owned(),
            enabled: endpoint.enabled,
            strict_validation: endpoint.strict_validation,
            sandbox: endpoint.sandbox,
            callback_url: endpoint.callback_url.clone(),
            amount_least_minor: amount_limits_minor.0,
            amount_most_minor: amount_limits_minor.1,
            terminal_id: endpoint.terminal_id.clone(),
            descriptor: endpoint.descriptor.clone(),
            partial_capture: terms.partial_capture,
            partial_reversal: terms.partial_reversal,
            multi_capture: terms.multi_capture,
            hold_days: terms.hold_days,
            fee_basis_points: terms.fee.basis_points,
            fee_fixed_minor: terms.fee.fixed_minor,
            time_zone: terms.day.time_zone.name().to_owned(),
            close_at: terms.day.close_at.map(close_at),
            limits: LimitsBody::of(&endpoint.limits),
        }
    }

    fn into_endpoint(self, merchant: MerchantId) -> Result<Endpoint, Problem> {
        let currency = Currency::from_alpha(&self.currency);
        let time_zone = self.time_zone.parse();
        let bad_zone = |_| Problem::bad("time_zone: must be a name like Europe/Berlin");
        let limits = self.limits.into_limits();
        Ok(Endpoint {
            id: EndpointId(self.id.unwrap_or_default()),
            merchant,
            group: self.group.map(GroupId),
            currency: currency.ok_or_else(|| Problem::bad("currency: not a code like EUR"))?,
            enabled: self.enabled,
            strict_validation: self.strict_validation,
            sandbox: self.sandbox,
            callback_url: self.callback_url,
            amount_limits_minor: (self.amount_least_minor, self.amount_most_minor),
            terminal_id: self.terminal_id,
            descriptor: self.descriptor,
            terms: Terms {
                partial_capture: self.partial_capture,
                partial_reversal: self.partial_reversal,
                multi_capture: self.multi_capture,
                hold_days: self.hold_days,
                fee: Fee { basis_points: self.fee_basis_points, fixed_minor: self.fee_fixed_minor },
                day: BusinessDay {
                    time_zone: time_zone.map_err(bad_zone)?,
                    close_at: self.close_at.as_deref().map(minutes).transpose()?,
                },
            },
            limits: limits.map_err(|why| Problem::bad(format!("limits.{why}")))?,
        })
    }
}

/// Minutes after midnight of a time like `23:30`.
fn minutes(text: &str) -> Result<u32, Problem> {
    let number = |part: &str, below: u32| {
        let two = part.len() == 2 && part.bytes().all(|b| b.is_ascii_digit());
        part.parse().ok().filter(|number: &u32| two && *number < below)
    };
    let parts = text.split_once(':');
    let read = parts.and_then(|(hour, minute)| Some(number(hour, 24)? * 60 + number(minute, 60)?));
    read.ok_or_else(|| Problem::bad("close_at: must be a time like 23:30"))
}

/// List the end points.
#[utoipa::path(get, path = "/admin/v1/endpoints", tag = "Operators",
    params(PageQuery), security(("operator" = [])),
    responses((status = 200, description = "A page of end points", body = Vec<EndpointBody>),
              (status = 400, description = "The query is wrong"),
              (status = 401, description = "Not an operator's token")))]
pub(crate) async fn endpoints(admin: Data<Admin>, request: HttpRequest) -> Answer {
    let page = page_of(&request)?;
    let mut told = Vec::new();
    for endpoint in admin.gateway.endpoints_after(EndpointId(page.after), page.limit).await? {
        told.push(body_of(&admin, &endpoint).await?);
    }
    Ok(HttpResponse::Ok().json(told))
}

/// See an end point.
#[utoipa::path(get, path = "/admin/v1/endpoints/{endpoint}", tag = "Operators",
    params(("endpoint" = i64, Path, description = "End point id", example = 1111)),
    security(("operator" = [])),
    responses((status = 200, description = "The end point", body = EndpointBody),
              (status = 401, description = "Not an operator's token"),
              (status = 404, description = "No such end point")))]
pub(crate) async fn endpoint(admin: Data<Admin>, path: Path<i64>) -> Answer {
    let endpoint = admin.gateway.known_endpoint(EndpointId(*path)).await?;
    Ok(HttpResponse::Ok().json(body_of(&admin, &endpoint).await?))
}

/// Add an end point. Its first business day begins at once.
#[utoipa::path(post, path = "/admin/v1/endpoints", tag = "Operators",
    request_body = EndpointBody, security(("operator" = [])),
    responses((status = 201, description = "The end point", body = EndpointBody),
              (status = 400, description = "The request is wrong; `error` says how"),
              (status = 401, description = "Not an operator's token"),
              (status = 403, description = "Not for this role"),
              (status = 404, description = "No such merchant or group"),
              (status = 409, description = "The id is taken, or the group is another merchant's")))]
pub(crate) async fn add_endpoint(admin: Data<Admin>, body: Bytes) -> Answer {
    let body: EndpointBody = read(&body)?;
    let id = body.id;
    let merchant = admin.gateway.merchant_now(&body.merchant).await?;
    let merchant = merchant.ok_or_else(|| Problem::missing("no merchant has this login"))?;
    let endpoint = body.into_endpoint(merchant.id)?;
    let endpoint = admin.gateway.register_endpoint(id, endpoint).await?;
    Ok(HttpResponse::Created().json(body_of(&admin, &endpoint).await?))
}

/// Change an end point. What is left out stays as it is; `limits` are replaced as a whole.
#[utoipa::path(patch, path = "/admin/v1/endpoints/{endpoint}", tag = "Operators",
    params(("endpoint" = i64, Path, description = "End point id", example = 1111)),
    request_body(content = Object, description = "Any fields of an end point but `id`, `merchant` and `currency`"),
    security(("operator" = [])),
    responses((status = 200, description = "The end point as it now is", body = EndpointBody),
              (status = 400, description = "The request is wrong; `error` says how"),
              (status = 401, description = "Not an operator's token"),
              (status = 403, description = "Not for this role"),
              (status = 404, description = "No such end point or group"),
              (status = 409, description = "The group is another merchant's")))]
pub(crate) async fn change_endpoint(admin: Data<Admin>, path: Path<i64>, body: Bytes) -> Answer {
    let changes: Map<String, Value> = read(&body)?;
    if let Some(fixed) = FIXED.into_iter().find(|name| changes.contains_key(*name)) {
        return Err(Problem::bad(format!("{fixed}: cannot be changed")));
    }
    let endpoint = admin.gateway.known_endpoint(EndpointId(*path)).await?;
    let unreadable = |error: serde_json::Error| Problem::bad(error.to_string());
    let mut whole = serde_json::to_value(body_of(&admin, &endpoint).await?).map_err(unreadable)?;
    if let Some(fields) = whole.as_object_mut() {
        fields.extend(changes);
    }
    let wanted: EndpointBody = serde_json::from_value(whole).map_err(unreadable)?;
    let wanted = wanted.into_endpoint(endpoint.merchant)?;
    admin.gateway.amend_endpoint(&wanted).await?;
    Ok(HttpResponse::Ok().json(body_of(&admin, &wanted).await?))
}

/// Change where the callbacks of an end point go.
#[utoipa::path(put, path = "/admin/v1/endpoints/{endpoint}/callback-url", tag = "Operators",
    params(("endpoint" = i64, Path, description = "End point id", example = 1111)),
    request_body = CallbackRequest, security(("operator" = [])),
    responses((status = 200, description = "The end point as it now is", body = EndpointBody),
              (status = 400, description = "The address may not be called; `error` says why"),
              (status = 401, description = "Not an operator's token"),
              (status = 403, description = "Not for this role"),
              (status = 404, description = "No such end point")))]
pub(crate) async fn set_callback_url(admin: Data<Admin>, path: Path<i64>, body: Bytes) -> Answer {
    let CallbackRequest { callback_url } = read(&body)?;
    let endpoint = admin.gateway.known_endpoint(EndpointId(*path)).await?;
    let endpoint = Endpoint { callback_url, ..(*endpoint).clone() };
    admin.gateway.amend_endpoint(&endpoint).await?;
    Ok(HttpResponse::Ok().json(body_of(&admin, &endpoint).await?))
}

async fn body_of(admin: &Admin, endpoint: &Endpoint) -> Result<EndpointBody, Problem> {
    Ok(EndpointBody::of(endpoint, admin.gateway.login_of(endpoint.merchant).await?))
}
