//! Merchants, their control keys, their groups.

use super::{Admin, Answer, Data, PageQuery, optional, page_of, read, shown_once};
use crate::payment::ids::{GroupId, MerchantId};
use actix_web::web::{Bytes, Path};
use actix_web::{HttpRequest, HttpResponse};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A merchant to be added.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct MerchantRequest {
    /// The next free one, if it is left out.
    pub id: Option<i64>,
    #[schema(example = "coffee-shop")]
    pub login: String,
    /// 16 to 128 characters; a fresh one is made if it is left out.
    pub control_key: Option<String>,
}

/// A merchant.
#[derive(Serialize, ToSchema)]
pub struct MerchantAnswer {
    #[schema(example = 2)]
    pub id: i64,
    #[schema(example = "coffee-shop")]
    pub login: String,
    /// Until when the control key before the present one is good, if it is; milliseconds since
    /// 1970.
    pub old_control_key_until: Option<i64>,
}

/// A control key.
#[derive(Serialize, ToSchema)]
pub struct ControlKeyAnswer {
    #[schema(example = "coffee-shop")]
    pub login: String,
    /// The merchant's number; of a new one only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<i64>,
    /// Shown this once.
    pub control_key: String,
    /// Until when the key before it is good; milliseconds since 1970.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub old_control_key_until: Option<i64>,
}

/// A rotation.
#[derive(Default, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct RotationRequest {
    /// A fresh one is made if it is left out.
    pub control_key: Option<String>,
    /// For how long the present key is good as well: up to 30 days. Without it or with 0 it ends
    /// at once, on other instances within a second.
    #[schema(example = 86_400)]
    pub overlap_seconds: u32,
}

/// A group to be added.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct GroupRequest {
    /// The next free one, if it is left out.
    pub id: Option<i64>,
    /// The merchant's login.
    #[schema(example = "coffee-shop")]
    pub merchant: String,
}

/// A group of a merchant's end points.
#[derive(Serialize, ToSchema)]
pub struct GroupAnswer {
    #[schema(example = 12)]
    pub id: i64,
    /// The merchant's login.
    #[schema(example = "coffee-shop")]
    pub merchant: String,
}

/// List the merchants.
#[utoipa::path(get, path = "/admin/v1/merchants", tag = "Operators",
    params(PageQuery), security(("operator" = [])),
    responses((status = 200, description = "A page of merchants", body = Vec<MerchantAnswer>),
              (status = 400, description = "The query is wrong"),
              (status = 401, description = "Not an operator's token")))]
pub(crate) async fn merchants(admin: Data<Admin>, request: HttpRequest) -> Answer {
    let page = page_of(&request)?;
    let known = admin.gateway.merchants_after(MerchantId(page.after), page.limit).await?;
    let told = known.into_iter().map(|merchant| MerchantAnswer {
        id: merchant.id.0,
        login: merchant.login,
        old_control_key_until: merchant.old_key_until,
    });
    Ok(HttpResponse::Ok().json(told.collect::<Vec<_>>()))
}

/// Add a merchant. The answer shows its control key, this once.
#[utoipa::path(post, path = "/admin/v1/merchants", tag = "Operators",
    request_body = MerchantRequest, security(("operator" = [])),
    responses((status = 201, description = "The merchant and its key", body = ControlKeyAnswer),
              (status = 400, description = "The request is wrong; `error` says how"),
              (status = 401, description = "Not an operator's token"),
              (status = 403, description = "Not for this role"),
              (status = 409, description = "The id or the login is taken")))]
pub(crate) async fn add_merchant(admin: Data<Admin>, body: Bytes) -> Answer {
    let MerchantRequest { id, login, control_key } = read(&body)?;
    let (id, key) = admin.gateway.register_merchant(id, &login, control_key.as_deref()).await?;
    let (id, control_key) = (Some(id.0), key.to_string());
    Ok(shown_once(&ControlKeyAnswer { login, id, control_key, old_control_key_until: None }))
}

/// Give a merchant another control key. The answer shows it, this once.
///
/// During the overlap requests may be signed with either; callbacks are signed with the new one at
/// once.
#[utoipa::path(post, path = "/admin/v1/merchants/{login}/control-key", tag = "Operators",
    params(("login" = String, Path, description = "The merchant's login", example = "sandbox")),
    request_body = RotationRequest, security(("operator" = [])),
    responses((status = 201, description = "The new key", body = ControlKeyAnswer),
              (status = 400, description = "The request is wrong; `error` says how"),
              (status = 401, description = "Not an operator's token"),
              (status = 403, description = "Not for this role"),
              (status = 404, description = "No such merchant"),
              (status = 409, description = "The rotation before this one still overlaps")))]
pub(crate) async fn rotate_control_key(
    admin: Data<Admin>,
    login: Path<String>,
    body: Bytes,
) -> Answer {
    let RotationRequest { control_key, overlap_seconds } = optional(&body)?;
    let rotated =
        admin.gateway.rotate_control_key(&login, control_key.as_deref(), overlap_seconds).await?;
    let (login, control_key) = (login.into_inner(), rotated.0.to_string());
    let old_control_key_until = Some(rotated.1);
    Ok(shown_once(&ControlKeyAnswer { login, id: None, control_key, old_control_key_until }))
}

/// List the groups.
#[utoipa::path(get, path = "/admin/v1/groups", tag = "Operators",
    params(PageQuery), security(("operator" = [])),
    responses((status = 200, description = "A page of groups", body = Vec<GroupAnswer>),
              (status = 400, description = "The query is wrong"),
              (status = 401, description = "Not an operator's token")))]
pub(crate) async fn groups(admin: Data<Admin>, request: HttpRequest) -> Answer {
    let page = page_of(&request)?;
    let mut told = Vec::new();
    for (id, merchant) in admin.gateway.groups_after(GroupId(page.after), page.limit).await? {
        told.push(GroupAnswer { id: id.0, merchant: admin.gateway.login_of(merchant).await? });
    }
    Ok(HttpResponse::Ok().json(told))
}

/// Add a group of a merchant's end points.
#[utoipa::path(post, path = "/admin/v1/groups", tag = "Operators",
    request_body = GroupRequest, security(("operator" = [])),
    responses((status = 201, description = "The group", body = GroupAnswer),
              (status = 400, description = "The request is wrong; `error` says how"),
              (status = 401, description = "Not an operator's token"),
              (status = 403, description = "Not for this role"),
              (status = 404, description = "No such merchant"),
              (status = 409, description = "The id is taken")))]
pub(crate) async fn add_group(admin: Data<Admin>, body: Bytes) -> Answer {
    let GroupRequest { id, merchant } = read(&body)?;
    let id = admin.gateway.register_group(id, &merchant).await?.0;
    Ok(HttpResponse::Created().json(GroupAnswer { id, merchant }))
}
