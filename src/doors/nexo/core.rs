//! The way to the payment core: what a terminal opens, undoes and takes there. The core knows it as
//! a reader's message and an order like any other.

use super::call::{Call, number_of, transaction_text};
use super::condition::{Condition, Failed};
use super::device::Device;
use super::message::Message;
use super::sale::{PaymentType, Sale, unknown_currency};
use super::service::Carried;
use crate::gateway::{
    AmendIntent, Encrypted, Failure, Gateway, Intent, KnownTerminal, Scope, ServiceRecord,
    TillMessage,
};
use crate::payment::amend::Request;
use crate::payment::amendment::Amendment;
use crate::payment::card::{CardFacts, EntryMode, Expiry, Pan};
use crate::payment::chip::ChipTags;
use crate::payment::host::HostProfile;
use crate::payment::ids::{EndpointId, ServiceNumber};
use crate::payment::money::Amount;
use crate::payment::order::{Kind, Order, RequestFacts, Status};
use crate::payment::refusal::Refusal;
use crate::sandbox::reader::{
    Presentation, Swipe, TEST_CARDHOLDER, TEST_EXPIRY, TEST_PAN, complete, read_card,
};
use crate::sandbox::terminal::{Deed, Play};
use std::sync::Arc;

/// Why there is no order.
pub(super) enum NotOpened {
    /// Nothing was sent, and the point of sale is told why.
    Failed(Failed),
    /// It is not known yet.
    Failure(Failure),
}

impl From<Failure> for NotOpened {
    fn from(failure: Failure) -> Self {
        Self::Failure(failure)
    }
}

impl From<Failed> for NotOpened {
    fn from(failed: Failed) -> Self {
        Self::Failed(failed)
    }
}

/// The core's name for what a service does there: by it a crash is survived.
pub(super) fn name_of(number: ServiceNumber) -> String {
    format!("nexo-{number}")
}

/// The order of a payment, if it was opened. A merchant's app may give its own orders such names.
async fn order_of_service(
    known: &KnownTerminal,
    gateway: &Gateway,
    endpoint: EndpointId,
    number: ServiceNumber,
) -> Result<Option<Order>, Failure> {
    let order = gateway.order_called(endpoint, &name_of(number)).await?;
    let is_ours = |order: &Order| {
        let facts = &order.request;
        matches!(facts.host_profile, HostProfile::Terminal { .. })
            && facts.terminal_id == known.terminal.acquirer_poi_id
    };
    Ok(order.filter(is_ours))
}

/// Lets the reader read the card and opens the order.
pub(super) async fn open_order(
    carried: &Carried,
    sale: &Sale,
    play: &Play,
) -> Result<Order, NotOpened> {
    let gateway = &carried.call.nexo.gateway;
    let endpoint = match sale.endpoint {
        Some(endpoint) => gateway.endpoint(endpoint).await?,
        None => None,
    };
    let endpoint = endpoint.ok_or_else(|| unknown_currency(&sale.currency))?;
    let amount = asked_for(carried, sale, play)?;
    let kind = sale.kind.order_kind().unwrap_or(Kind::Sale);
    let swipe = read(carried, play, amount).await?;
    let name = name_of(carried.number());
    let known = &carried.call.known;
    let intent = Intent {
        merchant: Arc::clone(&known.merchant),
        kind,
        client_orderid: name.clone(),
        amount,
        encrypted_type: swipe.encrypted_type.to_owned(),
        request_digest: gateway.request_digest(kind, std::iter::once(("service", name.as_str()))),
        encrypted_data: swipe.encrypted_data,
        callback_url: None,
        facts: RequestFacts {
            order_desc: format!("{} at {}", told(sale), known.terminal.poi_id),
            ipaddress: "127.0.0.1".to_owned(),
            host_profile: HostProfile::Terminal { ending: sale.ending },
            ..RequestFacts::default()
        },
        terminal_id: Some(known.terminal.acquirer_poi_id.clone()),
        phone: None,
        nonce: None,
        right: Some(carried.right()),
        endpoint: Arc::clone(&endpoint),
    };
    let submitted = gateway.submit(intent).await;
    // Whatever was heard of it: what counts is what is there.
    match (order_of_service(known, gateway, endpoint.id, carried.number()).await?, submitted) {
        (Some(order), _) => Ok(order),
        (None, Err(Failure::Refused { refusal, cause })) => {
            tracing::info!(service = %carried.number(), %refusal, ?cause, "a payment was refused");
            Err(refused(&refusal).into())
        }
        (None, Err(failure)) => Err(failure.into()),
        (None, Ok(accepted)) => {
            Err(Failure::Internal(format!("order {} vanished", accepted.order)).into())
        }
    }
}

