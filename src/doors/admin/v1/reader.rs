//! Readers, from their registration to their end.

use super::{Admin, Answer, Data, PageQuery, Problem, optional, page_of, read, shown_once};
use crate::gateway::{InjectedKey, Injection, NewReader, Place};
use crate::payment::ids::{EndpointId, GroupId, KeySetId, ReaderId, TransportKeyId};
use crate::payment::ksn::Ksn;
use crate::payment::reader::{Reader, ReaderKind};
use actix_web::web::{Bytes, Path};
use actix_web::{HttpRequest, HttpResponse};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A reader to be registered.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ReaderRequest {
    /// As the reader tells it: 1 to 32 characters.
    #[schema(example = "20000099")]
    pub serial: String,
    /// `sim`, `spire`, `miura` or `mc-qrcode`.
    #[schema(example = "spire")]
    pub kind: String,
    /// The merchant's login.
    #[schema(example = "sandbox")]
    pub merchant: String,
    /// The end point that it serves, or …
    #[schema(example = 1111)]
    pub endpoint: Option<i64>,
    /// … the group whose end points it serves.
    pub group: Option<i64>,
    #[schema(example = 2)]
    pub key_set: i64,
    /// Its number among the devices of the key set, or …
    #[schema(example = 99)]
    pub device: Option<u32>,
    /// … its whole KSN with a counter of zero, hexadecimal.
    pub initial_ksn: Option<String>,
}

/// Where a reader is to serve.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AssignRequest {
    /// The merchant's login.
    #[schema(example = "sandbox")]
    pub merchant: String,
    /// Either this …
    pub endpoint: Option<i64>,
    /// … or this.
    #[schema(example = 11)]
    pub group: Option<i64>,
}

/// Whether the reader is to have a new key.
#[derive(Default, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct InjectRequest {
    /// Another key set: the reader is re-keyed first, and counts from zero.
    pub key_set: Option<i64>,
    /// Its number among the devices of that set; without one it keeps its own.
    pub device: Option<u32>,
}

/// A reader.
#[derive(Serialize, ToSchema)]
pub struct ReaderAnswer {
    /// For `after`.
    #[schema(example = 8)]
    pub id: i64,
    #[schema(example = "20000099")]
    pub serial: String,
    #[schema(example = "spire")]
    pub kind: String,
    /// The merchant's login.
    #[schema(example = "sandbox")]
    pub merchant: String,
    pub endpoint: Option<i64>,
    pub group: Option<i64>,
    #[schema(example = 2)]
    pub key_set: i64,
    #[schema(example = "tdes-dukpt")]
    pub cipher: String,
    /// Of the key set's base key.
    #[schema(example = "08D7B4")]
    pub key_set_check_value: String,
    /// `new`, `active`, `exhausted`, `blocked` or `lost`.
    #[schema(example = "new")]
    pub state: String,
    /// Its KSN with a counter of zero.
    #[schema(example = "FFFF020000000C600000")]
    pub initial_ksn: String,
    /// The counter of the last message that was taken.
    pub last_counter: i64,
    /// When its key was handed out; milliseconds since 1970.
    pub injected_at: Option<i64>,
}

/// The initial key of a reader.
#[derive(Serialize, ToSchema)]
pub struct InjectAnswer {
    #[schema(example = "20000099")]
    pub serial: String,
    #[schema(example = "tdes-dukpt")]
    pub cipher: String,
    /// Hexadecimal. Shown this once, unless it comes as a key block.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub initial_key: Option<String>,
    /// ASC X9.143, usage B1, if a transport key was named. It has the initial KSN as its optional
    /// block KS (TDES), or its front as IK (AES). Shown this once.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key_block: Option<String>,
    /// Three bytes, which the reader shows after the injection.
    #[schema(example = "08D7B4")]
    pub check_value: String,
    /// With a counter of zero.
    #[schema(example = "FFFF020000000C600000")]
    pub initial_ksn: String,
}

/// List the readers.
#[utoipa::path(get, path = "/admin/v1/readers", tag = "Operators",
    params(PageQuery), security(("operator" = [])),
    responses((status = 200, description = "A page of readers", body = Vec<ReaderAnswer>),
              (status = 400, description = "The query is wrong"),
              (status = 401, description = "Not an operator's token")))]
pub(crate) async fn readers(admin: Data<Admin>, request: HttpRequest) -> Answer {
    let page = page_of(&request)?;
    let mut told = Vec::new();
    for reader in admin.gateway.readers_after(ReaderId(page.after), page.limit).await? {
        told.push(answer_of(&admin, reader).await?);
    }
    Ok(HttpResponse::Ok().json(told))
}

