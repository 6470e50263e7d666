//! Who may use this door.

use super::{Admin, Answer, Data, Problem, read, shown_once};
use crate::payment::operator::{Operator, ROOT, Role};
use actix_web::HttpResponse;
use actix_web::web::{Bytes, Path};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Somebody who is to use this door.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct OperatorRequest {
    /// 1 to 32 small letters, digits, `.`, `-`, `_`.
    #[schema(example = "anna")]
    pub name: String,
    /// `viewer`, `operator`, `custodian` or `admin`.
    #[schema(example = "custodian")]
    pub role: String,
}

/// Somebody who may use this door.
#[derive(Serialize, ToSchema)]
pub struct OperatorAnswer {
    #[schema(example = "anna")]
    pub name: String,
    #[schema(example = "custodian")]
    pub role: String,
    pub enabled: bool,
    /// Milliseconds since 1970.
    pub created_at: i64,
}

/// The token of a new operator.
#[derive(Serialize, ToSchema)]
pub struct TokenAnswer {
    #[schema(example = "anna")]
    pub name: String,
    #[schema(example = "custodian")]
    pub role: String,
    /// Shown this once. It is kept as a digest only.
    pub token: String,
}

impl From<Operator> for OperatorAnswer {
    fn from(operator: Operator) -> Self {
        let Operator { name, role, enabled, created_at } = operator;
        Self { name, role: role.name().to_owned(), enabled, created_at }
    }
}

/// List the operators, but for `root`, whose token stands in the settings.
#[utoipa::path(get, path = "/admin/v1/operators", tag = "Operators",
    security(("operator" = [])),
    responses((status = 200, description = "All operators, by name", body = Vec<OperatorAnswer>),
              (status = 401, description = "Not an operator's token")))]
pub(crate) async fn operators(admin: Data<Admin>) -> Answer {
    let operators = admin.gateway.operators().await?.into_iter().map(OperatorAnswer::from);
    Ok(HttpResponse::Ok().json(operators.collect::<Vec<_>>()))
}

/// Add an operator. The answer shows their token, this once.
#[utoipa::path(post, path = "/admin/v1/operators", tag = "Operators",
    request_body = OperatorRequest,
    security(("operator" = [])),
    responses((status = 201, description = "The operator and their token", body = TokenAnswer),
              (status = 400, description = "The request is wrong; `error` says how"),
              (status = 401, description = "Not an operator's token"),
              (status = 403, description = "Not for this role"),
              (status = 409, description = "Somebody has or had the name")))]
pub(crate) async fn add_operator(admin: Data<Admin>, body: Bytes) -> Answer {
    let OperatorRequest { name, role } = read(&body)?;
    let role = Role::from_name(&role);
    let role =
        role.ok_or_else(|| Problem::bad("role: must be viewer, operator, custodian or admin"))?;
    let token = admin.gateway.enrol_operator(&name, role).await?;
    let token = token.ok_or_else(|| Problem::conflict("somebody has or had this name"))?;
    let (role, token) = (role.name().to_owned(), token.to_string());
    Ok(shown_once(&TokenAnswer { name, role, token }))
}

/// Shut an operator out, at once and for good. Their name stays taken.
#[utoipa::path(post, path = "/admin/v1/operators/{name}/disable", tag = "Operators",
    params(("name" = String, Path, description = "The operator's name", example = "anna")),
    security(("operator" = [])),
    responses((status = 200, description = "The operator as they now are", body = OperatorAnswer),
              (status = 401, description = "Not an operator's token"),
              (status = 403, description = "Not for this role"),
              (status = 404, description = "No such operator"),
              (status = 409, description = "`root` is shut out by the settings only")))]
pub(crate) async fn disable_operator(admin: Data<Admin>, name: Path<String>) -> Answer {
    if *name == ROOT {
        return Err(Problem::conflict("root is shut out by another admin_token in the settings"));
    }
    let operator = admin.gateway.disable_operator(&name).await?;
    let operator = operator.ok_or_else(|| Problem::missing("no operator has this name"))?;
    Ok(HttpResponse::Ok().json(OperatorAnswer::from(operator)))
}
