//! The built-in receiver of callbacks.

use super::Sandbox;
use crate::sandbox::inbox::Received;
use actix_web::web::{self, Query};
use actix_web::{HttpRequest, HttpResponse};
use std::collections::BTreeMap;

/// Takes a callback and answers 200.
pub(crate) async fn receive(
    sandbox: web::Data<Sandbox>,
    request: HttpRequest,
    query: Query<BTreeMap<String, String>>,
) -> HttpResponse {
    let headers = request.headers().iter().filter_map(|(name, value)| {
        Some((name.as_str().to_owned(), value.to_str().ok()?.to_owned()))
    });
    sandbox.inbox.keep(Received {
        received_at: sandbox.gateway.clock().now(),
        method: request.method().to_string(),
        path: request.path().to_owned(),
        query: query.into_inner(),
        headers: headers.collect(),
    });
    HttpResponse::Ok().content_type("text/plain; charset=utf-8").body("kept\n")
}

/// What the inbox received, newest last.
#[utoipa::path(get, path = "/sandbox/callbacks", tag = "Sandbox",
    responses((status = 200, description = "Callbacks, newest last", body = Vec<Received>)))]
pub(crate) async fn callbacks(sandbox: web::Data<Sandbox>) -> HttpResponse {
    HttpResponse::Ok().json(sandbox.inbox.list())
}
