//! `sale` and `preauth`: the fields of a request and the rules about each (MAPI 3.2).

use crate::doors::form::Form;
use crate::doors::oauth::Signed;
use crate::gateway::{CallbackUrl, Intent, NOTIFY_URL, PhoneSeen, SignedNonce};
use crate::payment::money::{Amount, Currency};
use crate::payment::order::{Kind, RequestFacts};
use crate::payment::refusal::Refusal;
use std::net::IpAddr;
use utoipa::ToSchema;
use validator::{Validate, ValidateEmail, ValidationErrors};

/// The fields of `sale` and `preauth`. Lengths are capped generously, because shipped clients
/// send a 36-character phone and an e-mail that is none; endpoints with strict validation hold
/// the documented tables in full.
#[derive(Validate, ToSchema)]
pub struct SaleForm {
    /// The merchant's own unique name for the order. (On the sandbox's docs pages `auto` is
    /// replaced by a fresh name.)
    #[validate(length(max = 128, message = "longer than 128 characters"))]
    #[schema(example = "auto", max_length = 128)]
    client_orderid: String,
    /// What is paid for.
    #[validate(length(max = 65536, message = "longer than 65536 characters"))]
    #[schema(example = "Test order")]
    order_desc: String,
    /// In highest units, with a point.
    #[schema(example = "10.42", max_length = 10)]
    amount: String,
    /// ISO 4217, upper case; the end point's own.
    #[validate(length(max = 3, message = "longer than 3 characters"))]
    #[schema(example = "RUB", max_length = 3)]
    currency: String,
    #[validate(length(max = 128, message = "longer than 128 characters"))]
    #[schema(example = "no-address")]
    address1: String,
    #[validate(length(max = 128, message = "longer than 128 characters"))]
    #[schema(example = "Moscow")]
    city: String,
    #[validate(length(max = 128, message = "longer than 128 characters"))]
    #[schema(example = "123000")]
    zip_code: String,
    #[validate(length(max = 128, message = "longer than 128 characters"))]
    #[schema(example = "RU")]
    country: String,
    #[validate(length(max = 128, message = "longer than 128 characters"))]
    #[schema(example = "john.smith@example.com")]
    email: String,
    /// The payer's or the app's address, IPv4 or IPv6.
    #[validate(length(max = 45, message = "longer than 45 characters"))]
    #[schema(example = "127.0.0.1")]
    ipaddress: String,
    /// The mobile device.
    #[serde(rename = "phone-id")]
    #[validate(length(max = 128, message = "longer than 128 characters"))]
    #[schema(example = "F5769D0E-DD15-459B-AED1-E1F9F05A2495")]
    phone_id: String,
    /// The kind of `encrypted-data`.
    #[serde(rename = "encrypted-type")]
    #[validate(length(max = 128, message = "longer than 128 characters"))]
    #[schema(example = "sim")]
    encrypted_type: String,
    /// The reader's message in hex. (On the sandbox's docs pages `auto` is replaced by a swipe of
    /// the test card for this amount.)
    #[serde(rename = "encrypted-data")]
    #[schema(example = "auto")]
    encrypted_data: String,
    #[validate(length(max = 128, message = "longer than 128 characters"))]
    #[schema(example = "")]
    first_name: Option<String>,
    #[validate(length(max = 128, message = "longer than 128 characters"))]
    #[schema(example = "")]
    last_name: Option<String>,
    #[validate(length(max = 128, message = "longer than 128 characters"))]
    #[schema(example = "")]
    ssn: Option<String>,
    #[validate(length(max = 128, message = "longer than 128 characters"))]
    #[schema(example = "")]
    birthday: Option<String>,
    #[validate(length(max = 128, message = "longer than 128 characters"))]
    #[schema(example = "")]
    state: Option<String>,
    #[validate(length(max = 128, message = "longer than 128 characters"))]
    #[schema(example = "")]
    phone: Option<String>,
    #[validate(length(max = 128, message = "longer than 128 characters"))]
    #[schema(example = "")]
    cell_phone: Option<String>,
    #[validate(length(max = 128, message = "longer than 128 characters"))]
    #[schema(example = "")]
    purpose: Option<String>,
    #[validate(length(max = 128, message = "longer than 128 characters"))]
    #[schema(example = "")]
    site_url: Option<String>,
    /// Given back in status, and in the callback if it has 2048 bytes or fewer.
    #[validate(length(max = 65536, message = "longer than 65536 characters"))]
    #[schema(example = "")]
    merchant_data: Option<String>,
    /// Where the callback for this transaction goes.
    #[validate(length(max = 128, message = "longer than 128 characters"))]
    #[schema(example = "")]
    server_callback_url: Option<String>,
    /// Where the callbacks for this and every later transaction of the order go.
    #[validate(length(max = 128, message = "longer than 128 characters"))]
    #[schema(example = "")]
    notify_url: Option<String>,
    #[serde(rename = "sdk-version")]
    #[validate(length(max = 128, message = "longer than 128 characters"))]
    #[schema(example = "")]
    sdk_version: Option<String>,
}

