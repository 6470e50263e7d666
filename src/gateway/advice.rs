//! What comes from the till after the acquirer approved: the chip's last word, and the card
//! holder's signature.

use super::key_store::KeyStoreError;
use super::nonce_book::bucket_of;
use super::registry::Merchant;
use super::submit::SignedNonce;
use super::watch::{Scope, Watched};
use super::{Accepted, Failure, Gateway};
use crate::crypto::advice::{read_advice, read_clear_advice};
use crate::crypto::reader::ReaderMessage;
use crate::payment::Millis;
use crate::payment::chip::Completion;
use crate::payment::ids::{EndpointId, JobId, OrderId};
use crate::payment::key_set::Cipher;
use crate::payment::money::Amount;
use crate::payment::order::{Order, Stage, Status};
use crate::payment::reader::{Reader, ReaderKind};
use crate::payment::refusal::Refusal;
use crate::payment::transition::{Event, Step};
use crate::store::{CounterMark, NonceMark};
use std::sync::Arc;

/// Who speaks about which order.
pub struct TillMessage {
    pub merchant: Arc<Merchant>,
    pub endpoint: EndpointId,
    /// Left out by a client that never received it.
    pub order: Option<OrderId>,
    pub client_orderid: String,
    /// What must not come twice, where requests are signed.
    pub nonce: Option<SignedNonce>,
}

/// A reader's message as it came.
pub struct Encrypted {
    /// `encrypted-type`: how it is laid out.
    pub layout: String,
    /// `encrypted-data`: hexadecimal digits.
    pub data: String,
}

/// A message that was taken, and the merchant's name for its order, which the till may not know.
pub struct Noted {
    pub accepted: Accepted,
    pub client_orderid: String,
}

impl Gateway {
    /// Takes the chip's last word. Answers the same for one that was taken before: clients repeat
    /// it every second until they hear that it has arrived.
    ///
    /// # Errors
    /// `Refused` with nothing stored, `NonceReused`, or `Unavailable`.
    pub async fn take_advice(
        self: &Arc<Self>,
        message: TillMessage,
        encrypted: Encrypted,
    ) -> Result<Noted, Failure> {
        let gateway = Arc::clone(self);
        let task = tokio::spawn(async move {
            let order = gateway.order_of_message(&message).await?;
            let client_orderid = order.client_orderid.clone();
            let accepted = gateway.complete(order, &encrypted).await?;
            Ok(Noted { accepted, client_orderid })
        });
        task.await.unwrap_or_else(|error| Err(Failure::Internal(error.to_string())))
    }

    /// Keeps the signature of the card holder of an approved order. The same one again is answered
    /// in the same way.
    ///
    /// # Errors
    /// `Refused` with nothing stored, `NonceReused`, or `Unavailable`.
    pub async fn take_signature(
        &self,
        message: TillMessage,
        drawing: &str,
    ) -> Result<Noted, Failure> {
        let order = self.order_of_message(&message).await?;
        let now = self.clock().now();
        let refused = |cause| Failure::refused(Refusal::WrongOrderState, cause);
        if order.status != Status::Approved {
            return Err(refused("only an approved order is signed for"));
        }
        match self.store().keep_signature(order.id, drawing, now).await? {
            true => Ok(Noted {
                accepted: Accepted { order: order.id, serial: self.roll_serial() },
                client_orderid: order.client_orderid,
            }),
            false => Err(refused("another signature was kept for this order")),
        }
    }

    /// Uses up the nonce of a request that opens no order. It is remembered by this process only:
    /// what such a request asks for can be asked for again without harm.
    ///
    /// # Errors
    /// `NonceReused`, or `Unavailable`.
    pub async fn use_nonce(&self, signed_at: Millis, digest: [u8; 16]) -> Result<(), Failure> {
        let mark = NonceMark { bucket: bucket_of(signed_at), digest };
        let new = self.nonces.is_new(signed_at, digest) && !self.store().has_nonce(&mark).await?;
        if new { Ok(()) } else { Err(Failure::NonceReused) }
    }

