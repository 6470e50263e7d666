//! What comes from the till after the acquirer approved: the chip's last word, and the card
//! holder's signature.

use super::nonce_book::bucket_of;
use super::registry::Merchant;
use super::watch::{Scope, Watched};
use super::{Accepted, Failure, Gateway};
use crate::crypto::advice::read_advice;
use crate::crypto::reader::Container;
use crate::crypto::reader_keys::open;
use crate::payment::Millis;
use crate::payment::chip::Completion;
use crate::payment::ids::{EndpointId, JobId, OrderId};
use crate::payment::order::{Order, Stage, Status};
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
    pub nonce_digest: [u8; 16],
    /// The time stamp of the signature.
    pub signed_at: Millis,
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
        encrypted_data: String,
    ) -> Result<Noted, Failure> {
        let gateway = Arc::clone(self);
        let task = tokio::spawn(async move {
            let order = gateway.order_of_message(&message).await?;
            let client_orderid = order.client_orderid.clone();
            let accepted = gateway.complete(order, &encrypted_data).await?;
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
        self.use_nonce(message.signed_at, message.nonce_digest).await?;
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

    async fn complete(&self, order: Order, encrypted_data: &str) -> Result<Accepted, Failure> {
        let accepted = Accepted { order: order.id, serial: self.roll_serial() };
        let (completion, counter) = self.open_advice(&order, encrypted_data).await?;
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

    async fn open_advice(
        &self,
        order: &Order,
        encrypted_data: &str,
    ) -> Result<(Completion, CounterMark), Failure> {
        let invalid = |cause: String| Failure::refused(Refusal::InvalidEncryptedData, cause);
        let container =
            Container::parse(encrypted_data).map_err(|error| invalid(error.to_string()))?;
        let reader = self.reader(&container.serial).await?;
        let reader = reader.filter(|reader| reader.id == order.reader);
        let reader = reader
            .ok_or_else(|| invalid(format!("reader {} did not read the card", container.serial)))?;
        let ksn = container.ksn;
        if (ksn.key_set_id(), ksn.device_id()) != (reader.key_set_prefix, reader.device_id) {
            return Err(invalid(format!("KSN {ksn} is not of reader {}", container.serial)));
        }
        let base_key = self.base_key(reader.key_set).await?;
        let clear = open(&container, &base_key.initial_key(&container.serial), order.amount)
            .map_err(|error| invalid(error.to_string()))?;
        let completion = read_advice(&clear).map_err(|error| invalid(error.to_string()))?;
        let counter = i64::from(ksn.counter());
        if counter <= order.request.counter {
            return Err(invalid(format!("counter {counter} is not after that of the sale")));
        }
        Ok((completion, CounterMark { reader: reader.id, counter }))
    }
}
