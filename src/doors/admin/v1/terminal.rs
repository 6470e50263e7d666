//! Payment terminals that are played here.

use super::{Admin, Answer, Data, PageQuery, Problem, page_of, read};
use crate::gateway::NewTerminal;
use crate::payment::ids::{MerchantId, TerminalId};
use crate::payment::terminal::{Dialect, KeyName, Profile, Shop, Terminal};
use actix_web::web::{Bytes, Path};
use actix_web::{HttpRequest, HttpResponse};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use zeroize::Zeroizing;

/// A terminal to be added.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TerminalRequest {
    /// What points of sale address it by (POIID): 1 to 32 printable ASCII characters.
    #[schema(example = "SHOP-7-TILL-2")]
    pub poi_id: String,
    /// The merchant's login.
    #[schema(example = "sandbox")]
    pub merchant: String,
    /// The serial of the card reader inside it, of the kind `sim`.
    #[schema(example = "10000464")]
    pub reader: String,
    /// What the acquirer calls it, six digits; the next free ones if it is left out.
    pub acquirer_poi_id: Option<String>,
    /// `xml31` or `json`.
    #[schema(example = "xml31")]
    pub dialect: String,
    /// The key that its points of sale must show. Without one only those of this machine are let
    /// in.
    pub api_key: Option<String>,
    /// What protects its messages; `json` only.
    pub passphrase: Option<String>,
    /// The passphrase's name and version on the wire.
    pub key_identifier: Option<String>,
    pub key_version: Option<u32>,
    #[serde(flatten)]
    pub changes: TerminalChanges,
}

/// What can be changed of a terminal; what is left out stays.
#[derive(Default, Deserialize, ToSchema)]
#[serde(default)]
pub struct TerminalChanges {
    /// Where its point of sale listens; empty: nowhere.
    pub listener_url: Option<String>,
    /// Whether a point of sale has to log in first.
    pub login_required: Option<bool>,
    /// How long it is busy behind a payment, in milliseconds.
    pub cooldown_ms: Option<i64>,
    /// How long the card holder takes, in milliseconds.
    #[schema(example = 1500)]
    pub card_ms: Option<i64>,
    /// Whether a part of the amount may be approved.
    pub partial_approval: Option<bool>,
    /// Whether it can be reached.
    pub online: Option<bool>,
    /// The shop's name on receipts.
    pub shop_name: Option<String>,
}

/// A terminal.
#[derive(Serialize, ToSchema)]
pub struct TerminalAnswer {
    /// For `after`.
    #[schema(example = 5)]
    pub id: i64,
    #[schema(example = "SHOP-7-TILL-2")]
    pub poi_id: String,
    #[schema(example = "10000464")]
    pub reader: String,
    #[schema(example = "412005")]
    pub acquirer_poi_id: String,
    #[schema(example = "xml31")]
    pub dialect: String,
    pub listener_url: Option<String>,
    pub login_required: Option<bool>,
    pub cooldown_ms: Option<i64>,
    pub card_ms: i64,
    pub partial_approval: bool,
    pub online: bool,
    pub shop_name: String,
}

impl TerminalChanges {
    fn apply(self, terminal: &mut Terminal) {
        let profile = &mut terminal.profile;
        profile.login_required = self.login_required.or(profile.login_required);
        profile.cooldown_ms = self.cooldown_ms.or(profile.cooldown_ms);
        profile.card_ms = self.card_ms.unwrap_or(profile.card_ms);
        profile.partial_approval = self.partial_approval.unwrap_or(profile.partial_approval);
        profile.online = self.online.unwrap_or(profile.online);
        if let Some(name) = self.shop_name {
            profile.shop.name = name;
        }
        if let Some(url) = self.listener_url {
            terminal.listener_url = Some(url).filter(|url| !url.is_empty());
        }
    }
}

/// List the terminals.
#[utoipa::path(get, path = "/admin/v1/terminals", tag = "Operators",
    params(PageQuery), security(("operator" = [])),
    responses((status = 200, description = "A page of terminals", body = Vec<TerminalAnswer>),
              (status = 400, description = "The query is wrong"),
              (status = 401, description = "Not an operator's token")))]
