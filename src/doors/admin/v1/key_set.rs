//! Key sets and key ceremonies. Of keys only check values are told.

use super::{Admin, Answer, Caller, Data, Problem, TransportKeyAnswer, read};
use crate::crypto::block_key::Algorithm;
use crate::gateway::{Goal, KeySetFacts, Known, Made, Progress};
use crate::payment::key_set::Cipher;
use crate::payment::pin_format::PinFormat;
use actix_web::HttpResponse;
use actix_web::web::{Bytes, Path, ReqData};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use zeroize::Zeroizing;

/// A key set whose key is made here.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct KeySetRequest {
    /// The next free one, if it is left out.
    pub id: Option<i64>,
    /// The first bytes of every KSN of the set, hexadecimal.
    #[schema(example = "FFFF0A")]
    pub prefix: String,
    /// `aes-gcm`, `tdes-dukpt`, `aes128-dukpt`, `aes192-dukpt` or `aes256-dukpt`.
    #[schema(example = "tdes-dukpt")]
    pub cipher: String,
    /// Which working key seals card data under TDES: `data-request` or `pin`.
    pub variant: Option<String>,
    /// In what PIN blocks may come: `iso0`, `iso1`, `iso3`, `iso4`; none refuses every PIN.
    #[serde(default)]
    pub pin_formats: Vec<String>,
    /// Must be true: a key that exists comes by a ceremony, or in a key block.
    pub generate: bool,
}

/// A key that is to come in components: a base key, of which `prefix` and `cipher` are told, or a
/// transport key, of which `transport_algorithm` is told.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CeremonyRequest {
    /// The first bytes of every KSN of the set, hexadecimal.
    #[schema(example = "FFFF0B")]
    pub prefix: Option<String>,
    #[schema(example = "tdes-dukpt")]
    pub cipher: Option<String>,
    pub variant: Option<String>,
    #[serde(default)]
    pub pin_formats: Vec<String>,
    /// `tdes`, `aes128`, `aes192` or `aes256`.
    #[schema(example = json!(null))]
    pub transport_algorithm: Option<String>,
    /// 2 or 3.
    #[schema(example = 2)]
    pub components: usize,
}

/// One custodian's component.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ComponentRequest {
    /// Hexadecimal, as long as the key.
    pub component: String,
    /// Three bytes, hexadecimal, as they stand beside the component.
    #[schema(example = "08D7B4")]
    pub check_value: String,
}

/// A key set.
#[derive(Serialize, ToSchema)]
pub struct KeySetAnswer {
    #[schema(example = 5)]
    pub id: i64,
    #[schema(example = "FFFF0A")]
    pub prefix: String,
    #[schema(example = "tdes-dukpt")]
    pub cipher: String,
    #[schema(example = "data-request")]
    pub variant: Option<String>,
    pub pin_formats: Vec<String>,
    /// Three bytes, by which people compare the base key without saying it.
    #[schema(example = "08D7B4")]
    pub check_value: String,
}

/// How far a ceremony has come.
#[derive(Serialize, ToSchema)]
pub struct CeremonyAnswer {
    #[schema(example = 1)]
    pub id: i64,
    /// How many components make the key.
    #[schema(example = 2)]
    pub components: usize,
    /// The components that wait for the others.
    pub received: Vec<ReceivedAnswer>,
    /// The key set that came of it.
    pub key_set: Option<KeySetAnswer>,
    /// The transport key that came of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub transport_key: Option<TransportKeyAnswer>,
}

/// A component that waits for the others.
#[derive(Serialize, ToSchema)]
pub struct ReceivedAnswer {
    #[schema(example = "anna")]
    pub operator: String,
    #[schema(example = "08D7B4")]
    pub check_value: String,
}

impl From<Known> for KeySetAnswer {
    fn from(known: Known) -> Self {
        let KeySetFacts { prefix, cipher, pin_formats } = known.facts;
        Self {
            id: known.id.0,
            prefix: hex::encode_upper(prefix),
            cipher: cipher.name().to_owned(),
            variant: cipher.variant().map(str::to_owned),
            pin_formats: pin_formats.iter().map(|format| format.name().to_owned()).collect(),
            check_value: hex::encode_upper(known.check_value),
        }
    }
}

impl From<Progress> for CeremonyAnswer {
    fn from(progress: Progress) -> Self {
        let received = progress.received.into_iter();
        let told = |(operator, check_value)| ReceivedAnswer { operator, check_value };
        let (key_set, transport_key) = match progress.made {
            Some(Made::KeySet(known)) => (Some(known.into()), None),
            Some(Made::TransportKey(known)) => (None, Some(known.into())),
            None => (None, None),
        };
        Self {
            id: progress.id,
            components: progress.components,
            received: received.map(told).collect(),
            key_set,
            transport_key,
        }
    }
}

/// What a ceremony is to make: a base key or a transport key, never both.
fn goal(request: &CeremonyRequest) -> Result<Goal, Problem> {
    let CeremonyRequest { prefix, cipher, variant, pin_formats, transport_algorithm, .. } = request;
    let base_key = prefix.is_some() || cipher.is_some() || variant.is_some();
    match (prefix, cipher, transport_algorithm) {
        (Some(prefix), Some(cipher), None) => {
            Ok(Goal::KeySet(facts(prefix, cipher, variant.as_deref(), pin_formats)?))
        }
        (_, _, Some(name)) if !base_key && pin_formats.is_empty() => {
            let algorithm = Algorithm::from_name(name);
            let why = "transport_algorithm: must be tdes, aes128, aes192 or aes256";
            algorithm.map(Goal::TransportKey).ok_or_else(|| Problem::bad(why))
        }
        _ => {
            let why = "name prefix and cipher for a base key, or transport_algorithm alone for a \
                       transport key";
            Err(Problem::bad(why))
        }
    }
}