fn told(sale: &Sale) -> String {
    let name = sale.transaction["TransactionID"].as_str().unwrap_or_default();
    name.chars().filter(|c| !c.is_control()).take(128).collect()
}

/// What the acquirer is asked for: half of it where there is no more, and a part will do.
fn asked_for(carried: &Carried, sale: &Sale, play: &Play) -> Result<Amount, NotOpened> {
    let partly = carried.call.known.terminal.profile.partial_approval;
    let half = play.deed == Deed::Half && partly && sale.minor > 1;
    let currency = sale.currency().ok_or_else(|| unknown_currency(&sale.currency))?;
    let minor = if half { sale.minor / 2 } else { sale.minor };
    let amount = Amount::from_minor(minor, currency);
    Ok(amount.ok_or_else(|| Failed::new(Condition::MessageFormat, "RequestedAmount: too large"))?)
}

/// Where a terminal's payments in this currency go.
pub(super) async fn endpoint_of(call: &Call, sale: &Sale) -> Result<Option<EndpointId>, Failure> {
    let Some(currency) = sale.currency() else {
        return Ok(None);
    };
    let endpoint = call.nexo.gateway.endpoint_of_terminal(&call.known.terminal, currency).await?;
    Ok(endpoint.map(|endpoint| endpoint.id))
}

/// The order of a payment that a crash left behind. If there is none, there never will be.
pub(super) async fn order_of(carried: &Carried, sale: &Sale) -> Result<Option<Order>, Failure> {
    let Some(endpoint) = sale.endpoint else {
        return Ok(None);
    };
    let (gateway, known) = (&carried.call.nexo.gateway, &carried.call.known);
    // Whoever had it before may be about to open it.
    gateway.withdraw_right(carried.right()).await?;
    order_of_service(known, gateway, endpoint, carried.number()).await
}

/// A card meets the reader in the terminal.
async fn read(carried: &Carried, play: &Play, amount: Amount) -> Result<Swipe, NotOpened> {
    let (nexo, device) = (&carried.call.nexo, &carried.call.device);
    let reader = nexo.gateway.reader(&carried.call.known.terminal.reader).await?;
    let reader = reader.ok_or_else(|| Failed::new(Condition::DeviceOut, "CardReader missing"))?;
    let out_of_order =
        |why: String| Failed::new(Condition::DeviceOut, format!("CardReader out of order: {why}"));
    let (pan, expiry) = card_at(device)?;
    device.choose(|next| next.card = None);
    let card = Presentation {
        pan: &pan,
        expiry,
        cardholder: TEST_CARDHOLDER,
        entry_mode: play.entry_mode,
        pin: play.pin,
    };
    let key = nexo.gateway.initial_key(&reader).await?;
    let counter = nexo.counters.next(&reader).map_err(|fault| out_of_order(fault.to_string()))?;
    let now = carried.call.now();
    let swipe = read_card(&reader, &key, counter, &card, amount, now, &nexo.entropy);
    Ok(swipe.map_err(|fault| out_of_order(fault.to_string()))?)
}

/// The card that is held to the terminal.
fn card_at(device: &Device) -> Result<(Pan, Expiry), Failed> {
    let unreadable = || Failed::new(Condition::InvalidCard, "Card cannot be read");
    let chosen = device.chosen().card;
    let digits = chosen.as_ref().map_or(TEST_PAN, |card| card.pan.as_str());
    let expiry = chosen.as_ref().map_or(TEST_EXPIRY, |card| card.expiry.as_str());
    let pan = Pan::parse(digits).map_err(|_| unreadable())?;
    Ok((pan, Expiry::from_yymm(expiry).ok_or_else(unreadable)?))
}

