//! The OpenAPI document, made from the code, and the pages on which people try it.

use super::{admin, mapi, nexo, ops, rki, sandbox};
use actix_web::HttpResponse;
use actix_web::http::header::LOCATION;
use actix_web::web::{self, Path, ServiceConfig};
use std::sync::Arc;
use utoipa::openapi::security::{ApiKey, ApiKeyValue, SecurityScheme};
use utoipa::{Modify, OpenApi};
use utoipa_swagger_ui::Config;

/// Where the pages are.
pub const DOCS_PATH: &str = "/docs/";
/// Where the document is.
const DOCUMENT_PATH: &str = "/openapi.json";

/// Starts Swagger UI and, in the sandbox, signs what it sends.
const INITIALIZER: &str = include_str!("initializer.js");

/// The document.
#[derive(OpenApi)]
#[openapi(
    info(
        title = "tillgate",
        description = "Self-hosted mPOS acquirer gateway and its sandbox. Answers of the mPOS API are pairs with a line feed after each value; send `Accept: application/vnd.pay+json` for JSON.",
    ),
    paths(
        mapi::sale,
        mapi::preauth,
        mapi::emv_advice,
        mapi::add_signature,
        mapi::status,
        mapi::status_of_group,
        mapi::capture,
        mapi::close_day,
        mapi::give_back,
        mapi::void,
        mapi::transaction_report,
        rki::spire_config,
        rki::spire_update,
        rki::miura_check,
        rki::inpas_config,
        nexo::sale_to_poi,
        nexo::local,
        nexo::sync,
        nexo::later,
        nexo::device_status,
        nexo::connected_devices,
        nexo::choose_next,
        sandbox::swipe,
        sandbox::complete,
        sandbox::scripts,
        sandbox::callbacks,
        sandbox::clock,
        sandbox::move_clock,
        sandbox::limits,
        sandbox::set_limits,
        sandbox::sign,
        admin::balances,
        admin::explain_control,
        admin::explain_decrypt,
        admin::gate,
        admin::unlock,
        admin::resolve,
        admin::settlement_csv,
        admin::settlement_json,
        admin::v1::operators,
        admin::v1::add_operator,
        admin::v1::disable_operator,
        admin::v1::audit_rows,
        admin::v1::verify_audit,
        admin::v1::merchants,
        admin::v1::add_merchant,
        admin::v1::rotate_control_key,
        admin::v1::groups,
        admin::v1::add_group,
        admin::v1::endpoints,
        admin::v1::endpoint,
        admin::v1::add_endpoint,
        admin::v1::change_endpoint,
        admin::v1::set_callback_url,
        admin::v1::callback_state,
        admin::v1::stop_callbacks,
        admin::v1::start_callbacks,
        admin::v1::requeue_callbacks,
        admin::v1::replay_callbacks,
        admin::v1::set_webhooks,
        admin::v1::rotate_webhook_key,
        admin::v1::callbacks,
        admin::v1::callback,
        admin::v1::callback_call,
        admin::v1::resend_callback,
        admin::v1::key_sets,
        admin::v1::add_key_set,
        admin::v1::import_key_set,
        admin::v1::export_key_set,
        admin::v1::transport_keys,
        admin::v1::begin_ceremony,
        admin::v1::ceremony,
        admin::v1::give_component,
        admin::v1::readers,
        admin::v1::reader,
        admin::v1::add_reader,
        admin::v1::assign,
        admin::v1::block,
        admin::v1::unblock,
        admin::v1::lose,
        admin::v1::inject,
        admin::v1::inject_wrapped,
        admin::v1::terminals,
        admin::v1::add_terminal,
        admin::v1::change_terminal,
        ops::live,
        ops::ready,
        ops::metrics,
    ),
    modifiers(&Signatures),
    tags(
        (name = "mPOS API", description = "What a merchant's mobile app calls"),
        (name = "nexo Retailer", description = "What a point of sale says to a terminal, which is played here"),
        (name = "Readers", description = "What readers are configured with, as their SDK asks for it"),
        (name = "Sandbox", description = "Virtual readers, the callback inbox, the clock and limits; only in `tillgate dev`"),
        (name = "Operators", description = "Gates, unknown outcomes, settlement files, the registry, the audit log"),
        (name = "Operations", description = "Health and metrics"),
    )
)]
pub struct Document;

struct Signatures;

impl Modify for Signatures {
    fn modify(&self, openapi: &mut utoipa::openapi::OpenApi) {
        let description = "OAuth 1.0a, HMAC-SHA1, no token: \
             `OAuth oauth_consumer_key=\"login\", ... oauth_signature=\"...\"`. \
             In the sandbox `POST /sandbox/sign` makes one, and these pages do it for you.";
        let header = ApiKeyValue::with_description("Authorization", description);
        let components = openapi.components.get_or_insert_with(Default::default);
        components.add_security_scheme("oauth1", SecurityScheme::ApiKey(ApiKey::Header(header)));
        let token =
            "An operator's token: `Bearer TOKEN`. In `tillgate dev` that of `root` is `sandbox`.";
        let token = ApiKeyValue::with_description("Authorization", token);
        components.add_security_scheme("operator", SecurityScheme::ApiKey(ApiKey::Header(token)));
    }
}

/// The document as it is kept in `openapi/openapi.json`.
#[must_use]
pub fn document() -> String {
    let mut text = Document::openapi().to_pretty_json().unwrap_or_default();
    text.push('\n');
    text
}

/// What the pages need to know.
#[derive(Clone, Copy)]
pub struct Docs {
    /// The sandbox is there to complete and sign requests.
    pub sandbox: bool,
}

/// Mounts the document and the pages.
pub fn configure(config: &mut ServiceConfig) {
    config
        .route(DOCUMENT_PATH, web::get().to(openapi))
        .route("/docs", web::get().to(|| async { redirect() }))
        .route("/", web::get().to(|| async { redirect() }))
        .route("/docs/{tail:.*}", web::get().to(page));
}

fn redirect() -> HttpResponse {
    HttpResponse::Found().insert_header((LOCATION, DOCS_PATH)).finish()
}

async fn openapi() -> HttpResponse {
    HttpResponse::Ok().content_type("application/json").body(document())
}

/// The files of Swagger UI, which lie in the program; the script that starts it is ours.
async fn page(docs: web::Data<Docs>, tail: Path<String>) -> HttpResponse {
    if tail.as_str() == "swagger-initializer.js" {
        let script = INITIALIZER.replace("{{sandbox}}", &docs.sandbox.to_string());
        return HttpResponse::Ok().content_type("text/javascript; charset=utf-8").body(script);
    }
    match utoipa_swagger_ui::serve(&tail, Arc::new(Config::from(DOCUMENT_PATH))) {
        Ok(Some(file)) => {
            HttpResponse::Ok().content_type(file.content_type).body(file.bytes.into_owned())
        }
        Ok(None) => HttpResponse::NotFound().finish(),
        Err(error) => {
            tracing::error!(%error, "the docs page cannot be made");
            HttpResponse::InternalServerError().finish()
        }
    }
}