pub(crate) async fn terminals(admin: Data<Admin>, request: HttpRequest) -> Answer {
    let page = page_of(&request)?;
    let found = admin.gateway.terminals_after(TerminalId(page.after), page.limit).await?;
    let told: Vec<_> = found.iter().map(TerminalAnswer::of).collect();
    Ok(HttpResponse::Ok().json(told))
}

/// Add a terminal.
#[utoipa::path(post, path = "/admin/v1/terminals", tag = "Operators",
    request_body = TerminalRequest, security(("operator" = [])),
    responses((status = 201, description = "The terminal", body = TerminalAnswer),
              (status = 400, description = "The request is wrong; `error` says how"),
              (status = 401, description = "Not an operator's token"),
              (status = 403, description = "Not for this role"),
              (status = 404, description = "No such merchant or reader"),
              (status = 409, description = "The POIID is taken, or the reader is another merchant's")))]
pub(crate) async fn add_terminal(admin: Data<Admin>, body: Bytes) -> Answer {
    let request: TerminalRequest = read(&body)?;
    let dialect = Dialect::from_name(&request.dialect)
        .ok_or_else(|| Problem::bad("dialect: write xml31 or json"))?;
    let key = request.passphrase.as_ref().map(|_| KeyName {
        identifier: request.key_identifier.unwrap_or_else(|| "key".to_owned()),
        version: request.key_version.unwrap_or(1),
    });
    let mut wanted = Terminal {
        id: TerminalId(0),
        poi_id: request.poi_id,
        merchant: MerchantId(0),
        reader: request.reader,
        acquirer_poi_id: String::new(),
        dialect,
        profile: Profile { key, shop: Shop::default(), ..Profile::default() },
        listener_url: None,
    };
    request.changes.apply(&mut wanted);
    let new = NewTerminal {
        poi_id: wanted.poi_id,
        merchant: request.merchant,
        reader: wanted.reader,
        acquirer_poi_id: request.acquirer_poi_id,
        dialect,
        profile: wanted.profile,
        listener_url: wanted.listener_url,
        credential: request.api_key.map(Zeroizing::new),
        passphrase: request.passphrase.map(Zeroizing::new),
    };
    let terminal = admin.gateway.register_terminal(new).await?;
    Ok(HttpResponse::Created().json(TerminalAnswer::of(&terminal)))
}

/// Change a terminal.
#[utoipa::path(patch, path = "/admin/v1/terminals/{poi_id}", tag = "Operators",
    params(("poi_id" = String, Path, description = "The POIID", example = "SIM-XML-1")),
    request_body = TerminalChanges, security(("operator" = [])),
    responses((status = 200, description = "The terminal", body = TerminalAnswer),
              (status = 400, description = "The request is wrong; `error` says how"),
              (status = 401, description = "Not an operator's token"),
              (status = 403, description = "Not for this role"),
              (status = 404, description = "No such terminal")))]
pub(crate) async fn change_terminal(
    admin: Data<Admin>,
    poi_id: Path<String>,
    body: Bytes,
) -> Answer {
    let changes: TerminalChanges = read(&body)?;
    let mut terminal = admin.gateway.known_terminal(&poi_id).await?;
    changes.apply(&mut terminal);
    admin.gateway.change_terminal(&terminal).await?;
    Ok(HttpResponse::Ok().json(TerminalAnswer::of(&terminal)))
}

impl TerminalAnswer {
    fn of(terminal: &Terminal) -> Self {
        let profile = &terminal.profile;
        Self {
            id: terminal.id.0,
            poi_id: terminal.poi_id.clone(),
            reader: terminal.reader.clone(),
            acquirer_poi_id: terminal.acquirer_poi_id.clone(),
            dialect: terminal.dialect.name().to_owned(),
            listener_url: terminal.listener_url.clone(),
            login_required: profile.login_required,
            cooldown_ms: profile.cooldown_ms,
            card_ms: profile.card_ms,
            partial_approval: profile.partial_approval,
            online: profile.online,
            shop_name: profile.shop.name.clone(),
        }
    }
}
