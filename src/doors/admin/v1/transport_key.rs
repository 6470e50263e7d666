//! Transport keys, under which other keys travel. They come by key ceremonies; no call shows one.

use super::{Admin, Answer, Data};
use crate::gateway::KnownTransportKey;
use actix_web::HttpResponse;
use serde::Serialize;
use utoipa::ToSchema;

/// A transport key.
#[derive(Serialize, ToSchema)]
pub struct TransportKeyAnswer {
    #[schema(example = 1)]
    pub id: i64,
    /// `tdes`, `aes128`, `aes192` or `aes256`.
    #[schema(example = "aes256")]
    pub algorithm: String,
    /// Three bytes, by which people on both sides compare the key without saying it.
    #[schema(example = "08D7B4")]
    pub check_value: String,
    /// The operators whose components made it.
    #[schema(example = json!(["anna", "ben"]))]
    pub custodians: Vec<String>,
    /// Milliseconds since 1970.
    pub made_at: i64,
}

impl From<KnownTransportKey> for TransportKeyAnswer {
    fn from(known: KnownTransportKey) -> Self {
        Self {
            id: known.id.0,
            algorithm: known.algorithm.name().to_owned(),
            check_value: hex::encode_upper(known.check_value),
            custodians: known.custodians,
            made_at: known.made_at,
        }
    }
}

/// List the transport keys.
#[utoipa::path(get, path = "/admin/v1/transport-keys", tag = "Operators",
    security(("operator" = [])),
    responses((status = 200, description = "All transport keys", body = Vec<TransportKeyAnswer>),
              (status = 401, description = "Not an operator's token")))]
pub(crate) async fn transport_keys(admin: Data<Admin>) -> Answer {
    let known = admin.gateway.known_transport_keys().await?;
    let told: Vec<_> = known.into_iter().map(TransportKeyAnswer::from).collect();
    Ok(HttpResponse::Ok().json(told))
}