/// What is said of a key set, read.
pub(super) fn facts(
    prefix: &str,
    cipher: &str,
    variant: Option<&str>,
    pin_formats: &[String],
) -> Result<KeySetFacts, Problem> {
    let prefix = hex::decode(prefix).map_err(|_| Problem::bad("prefix: must be hexadecimal"))?;
    let cipher = Cipher::from_names(cipher, variant);
    let cipher = cipher.ok_or_else(|| {
        Problem::bad("cipher: there is none of this name, or it has no such variant")
    })?;
    let format = |name: &String| {
        let format = PinFormat::from_name(name);
        format.ok_or_else(|| Problem::bad("pin_formats: must be of iso0, iso1, iso3, iso4"))
    };
    let pin_formats = pin_formats.iter().map(format).collect::<Result<_, _>>()?;
    Ok(KeySetFacts { prefix, cipher, pin_formats })
}

/// List the key sets.
#[utoipa::path(get, path = "/admin/v1/key-sets", tag = "Operators",
    security(("operator" = [])),
    responses((status = 200, description = "All key sets", body = Vec<KeySetAnswer>),
              (status = 401, description = "Not an operator's token")))]
pub(crate) async fn key_sets(admin: Data<Admin>) -> Answer {
    let known = admin.gateway.known_key_sets().await?.into_iter().map(KeySetAnswer::from);
    Ok(HttpResponse::Ok().json(known.collect::<Vec<_>>()))
}

/// Add a key set with a fresh base key. It leaves as a key block only, if custodians export it.
#[utoipa::path(post, path = "/admin/v1/key-sets", tag = "Operators",
    request_body = KeySetRequest, security(("operator" = [])),
    responses((status = 201, description = "The key set", body = KeySetAnswer),
              (status = 400, description = "The request is wrong; `error` says how"),
              (status = 401, description = "Not an operator's token"),
              (status = 403, description = "Not for this role"),
              (status = 409, description = "The id or the prefix is taken")))]
pub(crate) async fn add_key_set(admin: Data<Admin>, body: Bytes) -> Answer {
    let request: KeySetRequest = read(&body)?;
    if !request.generate {
        let why = "generate: must be true; a key that exists comes by a key ceremony, or in a key \
                   block by POST /admin/v1/key-sets/import/{transport_key}";
        return Err(Problem::bad(why));
    }
    let KeySetRequest { id, prefix, cipher, variant, pin_formats, .. } = request;
    let facts = facts(&prefix, &cipher, variant.as_deref(), &pin_formats)?;
    let known = admin.gateway.generate_key_set(id, &facts).await?;
    Ok(HttpResponse::Created().json(KeySetAnswer::from(known)))
}

/// Begin a ceremony: a base key or a transport key will come in components, each from another
/// operator.
#[utoipa::path(post, path = "/admin/v1/key-ceremonies", tag = "Operators",
    request_body = CeremonyRequest, security(("operator" = [])),
    responses((status = 201, description = "The ceremony", body = CeremonyAnswer),
              (status = 400, description = "The request is wrong; `error` says how"),
              (status = 401, description = "Not an operator's token"),
              (status = 403, description = "Not for this role"),
              (status = 409, description = "The prefix is taken")))]
pub(crate) async fn begin_ceremony(admin: Data<Admin>, body: Bytes) -> Answer {
    let request: CeremonyRequest = read(&body)?;
    let progress = admin.gateway.begin_ceremony(&goal(&request)?, request.components).await?;
    Ok(HttpResponse::Created().json(CeremonyAnswer::from(progress)))
}

/// See how far a ceremony has come.
#[utoipa::path(get, path = "/admin/v1/key-ceremonies/{ceremony}", tag = "Operators",
    params(("ceremony" = i64, Path, description = "The ceremony's id", example = 1)),
    security(("operator" = [])),
    responses((status = 200, description = "The ceremony", body = CeremonyAnswer),
              (status = 401, description = "Not an operator's token"),
              (status = 404, description = "No such ceremony")))]
pub(crate) async fn ceremony(admin: Data<Admin>, path: Path<i64>) -> Answer {
    let progress = admin.gateway.ceremony(*path).await?;
    Ok(HttpResponse::Ok().json(CeremonyAnswer::from(progress)))
}

/// Give a component. The last one makes the key; compare the check value that is answered. For
/// custodians only.
#[utoipa::path(post, path = "/admin/v1/key-ceremonies/{ceremony}/components", tag = "Operators",
    params(("ceremony" = i64, Path, description = "The ceremony's id", example = 1)),
    request_body = ComponentRequest, security(("operator" = [])),
    responses((status = 200, description = "The ceremony", body = CeremonyAnswer),
              (status = 400, description = "The component is none, or has another check value"),
              (status = 401, description = "Not an operator's token"),
              (status = 403, description = "Not for this role"),
              (status = 404, description = "No such ceremony"),
              (status = 409, description = "This operator has given one, the ceremony is over, or the components make no key: then begin again")))]
pub(crate) async fn give_component(
    admin: Data<Admin>,
    caller: ReqData<Caller>,
    path: Path<i64>,
    body: Bytes,
) -> Answer {
    let ComponentRequest { component, check_value } = read(&body)?;
    let component = Zeroizing::new(component);
    let mut expected = [0; 3];
    hex::decode_to_slice(check_value, &mut expected)
        .map_err(|_| Problem::bad("check_value: must be six hexadecimal digits"))?;
    let gateway = &admin.gateway;
    let progress = gateway.give_component(*path, &caller.name, &component, expected).await?;
    Ok(HttpResponse::Ok().json(CeremonyAnswer::from(progress)))
}
