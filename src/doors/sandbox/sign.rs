//! Signing for people: a form, completed and signed as the sandbox merchant would. The docs pages
//! use it, so that "Try it out" makes a real sale.

use super::swipe::{SwipeFault, SwipeRequest};
use super::{Sandbox, problem};
use crate::crypto::oauth::authorize;
use crate::crypto::oauth_header::Header;
use crate::crypto::sign::{amend_control, status_control};
use crate::gateway::{Failure, Merchant};
use crate::payment::SECOND;
use crate::payment::money::{Amount, Currency};
use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::web::{self, Query};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use utoipa::{IntoParams, ToSchema};

/// A field with this value is filled in by the sandbox.
const AUTO: &str = "auto";

/// Where the form will be sent.
#[derive(Deserialize, IntoParams)]
pub struct SignQuery {
    /// The whole address, for example `http://127.0.0.1:8080/mapi/v1/sale/1111`.
    pub url: String,
    /// How it will be sent; `POST` if left out. Of a `GET` the form is the query.
    #[param(example = "POST")]
    pub method: Option<String>,
}

/// What to send.
#[derive(Serialize, ToSchema)]
pub struct Signed {
    /// For the header `Authorization`.
    pub authorization: String,
    /// The completed form.
    pub body: String,
}

/// Complete and sign a form for the sandbox merchant.
///
/// Fields whose value is `auto` are filled in: `client_orderid` and `day_close_request_id` with a
/// fresh name,
/// `encrypted-data` with a swipe of the test card for the form's amount, `login` and `control`.
#[utoipa::path(post, path = "/sandbox/sign", tag = "Sandbox",
    params(SignQuery),
    request_body(content = String, content_type = "application/x-www-form-urlencoded"),
    responses((status = 200, description = "The completed form and its signature", body = Signed),
              (status = 400, description = "The form is wrong; `error` says how")))]
pub(crate) async fn sign(
    sandbox: web::Data<Sandbox>,
    query: Query<SignQuery>,
    body: web::Bytes,
) -> HttpResponse {
    let form: Vec<(String, String)> = form_urlencoded::parse(&body).into_owned().collect();
    let method = query.method.as_deref().unwrap_or("POST");
    match sandbox.complete_and_sign(method, &query.url, form).await {
        Ok(signed) => HttpResponse::Ok().json(signed),
        Err(SwipeFault::Wrong(message)) => problem(StatusCode::BAD_REQUEST, message),
        Err(SwipeFault::Gateway(failure)) => {
            tracing::warn!(%failure, "the sandbox cannot sign");
            crate::doors::http::unavailable()
        }
    }
}

impl Sandbox {
    async fn complete_and_sign(
        &self,
        method: &str,
        url: &str,
        mut form: Vec<(String, String)>,
    ) -> Result<Signed, SwipeFault> {
        let merchant = self.merchant().await.map_err(SwipeFault::Gateway)?;
        if is_auto(&form, "client_orderid") {
            set(&mut form, "client_orderid", format!("docs-{}", self.entropy.uuid()));
        }
        if is_auto(&form, "day_close_request_id") {
            let request_id = self.entropy.uuid().replace('-', "");
            set(&mut form, "day_close_request_id", request_id);
        }
        if is_auto(&form, "encrypted-data") {
            let swipe = self.swipe_for(&merchant, &form).await?;
            set(&mut form, "encrypted-data", swipe);
        }
        if is_auto(&form, "login") {
            set(&mut form, "login", merchant.login.clone());
        }
        if is_auto(&form, "control") {
            let control = control_of(url, &form, &merchant.control_key);
            set(&mut form, "control", control);
        }
        let now = self.gateway.clock().now() / SECOND;
        let stamp = u64::try_from(now).unwrap_or_default();
        let header = Header::unsigned(&merchant.login, &self.entropy.uuid(), stamp);
        let url = url.split('?').next().unwrap_or(url);
        let authorization = authorize(&header, &merchant.control_key, method, url, &form)
            .map_err(|fault| SwipeFault::Wrong(fault.to_string()))?;
        let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(&form).finish();
        Ok(Signed { authorization, body })
    }

    async fn merchant(&self) -> Result<Arc<Merchant>, Failure> {
        let merchant = self.gateway.merchant_by_login(&self.login).await?;
        merchant.ok_or_else(|| Failure::Internal("the sandbox merchant is not enrolled".to_owned()))
    }

    async fn swipe_for(
        &self,
        merchant: &Merchant,
        form: &[(String, String)],
    ) -> Result<String, SwipeFault> {
        let readers = self.gateway.readers_of(merchant.id).await.map_err(SwipeFault::Gateway)?;
        let reader = readers
            .first()
            .ok_or_else(|| SwipeFault::Wrong("the sandbox merchant has no reader".to_owned()))?;
        let value = |name| get(form, name).unwrap_or_default().to_owned();
        let request = SwipeRequest {
            amount: value("amount"),
            currency: value("currency"),
            pan: None,
            expiry: None,
            cardholder: None,
            entry_mode: None,
            script: None,
            pin: None,
        };
        Ok(self.hold_card(reader, &request).await?.encrypted_data.unwrap_or_default())
    }
}

/// The control as the command wants it. An amount that cannot be read is left out: the gateway says
/// what is wrong with it.
fn control_of(url: &str, form: &[(String, String)], key: &str) -> String {
    let value = |name| get(form, name).unwrap_or_default();
    let (login, name, order) = (value("login"), value("client_orderid"), value("orderid"));
    let with_amount = url.contains("/api/v2/capture/") || url.contains("/api/v2/return/");
    let currency = Currency::from_alpha(value("currency"));
    let amount = currency.and_then(|currency| Amount::parse(value("amount"), currency).ok());
    match amount.filter(|_| with_amount) {
        Some(amount) => amend_control(login, name, order, Some(amount), key),
        None => status_control(login, name, order, key),
    }
}

fn get<'a>(form: &'a [(String, String)], name: &str) -> Option<&'a str> {
    form.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
}

fn is_auto(form: &[(String, String)], name: &str) -> bool {
    get(form, name) == Some(AUTO)
}

fn set(form: &mut [(String, String)], name: &str, value: String) {
    if let Some(field) = form.iter_mut().find(|(known, _)| known == name) {
        field.1 = value;
    }
}
