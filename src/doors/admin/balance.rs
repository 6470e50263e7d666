//! What the accounts come to, by merchant, endpoint and day.

use super::{Admin, failed, problem};
use crate::payment::ids::EndpointId;
use actix_web::http::StatusCode;
use actix_web::web::{self, Query};
use actix_web::{HttpRequest, HttpResponse};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

/// Whose balances, and of when.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub struct BalanceQuery {
    /// The merchant's login.
    #[param(example = "sandbox")]
    pub merchant: String,
    /// Of one end point only.
    pub endpoint: Option<i64>,
    /// Of one business day only, counted from 1 as `GET /admin/gates/{endpoint}` does.
    pub day: Option<i64>,
}

/// What one account of an end point comes to on one day.
#[derive(Serialize, ToSchema)]
pub struct BalanceAnswer {
    #[schema(example = "1111")]
    pub endpoint: String,
    #[schema(example = 1)]
    pub day: i64,
    /// `card_holders`, `acquirer`, `merchant` or `fees`.
    #[schema(example = "merchant")]
    pub account: String,
    /// What it got less what it gave, in highest units; all accounts of a day come to zero.
    #[schema(example = "10.42")]
    pub balance: String,
    #[schema(example = "RUB")]
    pub currency: String,
}

/// See what the accounts of a merchant come to.
#[utoipa::path(get, path = "/admin/balances", tag = "Operators",
    params(BalanceQuery),
    security(("operator" = [])),
    responses((status = 200, description = "Balances by end point and day", body = Vec<BalanceAnswer>),
              (status = 400, description = "The query is wrong"),
              (status = 401, description = "Not the operators' token"),
              (status = 404, description = "No such merchant")))]
pub(crate) async fn balances(admin: web::Data<Admin>, request: HttpRequest) -> HttpResponse {
    let query = match Query::<BalanceQuery>::from_query(request.query_string()) {
        Ok(query) => query.into_inner(),
        Err(error) => return problem(StatusCode::BAD_REQUEST, error.to_string()),
    };
    let endpoint = query.endpoint.map(EndpointId);
    match admin.gateway.balances(&query.merchant, endpoint, query.day).await {
        Ok(Some(balances)) => {
            let told = balances.into_iter().map(|one| BalanceAnswer {
                endpoint: one.endpoint.to_string(),
                day: one.day,
                account: one.account.name().to_owned(),
                balance: one.currency.decimal(one.minor),
                currency: one.currency.alpha().to_owned(),
            });
            HttpResponse::Ok().json(told.collect::<Vec<_>>())
        }
        Ok(None) => problem(StatusCode::NOT_FOUND, "no merchant has this login"),
        Err(failure) => failed(&failure),
    }
}
