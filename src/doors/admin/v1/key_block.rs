//! Base keys in and out as key blocks (ASC X9.143, formerly TR-31).

use super::key_set::facts;
use super::{Admin, Answer, Data, KeySetAnswer, read, shown_once};
use crate::gateway::Exported;
use crate::payment::ids::{KeySetId, TransportKeyId};
use actix_web::HttpResponse;
use actix_web::web::{Bytes, Path};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A key set whose base key comes in a key block.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ImportRequest {
    /// The next free one, if it is left out.
    pub id: Option<i64>,
    /// The first bytes of every KSN of the set, hexadecimal.
    #[schema(example = "FFFF0E")]
    pub prefix: String,
    /// `tdes-dukpt`, `aes128-dukpt`, `aes192-dukpt` or `aes256-dukpt`.
    #[schema(example = "tdes-dukpt")]
    pub cipher: String,
    /// Which working key seals card data under TDES: `data-request` or `pin`.
    pub variant: Option<String>,
    /// In what PIN blocks may come: `iso0`, `iso1`, `iso3`, `iso4`; none refuses every PIN.
    #[serde(default)]
    pub pin_formats: Vec<String>,
    /// Version B under a TDES transport key, D under an AES one; usage B0, mode of use X or N.
    pub key_block: String,
}

/// A base key as a key block.
#[derive(Serialize, ToSchema)]
pub struct KeyBlockAnswer {
    #[schema(example = 5)]
    pub key_set: i64,
    #[schema(example = 1)]
    pub transport_key: i64,
    /// Version B under a TDES transport key, D under an AES one; usage B0, mode of use X.
    pub key_block: String,
    /// Three bytes, by which people on both sides compare the base key.
    #[schema(example = "08D7B4")]
    pub check_value: String,
}

impl From<Exported> for KeyBlockAnswer {
    fn from(exported: Exported) -> Self {
        Self {
            key_set: exported.key_set.0,
            transport_key: exported.transport_key.0,
            key_block: exported.key_block,
            check_value: hex::encode_upper(exported.check_value),
        }
    }
}

/// Add a key set whose base key comes in a key block under this transport key. Compare the check
/// value that is answered with the sender's. For custodians only.
#[utoipa::path(post, path = "/admin/v1/key-sets/import/{transport_key}", tag = "Operators",
    params(("transport_key" = i64, Path, description = "The transport key's id", example = 1)),
    request_body = ImportRequest, security(("operator" = [])),
    responses((status = 201, description = "The key set", body = KeySetAnswer),
              (status = 400, description = "The request is wrong, or the key block is refused; `error` says how"),
              (status = 401, description = "Not an operator's token"),
              (status = 403, description = "Not for this role"),
              (status = 404, description = "No such transport key"),
              (status = 409, description = "The id or the prefix is taken")))]
pub(crate) async fn import_key_set(admin: Data<Admin>, path: Path<i64>, body: Bytes) -> Answer {
    let request: ImportRequest = read(&body)?;
    let ImportRequest { id, prefix, cipher, variant, pin_formats, key_block } = request;
    let facts = facts(&prefix, &cipher, variant.as_deref(), &pin_formats)?;
    let transport_key = TransportKeyId(*path);
    let known = admin.gateway.import_key_set(id, &facts, transport_key, &key_block).await?;
    Ok(HttpResponse::Created().json(KeySetAnswer::from(known)))
}

/// Wrap a key set's base key for the party that shares this transport key. For custodians only.
#[utoipa::path(post, path = "/admin/v1/key-sets/{key_set}/export/{transport_key}",
    tag = "Operators",
    params(("key_set" = i64, Path, description = "The key set's id", example = 2),
           ("transport_key" = i64, Path, description = "The transport key's id", example = 1)),
    security(("operator" = [])),
    responses((status = 201, description = "The key block", body = KeyBlockAnswer),
              (status = 401, description = "Not an operator's token"),
              (status = 403, description = "Not for this role"),
              (status = 404, description = "No such key set or transport key"),
              (status = 409, description = "The transport key is weaker than the base key, or the base key may not be exported, or is none of DUKPT")))]
pub(crate) async fn export_key_set(admin: Data<Admin>, path: Path<(i64, i64)>) -> Answer {
    let (key_set, transport_key) = path.into_inner();
    let (key_set, transport_key) = (KeySetId(key_set), TransportKeyId(transport_key));
    let exported = admin.gateway.export_key_set(key_set, transport_key).await?;
    Ok(shown_once(&KeyBlockAnswer::from(exported)))
}