/// See a reader.
#[utoipa::path(get, path = "/admin/v1/readers/{serial}", tag = "Operators",
    params(("serial" = String, Path, description = "The reader's serial", example = "10000462")),
    security(("operator" = [])),
    responses((status = 200, description = "The reader", body = ReaderAnswer),
              (status = 401, description = "Not an operator's token"),
              (status = 404, description = "No such reader")))]
pub(crate) async fn reader(admin: Data<Admin>, serial: Path<String>) -> Answer {
    told(&admin, admin.gateway.known_reader(&serial).await?).await
}

/// Register a reader. It waits for its key.
#[utoipa::path(post, path = "/admin/v1/readers", tag = "Operators",
    request_body = ReaderRequest, security(("operator" = [])),
    responses((status = 201, description = "The reader", body = ReaderAnswer),
              (status = 400, description = "The request is wrong; `error` says how"),
              (status = 401, description = "Not an operator's token"),
              (status = 403, description = "Not for this role"),
              (status = 404, description = "No such merchant, end point, group or key set"),
              (status = 409, description = "The serial or the KSN is taken, or the place is another merchant's")))]
pub(crate) async fn add_reader(admin: Data<Admin>, body: Bytes) -> Answer {
    let request: ReaderRequest = read(&body)?;
    let kind = ReaderKind::from_name(&request.kind);
    let ksn = |text: String| {
        let bad = || Problem::bad("initial_ksn: must be 20 or 24 hexadecimal digits");
        Ksn::from_hex(&text).ok_or_else(bad)
    };
    let ReaderRequest { serial, merchant, endpoint, group, key_set, device, .. } = request;
    let new = NewReader {
        serial,
        kind: kind.ok_or_else(|| Problem::bad("kind: must be sim, spire, miura or mc-qrcode"))?,
        place: place(merchant, endpoint, group),
        key_set: KeySetId(key_set),
        device,
        initial_ksn: request.initial_ksn.map(ksn).transpose()?,
    };
    let reader = admin.gateway.register_reader(&new).await?;
    Ok(HttpResponse::Created().json(answer_of(&admin, reader).await?))
}

/// Let a reader serve somewhere else.
#[utoipa::path(post, path = "/admin/v1/readers/{serial}/assign", tag = "Operators",
    params(("serial" = String, Path, description = "The reader's serial", example = "10000462")),
    request_body = AssignRequest, security(("operator" = [])),
    responses((status = 200, description = "The reader as it now is", body = ReaderAnswer),
              (status = 400, description = "The request is wrong; `error` says how"),
              (status = 401, description = "Not an operator's token"),
              (status = 403, description = "Not for this role"),
              (status = 404, description = "No such reader, merchant, end point or group"),
              (status = 409, description = "The reader is lost, or the place is another merchant's")))]
pub(crate) async fn assign(admin: Data<Admin>, serial: Path<String>, body: Bytes) -> Answer {
    let AssignRequest { merchant, endpoint, group } = read(&body)?;
    let place = place(merchant, endpoint, group);
    told(&admin, admin.gateway.assign_reader(&serial, &place).await?).await
}

/// Refuse what a reader sends, until it is unblocked.
#[utoipa::path(post, path = "/admin/v1/readers/{serial}/block", tag = "Operators",
    params(("serial" = String, Path, description = "The reader's serial", example = "10000462")),
    security(("operator" = [])),
    responses((status = 200, description = "The reader as it now is", body = ReaderAnswer),
              (status = 401, description = "Not an operator's token"),
              (status = 403, description = "Not for this role"),
              (status = 404, description = "No such reader"),
              (status = 409, description = "The reader is lost")))]
pub(crate) async fn block(admin: Data<Admin>, serial: Path<String>) -> Answer {
    told(&admin, admin.gateway.block_reader(&serial).await?).await
}

/// Take again what a blocked reader sends.
#[utoipa::path(post, path = "/admin/v1/readers/{serial}/unblock", tag = "Operators",
    params(("serial" = String, Path, description = "The reader's serial", example = "10000462")),
    security(("operator" = [])),
    responses((status = 200, description = "The reader as it now is", body = ReaderAnswer),
              (status = 401, description = "Not an operator's token"),
              (status = 403, description = "Not for this role"),
              (status = 404, description = "No such reader"),
              (status = 409, description = "The reader is lost")))]
pub(crate) async fn unblock(admin: Data<Admin>, serial: Path<String>) -> Answer {
    told(&admin, admin.gateway.unblock_reader(&serial).await?).await
}