/// What a terminal tells of the card that is held to it, without a payment.
pub(super) fn look_at_card(carried: &Carried) -> Result<CardFacts, Failed> {
    let (pan, expiry) = card_at(&carried.call.device)?;
    Ok(CardFacts {
        bin: pan.first_six().to_owned(),
        last_four: pan.last_four().to_owned(),
        expiry,
        brand: pan.brand(),
        hash: carried.call.nexo.gateway.card_hash(&pan),
        cardholder: None,
        entry_mode: EntryMode::Contactless,
        chip: ChipTags::default(),
    })
}

/// The chip has the last word, and says yes.
pub(super) async fn complete_chip(carried: &Carried, order: &Order) -> Result<(), Failure> {
    let nexo = &carried.call.nexo;
    let known = &carried.call.known;
    let reader = nexo.gateway.reader(&known.terminal.reader).await?;
    let reader = reader.ok_or_else(|| Failure::Internal("the reader vanished".to_owned()))?;
    let key = nexo.gateway.initial_key(&reader).await?;
    let worn_out =
        |fault: crate::sandbox::reader::ReaderFault| Failure::Internal(fault.to_string());
    let counter = nexo.counters.next(&reader).map_err(worn_out)?;
    let swipe = complete(&reader, &key, counter, true, order.amount, &nexo.entropy);
    let swipe = swipe.map_err(worn_out)?;
    let message = TillMessage {
        merchant: Arc::clone(&known.merchant),
        endpoint: order.endpoint,
        order: Some(order.id),
        client_orderid: order.client_orderid.clone(),
        nonce: None,
    };
    let encrypted =
        Encrypted { layout: swipe.encrypted_type.to_owned(), data: swipe.encrypted_data };
    match nexo.gateway.take_advice(message, encrypted).await {
        // Too late: then the order is being reversed, which its outcome tells.
        Ok(_) | Err(Failure::Refused { .. }) => Ok(()),
        Err(failure) => Err(failure),
    }
}

/// Gives back all that an order took, or releases what it holds, because the card holder's
/// signature was refused. It is asked for once, whatever happens; what is refused for good is for
/// the operator.
pub(super) async fn take_back(carried: &Carried, order: &Order) -> Result<(), Failure> {
    if let Err(failed) = amend(carried, order, Request::Return(None)).await? {
        let (order, why) = (order.id, failed.text);
        tracing::error!(%order, why, "a payment without a signature cannot be given back");
    }
    Ok(())
}

/// Takes a part, or all, of what an earlier payment holds.
pub(super) async fn capture(
    carried: &Carried,
    sale: &Sale,
) -> Result<Result<Order, Failed>, Failure> {
    let original = sale.original.as_deref().unwrap_or_default();
    let Some((_, order)) = find_original(carried, original).await? else {
        return Ok(Err(not_found()));
    };
    let amended = amend(carried, &order, Request::Capture(sale.amount())).await?;
    Ok(amended.map(|amendment| Order {
        amount: amendment.amount,
        outcome: amendment.outcome.clone(),
        updated_at: amendment.updated_at,
        ..order
    }))
}

/// The core's name for a later transaction: nobody else can choose it.
fn amendment_name(carried: &Carried) -> String {
    let name = name_of(carried.number());
    let gateway = &carried.call.nexo.gateway;
    let digest =
        gateway.request_digest(Kind::Refund, std::iter::once(("amendment", name.as_str())));
    format!("{name} {}", digest.chars().take(8).collect::<String>())
}

/// A later transaction on an order, to its end. Asked for twice by the same service it is the same.
pub(super) async fn amend(
    carried: &Carried,
    order: &Order,
    request: Request,
) -> Result<Result<Amendment, Failed>, Failure> {
    let gateway = &carried.call.nexo.gateway;
    let comment = amendment_name(carried);
    let intent = AmendIntent {
        merchant: Arc::clone(&carried.call.known.merchant),
        scope: Scope::Endpoint(order.endpoint),
        order: order.id,
        client_orderid: order.client_orderid.clone(),
        request,
        comment: Some(comment.clone()),
        once: true,
    };
    let amended = gateway.amend(intent).await;
    // Whatever was heard of it: what counts is what is there.
    let known = match (gateway.amendment_called(order, &comment).await?, amended) {
        (None, Err(Failure::Refused { refusal, .. })) => return Ok(Err(refused(&refusal))),
        (None, Err(failure)) => return Err(failure),
        (known, _) => known,
    };
    let known = known.ok_or_else(|| Failure::Internal("an amendment vanished".to_owned()))?;
    let ended = gateway.end_of_amendment(order, known.id).await?;
    let code = ended.outcome.response_code.clone();
    Ok(match ended.status {
        // What is not answered is asked again until it is: whoever was told to come back would
        // have it done twice.
        Status::Approved | Status::Unknown => Ok(ended),
        _ => {
            let code = code.unwrap_or_else(|| "91".to_owned());
            let text = format!("Refused by Acquirer: code {code}");
            Err(Failed::new(Condition::Refusal, text))
        }
    })
}