impl SaleForm {
    /// Reads and validates the form.
    ///
    /// # Errors
    /// The first mandatory field that is missing, else the first wrong one in the order sent.
    pub fn read(form: &Form, strict: bool) -> Result<Self, Refusal> {
        form.check_all()?;
        let optional = |name| form.get(name).map(str::to_owned);
        let required = |name| form.require(name).map(str::to_owned);
        let sale = Self {
            client_orderid: required("client_orderid")?,
            order_desc: required("order_desc")?,
            amount: required("amount")?,
            currency: required("currency")?,
            address1: required("address1")?,
            city: required("city")?,
            zip_code: required("zip_code")?,
            country: required("country")?,
            email: required("email")?,
            ipaddress: required("ipaddress")?,
            phone_id: required("phone-id")?,
            encrypted_type: required("encrypted-type")?,
            encrypted_data: required("encrypted-data")?,
            first_name: optional("first_name"),
            last_name: optional("last_name"),
            ssn: optional("ssn"),
            birthday: optional("birthday"),
            state: optional("state"),
            phone: optional("phone"),
            cell_phone: optional("cell_phone"),
            purpose: optional("purpose"),
            site_url: optional("site_url"),
            merchant_data: optional("merchant_data"),
            server_callback_url: optional("server_callback_url"),
            notify_url: optional("notify_url"),
            sdk_version: optional("sdk-version"),
        };
        sale.validate().map_err(|errors| first_error(form, &errors))?;
        if sale.ipaddress.parse::<IpAddr>().is_err() {
            return Err(Refusal::invalid("ipaddress", "not an IPv4 or IPv6 address"));
        }
        if strict {
            super::strict::check(&sale.tables())?;
        }
        Ok(sale)
    }

    /// The fields that the documented tables speak of.
    fn tables(&self) -> super::strict::Tables<'_> {
        super::strict::Tables {
            first_name: self.first_name.as_deref(),
            last_name: self.last_name.as_deref(),
            ssn: self.ssn.as_deref(),
            birthday: self.birthday.as_deref(),
            address1: &self.address1,
            city: &self.city,
            state: self.state.as_deref(),
            zip_code: &self.zip_code,
            country: &self.country,
            phone: self.phone.as_deref(),
            cell_phone: self.cell_phone.as_deref(),
            email: &self.email,
        }
    }

    /// What the gateway is asked to do.
    ///
    /// # Errors
    /// An unknown currency, or an amount that is none.
    pub fn into_intent(
        self,
        kind: Kind,
        signed: Signed,
        request_digest: String,
    ) -> Result<Intent, Refusal> {
        let currency = Currency::from_alpha(&self.currency)
            .ok_or_else(|| Refusal::CurrencyNotSupported(self.currency.clone()))?;
        let amount = Amount::parse(&self.amount, currency)
            .map_err(|error| Refusal::invalid("amount", error.to_string()))?;
        let callback_url = match (self.notify_url, self.server_callback_url) {
            (Some(url), _) => Some(CallbackUrl { parameter: NOTIFY_URL, url }),
            (None, Some(url)) => Some(CallbackUrl { parameter: "server_callback_url", url }),
            (None, None) => None,
        };
        Ok(Intent {
            merchant: signed.merchant,
            endpoint: signed.endpoint,
            kind,
            client_orderid: self.client_orderid,
            amount,
            encrypted_type: self.encrypted_type,
            encrypted_data: self.encrypted_data,
            callback_url,
            facts: RequestFacts {
                order_desc: self.order_desc,
                first_name: self.first_name,
                last_name: self.last_name,
                email: self.email,
                phone: self.phone.or(self.cell_phone),
                ipaddress: self.ipaddress,
                country: self.country,
                merchant_data: self.merchant_data,
                ..RequestFacts::default()
            },
            terminal_id: None,
            phone: Some(PhoneSeen { phone_id: self.phone_id, sdk_version: self.sdk_version }),
            request_digest,
            nonce: Some(SignedNonce { digest: signed.nonce_digest, signed_at: signed.stamped_at }),
            right: None,
        })
    }
}

/// The fields by which the same request is recognised, sorted; a new signature does not make it
/// another.
pub fn signed_fields(form: &Form) -> impl Iterator<Item = (&str, &str)> {
    let fields = form.fields().iter().map(|(name, value)| (name.as_str(), value.as_str()));
    let mut fields: Vec<_> = fields.filter(|(name, _)| !name.starts_with("oauth_")).collect();
    fields.sort_unstable();
    fields.into_iter()
}

/// The first wrong field in the order in which the client sent them.
pub(super) fn first_error(form: &Form, errors: &ValidationErrors) -> Refusal {
    let errors = errors.field_errors();
    for (name, _) in form.fields() {
        let found = errors.get(name.replace('-', "_").as_str()).and_then(|list| list.first());
        if let Some(error) = found {
            let why = error.message.as_deref().unwrap_or("wrong");
            return Refusal::invalid(name, why);
        }
    }
    Refusal::invalid("?", "wrong")
}

/// Whether a text is an e-mail address, for the strict tables.
pub(super) fn is_email(text: &str) -> bool {
    text.validate_email()
}
