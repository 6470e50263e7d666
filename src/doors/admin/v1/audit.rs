//! The log of all calls of this door.

use super::{Admin, Answer, Data, PageQuery, page_of};
use crate::payment::audit::AuditRow;
use actix_web::{HttpRequest, HttpResponse};
use serde::Serialize;
use utoipa::ToSchema;

/// One call. One that changes something has two rows: when it began, and when it was answered.
#[derive(Serialize, ToSchema)]
pub struct AuditAnswer {
    #[schema(example = 17)]
    pub id: i64,
    /// Milliseconds since 1970.
    pub at: i64,
    /// `root` has the token of the settings; `nobody` had no good token.
    #[schema(example = "anna")]
    pub operator: String,
    #[schema(example = "POST /admin/v1/readers/{serial}/block")]
    pub action: String,
    #[schema(example = "/admin/v1/readers/10000462/block")]
    pub subject: String,
    /// The HTTP status of the answer; 0 when the call has only begun.
    #[schema(example = 200)]
    pub status: u16,
    pub request_id: String,
    /// Over this row and the digest of the row before.
    pub digest: String,
}

/// What the log proves.
#[derive(Serialize, ToSchema)]
pub struct VerdictAnswer {
    pub whole: bool,
    /// How many rows are whole, from the first. Keep it: rows that are taken off the end leave no
    /// other trace.
    #[schema(example = 17)]
    pub rows: i64,
    /// The first row that was changed, or before which one was taken out.
    pub broken: Option<i64>,
}

impl From<AuditRow> for AuditAnswer {
    fn from(row: AuditRow) -> Self {
        let AuditRow { id, call, digest } = row;
        Self {
            id,
            at: call.at,
            operator: call.operator,
            action: call.action,
            subject: call.subject,
            status: call.status,
            request_id: call.request_id,
            digest,
        }
    }
}

/// Read the audit log, oldest first.
#[utoipa::path(get, path = "/admin/v1/audit", tag = "Operators",
    params(PageQuery),
    security(("operator" = [])),
    responses((status = 200, description = "A page of the log", body = Vec<AuditAnswer>),
              (status = 400, description = "The query is wrong"),
              (status = 401, description = "Not an operator's token")))]
pub(crate) async fn audit_rows(admin: Data<Admin>, request: HttpRequest) -> Answer {
    let page = page_of(&request)?;
    let rows = admin.gateway.audit_after(page.after, page.limit).await?;
    let rows = rows.into_iter().map(AuditAnswer::from);
    Ok(HttpResponse::Ok().json(rows.collect::<Vec<_>>()))
}

/// Compute the digests of the whole audit log again.
#[utoipa::path(get, path = "/admin/v1/audit/verify", tag = "Operators",
    security(("operator" = [])),
    responses((status = 200, description = "Whether the log is whole", body = VerdictAnswer),
              (status = 401, description = "Not an operator's token")))]
pub(crate) async fn verify_audit(admin: Data<Admin>) -> Answer {
    let verdict = admin.gateway.verify_audit().await?;
    let (rows, broken) = (verdict.rows, verdict.broken);
    Ok(HttpResponse::Ok().json(VerdictAnswer { whole: broken.is_none(), rows, broken }))
}
