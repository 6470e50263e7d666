//! `capture`, `return` and `void`: later transactions on an order (MAPI 8.1 to 8.3).

use super::control::merchant_of;
use super::status::read_order_id;
use super::{Mapi, echoed_name, fail, reply};
use crate::crypto::sign::{amend_control, status_control};
use crate::doors::form::{Form, read_form};
use crate::gateway::{Accepted, AmendIntent, Failure, Scope};
use crate::payment::amend::Request;
use crate::payment::ids::{EndpointId, GroupId};
use crate::payment::money::{Amount, Currency};
use crate::payment::refusal::Refusal;
use actix_web::web::{self, Path, Payload};
use actix_web::{HttpRequest, HttpResponse, Route};
use utoipa::ToSchema;
use validator::Validate;

/// Which command was called.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Command {
    Capture,
    Return,
    Void,
}

/// The fields of `capture`, `return` and `void`.
#[derive(Validate, ToSchema)]
pub struct AmendForm {
    /// The merchant's login.
    #[validate(length(max = 128, message = "longer than 128 characters"))]
    #[schema(example = "auto")]
    login: String,
    #[validate(length(max = 128, message = "longer than 128 characters"))]
    #[schema(example = "902B4FF5")]
    client_orderid: String,
    /// `paynet-order-id` of the order.
    #[validate(length(max = 20, message = "longer than 20 characters"))]
    #[schema(example = "6877")]
    orderid: String,
    /// In highest units; all that is left when it is absent.
    #[schema(example = "")]
    amount: Option<String>,
    /// Comes with the amount.
    #[validate(length(max = 3, message = "longer than 3 characters"))]
    #[schema(example = "")]
    currency: Option<String>,
    /// Why; mandatory for `return` and `void`.
    #[validate(length(max = 50, message = "longer than 50 characters"))]
    #[schema(example = "goods returned")]
    comment: Option<String>,
    /// SHA-1 of `login`, `client_orderid`, `orderid`, then, if sent and except for `void`, the
    /// amount in minor units and `currency`, then the control key.
    #[validate(length(max = 128, message = "longer than 128 characters"))]
    #[schema(example = "auto")]
    control: String,
}

impl AmendForm {
    fn read(form: &Form, command: Command) -> Result<Self, Refusal> {
        form.check_all()?;
        let optional = |name| form.get(name).map(str::to_owned);
        let required = |name| form.require(name).map(str::to_owned);
        let read = Self {
            login: required("login")?,
            client_orderid: required("client_orderid")?,
            orderid: required("orderid")?,
            amount: optional("amount"),
            currency: optional("currency"),
            comment: match command {
                Command::Capture => optional("comment"),
                Command::Return | Command::Void => Some(required("comment")?),
            },
            control: required("control")?,
        };
        read.validate().map_err(|errors| super::sale::first_error(form, &errors))?;
        Ok(read)
    }

    fn amount(&self) -> Result<Option<Amount>, Refusal> {
        let Some(amount) = &self.amount else {
            return Ok(None);
        };
        let currency = self.currency.as_deref().ok_or(Refusal::MissingParameter("currency"))?;
        let currency = Currency::from_alpha(currency)
            .ok_or_else(|| Refusal::CurrencyNotSupported(currency.to_owned()))?;
        let amount = Amount::parse(amount, currency);
        amount.map(Some).map_err(|error| Refusal::invalid("amount", error.to_string()))
    }

    async fn into_intent(
        self,
        command: Command,
        scope: Scope,
        mapi: &Mapi,
    ) -> Result<AmendIntent, Failure> {
        let amount = self.amount()?;
        let order = read_order_id(&self.orderid)?;
        let (login, name) = (self.login.as_str(), self.client_orderid.as_str());
        let expected = |key: &str| match command {
            Command::Void => status_control(login, name, &self.orderid, key),
            Command::Capture | Command::Return => {
                amend_control(login, name, &self.orderid, amount, key)
            }
        };
        let formula = match command {
            Command::Void => "login + client_orderid + orderid + key",
            Command::Capture | Command::Return => {
                "login + client_orderid + orderid + minor units + currency + key"
            }
        };
        let merchant = merchant_of(&mapi.gateway, login, &self.control, expected, formula).await?;
        Ok(AmendIntent {
            merchant,
            scope,
            order,
            request: match command {
                Command::Capture => Request::Capture(amount),
                Command::Return => Request::Return(amount),
                Command::Void => Request::Void(amount),
            },
            client_orderid: self.client_orderid,
            comment: self.comment,
            once: false,
        })
    }
}