/// An earlier payment of this terminal, by the transaction id on its receipt, and its order.
pub(super) async fn find_original(
    carried: &Carried,
    transaction: &str,
) -> Result<Option<(ServiceRecord, Order)>, Failure> {
    let (gateway, known) = (&carried.call.nexo.gateway, &carried.call.known);
    let Some(number) = number_of(known, transaction) else {
        return Ok(None);
    };
    let record = gateway.service(ServiceNumber(number)).await?;
    let Some(record) = record.filter(|record| is_payment_of(known, record)) else {
        return Ok(None);
    };
    let Ok(sale) = serde_json::from_str::<Sale>(&record.request) else {
        return Ok(None);
    };
    let Some(endpoint) = sale.endpoint else {
        return Ok(None);
    };
    // A completion has no order of its own.
    let opener = match sale.original.as_deref().filter(|_| sale.kind == PaymentType::Completion) {
        Some(original) => number_of(known, original).map(ServiceNumber),
        None => Some(record.number),
    };
    let Some(opener) = opener else {
        return Ok(None);
    };
    let order = order_of_service(known, gateway, endpoint, opener).await?;
    Ok(order.map(|order| (record, order)))
}

fn is_payment_of(known: &KnownTerminal, record: &ServiceRecord) -> bool {
    record.key.terminal == known.terminal.id && record.key.category == "Payment"
}

/// The transaction id on the receipt of the last payment or reversal, if that was an approved
/// payment.
pub(super) async fn last_approved(
    carried: &Carried,
    before: ServiceNumber,
) -> Result<Option<String>, Failure> {
    let (gateway, known) = (&carried.call.nexo.gateway, &carried.call.known);
    let last = gateway.last_ended_service(known.terminal.id, before).await?;
    let Some(last) = last.filter(|last| last.key.category == "Payment") else {
        return Ok(None);
    };
    let Some(response) = &last.response else {
        return Ok(None);
    };
    let result = Message::from_stored(response)?;
    let approved = result.body.pointer("/Response/Result").and_then(|result| result.as_str());
    let approved = matches!(approved, Some("Success" | "Partial"));
    Ok(approved.then(|| transaction_text(known, last.number.0)))
}

pub(super) fn not_found() -> Failed {
    Failed::new(Condition::NotFound, "Message not found")
}

/// Why the core refuses what a terminal sends, in the standard's words.
fn refused(refusal: &Refusal) -> Failed {
    match refusal {
        Refusal::CurrencyNotSupported(alpha) => unknown_currency(alpha),
        Refusal::AmountOutOfLimits => Failed::new(Condition::NotAllowed, "Amount out of limits"),
        Refusal::PartialNotSupported => {
            Failed::new(Condition::NotAllowed, "Partial amount not configured")
        }
        Refusal::AmountExceeded => Failed::new(Condition::Refusal, "Amount exceeds what is left"),
        Refusal::WrongOrderState | Refusal::OrderNotFound => {
            Failed::new(Condition::Refusal, "Transaction cannot be changed any more")
        }
        Refusal::GateClosingDay => Failed::new(Condition::Busy, "The business day is being closed"),
        Refusal::CardNumberInvalid | Refusal::CardExpired => {
            Failed::new(Condition::InvalidCard, "Card not accepted")
        }
        Refusal::ReaderDisabled | Refusal::ReaderExhausted | Refusal::ReaderNotAssigned => {
            Failed::new(Condition::DeviceOut, "CardReader out of order")
        }
        other => Failed::new(
            Condition::UnavailableService,
            format!("Not possible: code {}", other.code()),
        ),
    }
}
