//! Before every operators' call: who calls, whether their role may, and a row in the audit log.
//!
//! A call that changes something has a row before anything is done, and a second one with its
//! status before it is answered. Whatever is lost in between, no change is without a row, and
//! where the log cannot be written the answer is 503.

use super::Admin;
use super::answer::{failed, problem};
use crate::crypto::sign::secrets_match;
use crate::doors::http::RequestId;
use crate::gateway::Failure;
use crate::payment::audit::{BEGUN, Call};
use crate::payment::operator::{Action, NOBODY, ROOT, Role};
use actix_web::body::BoxBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::AUTHORIZATION;
use actix_web::http::{Method, StatusCode};
use actix_web::middleware::Next;
use actix_web::web::Data;
use actix_web::{Error, HttpMessage, HttpResponse};

/// Characters of a path that are kept in the log.
const SUBJECT_MAX: usize = 200;

/// A look that is not for everyone. What is sent to a merchant names the card holder, and whoever
/// has it, signatures and all, can send it to the merchant in our name.
const CALL_ROUTE: &str = "/admin/v1/callbacks/{callback}/call";

/// Who calls. Handlers find it among the request's data.
#[derive(Clone)]
pub(crate) struct Caller {
    pub(crate) name: String,
    role: Role,
}

/// Lets a call in, or turns it away; either way the audit log knows of it.
///
/// # Errors
/// Those of the service inside.
pub(super) async fn admit(
    admin: Data<Admin>,
    request: ServiceRequest,
    next: Next<BoxBody>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let Some(root) = admin.token.as_deref() else {
        return Ok(request.into_response(HttpResponse::NotFound().finish()));
    };
    let caller = admin.caller(root, &request).await;
    let name = caller.as_ref().ok().and_then(Option::as_ref).map_or(NOBODY, |caller| &caller.name);
    let call = call_of(&admin, &request, name);
    let caller = match let_in(caller, &request) {
        Ok(caller) => caller,
        Err(answer) => {
            // Nothing was changed, so a log that fails here hides nothing.
            if let Err(failure) = admin.note(&call, answer.status().as_u16()).await {
                tracing::error!(%failure, "a refused call is not in the audit log");
            }
            return Ok(request.into_response(*answer));
        }
    };
    let changes = request.method() != Method::GET;
    if changes && let Err(failure) = admin.note(&call, BEGUN).await {
        return Ok(request.into_response(unwritten(&failure)));
    }
    request.extensions_mut().insert(caller);
    let response = next.call(request).await?;
    match admin.note(&call, response.status().as_u16()).await {
        Err(failure) if changes => Ok(response.into_response(unwritten(&failure))),
        Err(failure) => {
            tracing::error!(%failure, "a look is not in the audit log");
            Ok(response)
        }
        Ok(()) => Ok(response),
    }
}

impl Admin {
    /// Whose token the request carries; `None` if nobody's.
    async fn caller(
        &self,
        root: &str,
        request: &ServiceRequest,
    ) -> Result<Option<Caller>, Failure> {
        let header = request.headers().get(AUTHORIZATION).and_then(|value| value.to_str().ok());
        let given = header.and_then(|text| text.strip_prefix("Bearer ")).unwrap_or_default();
        if given.is_empty() {
            return Ok(None);
        }
        if secrets_match(root, given) {
            return Ok(Some(Caller { name: ROOT.to_owned(), role: Role::Admin }));
        }
        let found = self.gateway.operator_of(given).await?;
        Ok(found.map(|operator| Caller { name: operator.name, role: operator.role }))
    }

    async fn note(&self, call: &Call, status: u16) -> Result<(), Failure> {
        let at = self.gateway.clock().now();
        self.gateway.note_call(&Call { at, status, ..call.clone() }).await
    }
}

/// The caller, or the answer to whoever may not do this.
fn let_in(
    caller: Result<Option<Caller>, Failure>,
    request: &ServiceRequest,
) -> Result<Caller, Box<HttpResponse>> {
    let Some(caller) = caller.map_err(|failure| Box::new(failed(&failure)))? else {
        tracing::warn!("answered 401: not an operator's token");
        let told = "use an operator's token: Authorization: Bearer TOKEN";
        return Err(Box::new(problem(StatusCode::UNAUTHORIZED, told)));
    };
    let action = action_of(request.method(), &route_of(request));
    if caller.role.may(action) {
        return Ok(caller);
    }
    let role = caller.role.name();
    tracing::warn!(operator = caller.name, role, "answered 403: not for this role");
    let others = Role::ALL.into_iter().filter(|other| other.may(action)).map(Role::name);
    let others = others.collect::<Vec<_>>().join(" or ");
    let told = format!("this is not for the role {role}; ask somebody of the role {others}");
    Err(Box::new(problem(StatusCode::FORBIDDEN, told)))
}

/// What a call does. A route that is not named here is for admins, if it is not a mere look.
fn action_of(method: &Method, route: &str) -> Action {
    if method == Method::GET && route != CALL_ROUTE {
        return Action::Read;
    }
    match route {
        "/admin/v1/readers/{serial}/inject"
        | "/admin/v1/merchants/{login}/control-key"
        | "/admin/v1/endpoints/{endpoint}/webhook-key" => Action::HandleKeys,
        "/admin/v1/key-ceremonies/{ceremony}/components"
        | "/admin/v1/key-sets/import/{transport_key}"
        | "/admin/v1/key-sets/{key_set}/export/{transport_key}"
        | "/admin/v1/readers/{serial}/inject/{transport_key}" => Action::MoveKeys,
        "/admin/gates/{endpoint}/unlock"
        | "/admin/orders/{order}/resolve"
        | "/admin/explain/control"
        | "/admin/explain/decrypt"
        | "/admin/v1/endpoints/{endpoint}/callback-url"
        | "/admin/v1/endpoints/{endpoint}/webhooks" => Action::Operate,
        _ if route.contains("/callbacks/") => Action::Operate,
        _ if route.starts_with("/admin/v1/readers") => Action::Operate,
        _ if route.starts_with("/admin/v1/key-") => Action::HandleKeys,
        _ => Action::Govern,
    }
}

fn call_of(admin: &Admin, request: &ServiceRequest, operator: &str) -> Call {
    let request_id = request.extensions().get::<RequestId>().map(|id| id.0.clone());
    Call {
        at: admin.gateway.clock().now(),
        operator: operator.to_owned(),
        action: format!("{} {}", request.method(), route_of(request)),
        subject: request.path().chars().take(SUBJECT_MAX).collect(),
        status: BEGUN,
        request_id: request_id.unwrap_or_default(),
    }
}

fn route_of(request: &ServiceRequest) -> String {
    request.match_pattern().unwrap_or_else(|| "unmatched".to_owned())
}

fn unwritten(failure: &Failure) -> HttpResponse {
    tracing::error!(%failure, "answered 503: the audit log cannot be written");
    crate::doors::http::unavailable()
}