/// Take what a preauthorisation holds, or a part of it.
#[utoipa::path(post, path = "/api/v2/capture/{endpoint}", tag = "mPOS API",
    params(("endpoint" = i64, Path, description = "End point id", example = 1111)),
    request_body(content = AmendForm, content_type = "application/x-www-form-urlencoded"),
    responses(
        (status = 200, description = "`async-response`, `validation-error` or `error`",
         content_type = "text/html", body = String),
        (status = 400, description = "Malformed request"),
        (status = 503, description = "Ask for the status before you try again")))]
pub(crate) async fn capture(
    mapi: web::Data<Mapi>,
    request: HttpRequest,
    path: Path<i64>,
    payload: Payload,
) -> HttpResponse {
    amend(&mapi, &request, Scope::Endpoint(EndpointId(*path)), payload, Command::Capture).await
}

/// Release what is held, or give back what was taken, or a part of it.
#[utoipa::path(post, path = "/api/v2/return/{endpoint}", tag = "mPOS API",
    params(("endpoint" = i64, Path, description = "End point id", example = 1111)),
    request_body(content = AmendForm, content_type = "application/x-www-form-urlencoded"),
    responses(
        (status = 200, description = "`async-response`, `validation-error` or `error`",
         content_type = "text/html", body = String),
        (status = 400, description = "Malformed request"),
        (status = 503, description = "Ask for the status before you try again")))]
pub(crate) async fn give_back(
    mapi: web::Data<Mapi>,
    request: HttpRequest,
    path: Path<i64>,
    payload: Payload,
) -> HttpResponse {
    amend(&mapi, &request, Scope::Endpoint(EndpointId(*path)), payload, Command::Return).await
}

/// Undo a sale or a capture before its business day is closed.
#[utoipa::path(post, path = "/api/v2/void/{endpoint}", tag = "mPOS API",
    params(("endpoint" = i64, Path, description = "End point id", example = 1111)),
    request_body(content = AmendForm, content_type = "application/x-www-form-urlencoded"),
    responses(
        (status = 200, description = "`async-response`, `validation-error` or `error`",
         content_type = "text/html", body = String),
        (status = 400, description = "Malformed request"),
        (status = 503, description = "Ask for the status before you try again")))]
pub(crate) async fn void(
    mapi: web::Data<Mapi>,
    request: HttpRequest,
    path: Path<i64>,
    payload: Payload,
) -> HttpResponse {
    amend(&mapi, &request, Scope::Endpoint(EndpointId(*path)), payload, Command::Void).await
}

/// The same for an order at any end point of a group.
pub(super) fn in_group(command: Command) -> Route {
    type Asked = (web::Data<Mapi>, HttpRequest, Path<i64>);
    web::post().to(move |(mapi, request, path): Asked, payload: Payload| async move {
        amend(&mapi, &request, Scope::Group(GroupId(*path)), payload, command).await
    })
}

async fn amend(
    mapi: &Mapi,
    request: &HttpRequest,
    scope: Scope,
    payload: Payload,
    command: Command,
) -> HttpResponse {
    let form = match read_form(request, payload).await {
        Ok(form) => form,
        Err(answer) => return answer,
    };
    match open(mapi, scope, &form, command).await {
        Ok(accepted) => {
            tracing::info!(order = %accepted.order, serial = %accepted.serial, "accepted");
            reply::accepted(echoed_name(&form).unwrap_or_default(), accepted).answer(request)
        }
        Err(failure) => fail(mapi, &failure, echoed_name(&form), request),
    }
}

async fn open(
    mapi: &Mapi,
    scope: Scope,
    form: &Form,
    command: Command,
) -> Result<Accepted, Failure> {
    let intent = AmendForm::read(form, command)?.into_intent(command, scope, mapi).await?;
    mapi.gateway.amend(intent).await
}
