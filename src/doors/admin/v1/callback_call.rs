//! A callback in words: exactly what its receiver gets, for whoever plays the receiver.

use super::{Admin, Answer, Data};
use crate::gateway::Call;
use crate::payment::ids::NoticeId;
use actix_web::HttpResponse;
use actix_web::http::header::CACHE_CONTROL;
use actix_web::web::Path;
use serde::Serialize;
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// A callback as it would be sent now, but for the host and the path.
#[derive(Serialize, ToSchema)]
pub struct CallAnswer {
    /// `GET`, or `POST` with a body of JSON.
    #[schema(example = "GET")]
    pub method: String,
    /// The whole query, encoded as it is sent.
    #[schema(example = "status=approved&orderid=6877&control=…")]
    pub query: Option<String>,
    pub body: Option<String>,
    /// `webhook-id`, and with Standard Webhooks `webhook-timestamp` and `webhook-signature`.
    pub headers: BTreeMap<&'static str, String>,
}

impl From<Call> for CallAnswer {
    fn from(call: Call) -> Self {
        let Call { address, headers, body } = call;
        Self {
            method: if body.is_some() { "POST" } else { "GET" }.to_owned(),
            query: address.query().map(str::to_owned),
            body,
            headers: headers.into_iter().collect(),
        }
    }
}

/// A callback exactly as its receiver would get it now. Nothing is sent.
#[utoipa::path(get, path = "/admin/v1/callbacks/{callback}/call", tag = "Operators",
    params(("callback" = i64, Path, description = "The callback's id", example = 4711)),
    security(("operator" = [])),
    responses((status = 200, description = "What is sent, and how", body = CallAnswer),
              (status = 401, description = "Not an operator's token"),
              (status = 403, description = "Not for this role"),
              (status = 404, description = "No such callback"),
              (status = 409, description = "The merchant's address is not one")))]
pub(crate) async fn callback_call(admin: Data<Admin>, path: Path<i64>) -> Answer {
    let call = admin.gateway.callback_call(NoticeId(*path)).await?;
    let kept_nowhere = (CACHE_CONTROL, "no-store");
    Ok(HttpResponse::Ok().insert_header(kept_nowhere).json(CallAnswer::from(call)))
}