    async fn order_of_message(&self, message: &TillMessage) -> Result<Order, Failure> {
        if let Some(SignedNonce { digest, signed_at }) = message.nonce {
            self.use_nonce(signed_at, digest).await?;
        }
        let scope = Scope::Endpoint(message.endpoint);
        let client_orderid = match message.order {
            // The number is enough; clients that never learned the name send another.
            Some(id) => self.store().order(id).await?.map(|order| order.client_orderid),
            None => None,
        };
        let client_orderid = client_orderid.unwrap_or_else(|| message.client_orderid.clone());
        let watched = Watched { scope, client_orderid, order: message.order };
        self.watch(&message.merchant, &watched).await
    }

    async fn complete(&self, order: Order, encrypted: &Encrypted) -> Result<Accepted, Failure> {
        let accepted = Accepted { order: order.id, serial: self.roll_serial() };
        let (completion, counter) = self.open_advice(&order, encrypted).await?;
        if order.outcome.completion.is_some() {
            return Ok(accepted);
        }
        let unexpected = |cause: String| Failure::refused(Refusal::AdviceNotExpected, cause);
        if order.status.is_final() || order.stage != Stage::EmvValidating {
            return Err(unexpected(format!("the order is {}", order.wire_stage())));
        }
        let (step, _) = Step::AwaitAdvice.name_and_round();
        let job = self.store().take_over_job(JobId::from(order.id), step, counter).await?;
        let Some(job) = job else {
            return Err(unexpected("its time is over, or its counter was used before".to_owned()));
        };
        match self.record(order, Event::AdviceReceived(completion), job).await? {
            true => Ok(accepted),
            false => Err(Failure::Unavailable("the order has just changed".to_owned())),
        }
    }

    /// The chip's last word, and the counter that proves it is the reader's latest message.
    async fn open_advice(
        &self,
        order: &Order,
        encrypted: &Encrypted,
    ) -> Result<(Completion, CounterMark), Failure> {
        let layout = ReaderKind::from_name(&encrypted.layout);
        let layout = layout.ok_or(Refusal::UnsupportedEncryptedType)?;
        let message = ReaderMessage::parse(layout, &encrypted.data)
            .map_err(|error| invalid(error.to_string()))?;
        let serial = message.serial.as_str();
        let reader = self.reader(serial).await?.filter(|reader| reader.id == order.reader);
        let reader =
            reader.ok_or_else(|| invalid(format!("reader {serial} did not read the card")))?;
        for ksn in message.ksns() {
            let of_reader = |_| invalid(format!("KSN {ksn} is not of reader {serial}"));
            reader.admit_ksn(ksn).map_err(of_reader)?;
        }
        let mark = advice_mark(&reader, &message, order)?;
        Ok((self.read_completion(&reader, &message, order.amount).await?, mark))
    }

    /// The `sim` profile seals the chip's last word; the makers' readers send it in the clear.
    async fn read_completion(
        &self,
        reader: &Reader,
        message: &ReaderMessage,
        amount: Amount,
    ) -> Result<Completion, Failure> {
        if reader.cipher != Cipher::AesGcm {
            let completion = read_clear_advice(&message.clear);
            return completion.map_err(|error| invalid(error.to_string()));
        }
        let set = self.key_set(reader.key_set).await?;
        let opened = set.keys.open(reader, message, amount).await;
        let opened = opened.map_err(|error| match error {
            KeyStoreError::Opening(error) => invalid(error.to_string()),
            error => error.into(),
        })?;
        let clear = opened.first().ok_or_else(|| invalid("nothing is sealed".to_owned()))?;
        read_advice(clear).map_err(|error| invalid(error.to_string()))
    }
}

/// What proves that the message is the reader's latest. The `sim` profile seals it under a counter
/// of its own. Whatever the makers' readers may have sealed beside their last word is not opened,
/// so that no counter in it counts: the sale must still be the last that came from the reader.
fn advice_mark(
    reader: &Reader,
    message: &ReaderMessage,
    order: &Order,
) -> Result<CounterMark, Failure> {
    let sold_at = order.request.counter;
    if reader.cipher != Cipher::AesGcm {
        return Ok(CounterMark { reader: reader.id, counter: sold_at, is_new: false });
    }
    let counters = message.ksns().map(|ksn| i64::from(ksn.counter(reader.cipher)));
    let counter = counters.max().unwrap_or_default();
    if counter <= sold_at {
        return Err(invalid(format!("counter {counter} is not after that of the sale")));
    }
    Ok(CounterMark { reader: reader.id, counter, is_new: true })
}

fn invalid(cause: String) -> Failure {
    Failure::refused(Refusal::InvalidEncryptedData, cause)
}