/// Refuse what a reader sends, for good.
#[utoipa::path(post, path = "/admin/v1/readers/{serial}/lost", tag = "Operators",
    params(("serial" = String, Path, description = "The reader's serial", example = "10000462")),
    security(("operator" = [])),
    responses((status = 200, description = "The reader as it now is", body = ReaderAnswer),
              (status = 401, description = "Not an operator's token"),
              (status = 403, description = "Not for this role"),
              (status = 404, description = "No such reader")))]
pub(crate) async fn lose(admin: Data<Admin>, serial: Path<String>) -> Answer {
    told(&admin, admin.gateway.lose_reader(&serial).await?).await
}

/// Hand out a reader's initial key in the clear, this once, to be injected.
#[utoipa::path(post, path = "/admin/v1/readers/{serial}/inject", tag = "Operators",
    params(("serial" = String, Path, description = "The reader's serial", example = "20000099")),
    request_body = InjectRequest, security(("operator" = [])),
    responses((status = 201, description = "The key", body = InjectAnswer),
              (status = 400, description = "The request is wrong; `error` says how"),
              (status = 401, description = "Not an operator's token"),
              (status = 403, description = "Not for this role"),
              (status = 404, description = "No such reader or key set"),
              (status = 409, description = "The key was handed out before, the reader is blocked or lost, or had these keys before")))]
pub(crate) async fn inject(admin: Data<Admin>, serial: Path<String>, body: Bytes) -> Answer {
    handed_out(&admin, &serial, None, &body).await
}

/// Hand out a reader's initial key as a key block under this transport key, this once, to be
/// injected. For custodians only.
#[utoipa::path(post, path = "/admin/v1/readers/{serial}/inject/{transport_key}", tag = "Operators",
    params(("serial" = String, Path, description = "The reader's serial", example = "20000099"),
           ("transport_key" = i64, Path, description = "The transport key's id", example = 1)),
    request_body = InjectRequest, security(("operator" = [])),
    responses((status = 201, description = "The key", body = InjectAnswer),
              (status = 400, description = "The request is wrong; `error` says how"),
              (status = 401, description = "Not an operator's token"),
              (status = 403, description = "Not for this role"),
              (status = 404, description = "No such reader, key set or transport key"),
              (status = 409, description = "The key was handed out before, the reader is blocked or lost, or had these keys before; or the transport key is weaker than the key, or the key is none of DUKPT")))]
pub(crate) async fn inject_wrapped(
    admin: Data<Admin>,
    path: Path<(String, i64)>,
    body: Bytes,
) -> Answer {
    let (serial, transport_key) = path.into_inner();
    handed_out(&admin, &serial, Some(TransportKeyId(transport_key)), &body).await
}

async fn handed_out(
    admin: &Admin,
    serial: &str,
    transport_key: Option<TransportKeyId>,
    body: &[u8],
) -> Answer {
    let InjectRequest { key_set, device } = optional(body)?;
    let injection = Injection { key_set: key_set.map(KeySetId), device, transport_key };
    let injected = admin.gateway.inject_reader(serial, injection).await?;
    let (initial_key, key_block) = match injected.key {
        InjectedKey::Clear(digits) => (Some(digits.to_string()), None),
        InjectedKey::Block(text) => (None, Some(text)),
    };
    Ok(shown_once(&InjectAnswer {
        serial: injected.reader.serial,
        cipher: injected.reader.cipher.name().to_owned(),
        initial_key,
        key_block,
        check_value: hex::encode_upper(injected.check_value),
        initial_ksn: injected.reader.initial_ksn.to_string(),
    }))
}

fn place(merchant: String, endpoint: Option<i64>, group: Option<i64>) -> Place {
    Place { merchant, endpoint: endpoint.map(EndpointId), group: group.map(GroupId) }
}

async fn told(admin: &Admin, reader: Reader) -> Answer {
    Ok(HttpResponse::Ok().json(answer_of(admin, reader).await?))
}

async fn answer_of(admin: &Admin, reader: Reader) -> Result<ReaderAnswer, Problem> {
    let set = admin.gateway.known_key_set(reader.key_set).await?;
    Ok(ReaderAnswer {
        id: reader.id.0,
        kind: reader.kind.name().to_owned(),
        merchant: admin.gateway.login_of(reader.merchant).await?,
        endpoint: reader.endpoint.map(|endpoint| endpoint.0),
        group: reader.group.map(|group| group.0),
        key_set: reader.key_set.0,
        cipher: reader.cipher.name().to_owned(),
        key_set_check_value: hex::encode_upper(set.check_value),
        state: reader.life().to_owned(),
        initial_ksn: reader.initial_ksn.to_string(),
        last_counter: reader.last_counter,
        injected_at: reader.injected_at,
        serial: reader.serial,
    })
}
