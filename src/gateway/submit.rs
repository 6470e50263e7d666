//! Taking an order: from a door's intent to a durable order with its first job.

use super::nonce_book::bucket_of;
use super::present::Presented;
use super::registry::Merchant;
use super::services::OrderRight;
use super::step::Work;
use super::velocity::usages;
use super::{Failure, Gateway};
use crate::payment::ids::{EndpointId, OrderId, SerialNumber};
use crate::payment::merchant::Endpoint;
use crate::payment::money::Amount;
use crate::payment::order::{Kind, Order, Outcome, RequestFacts, Stage, Status};
use crate::payment::refusal::Refusal;
use crate::payment::{Millis, filter, transition};
use crate::store::{Acceptance, NewOrder, NonceMark, PhoneSeen};
use std::sync::Arc;

/// What a merchant asks for, in the gateway's own words. The door has checked who it is.
pub struct Intent {
    pub merchant: Arc<Merchant>,
    pub endpoint: Arc<Endpoint>,
    pub kind: Kind,
    pub client_orderid: String,
    pub amount: Amount,
    pub encrypted_type: String,
    pub encrypted_data: String,
    /// The address for the callback that the request itself names.
    pub callback_url: Option<CallbackUrl>,
    /// Everything else; phone, terminal, descriptor, callback address and receipt are filled in
    /// here.
    pub facts: RequestFacts,
    /// What the acquirer knows the terminal by, where it is not the end point's own (ISO 8583 field
    /// 41).
    pub terminal_id: Option<String>,
    /// The mobile device that sent the request, if one did.
    pub phone: Option<PhoneSeen>,
    /// The digest by which a repeat of the same request is recognised:
    /// [`Gateway::request_digest`].
    pub request_digest: String,
    /// What must not come twice, where requests are signed.
    pub nonce: Option<SignedNonce>,
    /// The right to open it, where a service of a terminal does.
    pub right: Option<OrderRight>,
}

/// The nonce of a signed request.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SignedNonce {
    pub digest: [u8; 16],
    /// The time stamp of the signature.
    pub signed_at: Millis,
}

impl SignedNonce {
    fn mark(self) -> NonceMark {
        NonceMark { bucket: bucket_of(self.signed_at), digest: self.digest }
    }
}

/// The request parameter whose address hears of later transactions, too (MAPI 7).
pub const NOTIFY_URL: &str = "notify_url";

/// An address for callbacks, and the request parameter that named it.
pub struct CallbackUrl {
    pub parameter: &'static str,
    pub url: String,
}

/// An order that is durable.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Accepted {
    pub order: OrderId,
    /// The number of the request that opened it.
    pub serial: SerialNumber,
}

impl Gateway {
    /// Takes an order. The answer is given only when order, job, reader counter and nonce are
    /// durable. The same request again gets the first answer again.
    ///
    /// # Errors
    /// `Refused` with nothing stored, `NonceReused`, or `Unavailable`.
    pub async fn submit(self: &Arc<Self>, intent: Intent) -> Result<Accepted, Failure> {
        // A task of its own: a client that hangs up must not leave an order half handed over.
        let gateway = Arc::clone(self);
        let task = tokio::spawn(async move { gateway.submit_to_the_end(intent).await });
        task.await.unwrap_or_else(|error| Err(Failure::Internal(error.to_string())))
    }

    async fn submit_to_the_end(&self, intent: Intent) -> Result<Accepted, Failure> {
        let Some(SignedNonce { digest, signed_at }) = intent.nonce else {
            return self.take_order(intent).await;
        };
        if !self.nonces.is_new(signed_at, digest) {
            return Err(Failure::NonceReused);
        }
        let result = self.take_order(intent).await;
        if matches!(result, Err(Failure::Unavailable(_) | Failure::Internal(_))) {
            self.nonces.forget(signed_at, digest);
        }
        result
    }

    async fn take_order(&self, intent: Intent) -> Result<Accepted, Failure> {
        match self.open_order(&intent).await {
            // Whatever was refused, it may be a repeat: then its counter is used, its reader
            // perhaps blocked since, and only the first answer counts.
            Err(Failure::Refused { refusal, cause }) => {
                let repeated = self.repeated(&intent).await?;
                repeated.ok_or(Failure::Refused { refusal, cause })
            }
            result => result,
        }
    }

    async fn open_order(&self, intent: &Intent) -> Result<Accepted, Failure> {
        intent.endpoint.admit(intent.amount)?;
        self.admit_at_gate(intent.endpoint.id).await?;
        self.admit_callback(intent)?;
        let now = self.clock().now();
        let presented = self.open_card(intent, now).await?;
        let (card, reader) = (&presented.facts, Arc::clone(&presented.reader));
        let _turns = self.enter_lines(&intent.endpoint, card, reader.id).await?;
        // Waiting for the turn may have taken some time.
        let now = self.clock().now();
        let place = self.jobs.reserve().await;
        let mut new = self.draft(intent, presented, now).await?;
        new.leased_until = place.is_some().then(|| now + self.job_lease());
        let accepted = Accepted { order: new.change.order.id, serial: new.change.order.serial };
        let work = Work::of_new(&new);
        match self.store().accept(new).await? {
            Acceptance::Saved => {
                if let (Some(work), Some(place)) = (work, place) {
                    place.fill(work);
                } else {
                    // The job waits in the database, or the order is final and owes a callback.
                    self.jobs.left_in_database();
                    self.callbacks.left_in_database();
                }
                Ok(accepted)
            }
            Acceptance::Duplicate(id) => self.repeat_by_id(id, &intent.request_digest).await,
            Acceptance::CounterReplayed => Err(self.refuse_counter(&reader).await?),
            Acceptance::NonceSeen => Err(Failure::NonceReused),
        }
    }

    /// Nothing begins at a gate whose day is being closed.
    pub(super) async fn admit_at_gate(&self, endpoint: EndpointId) -> Result<(), Failure> {
        match self.is_gate_shut(endpoint).await? {
            true => Err(Refusal::GateClosingDay.into()),
            false => Ok(()),
        }
    }

    fn admit_callback(&self, intent: &Intent) -> Result<(), Failure> {
        let Some(CallbackUrl { parameter, url }) = &intent.callback_url else {
            return Ok(());
        };
        let admitted = self.parts.egress.rules().admit(url);
        admitted.map_err(|error| Refusal::invalid(*parameter, error.to_string()))?;
        let checked = (self.parts.callback_wording.check)(url);
        checked.map_err(|why| Refusal::invalid(*parameter, why))?;
        Ok(())
    }

    /// The keyed digest of a request: its kind and all its fields as received, in any order but
    /// always the same; 32 lower-case hex digits.
    pub fn request_digest<'a>(
        &self,
        kind: Kind,
        fields: impl Iterator<Item = (&'a str, &'a str)>,
    ) -> String {
        let kind = ("kind", kind.name());
        self.parts.keys.request_digest(std::iter::once(kind).chain(fields))
    }

    /// The answer to the request, if its order exists already.
    async fn repeated(&self, intent: &Intent) -> Result<Option<Accepted>, Failure> {
        let name = &intent.client_orderid;
        let Some(earlier) = self.store().order_by_name(intent.endpoint.id, name).await? else {
            return Ok(None);
        };
        // A repeat makes no order, so the nonce is looked up here instead of there.
        if let Some(nonce) = intent.nonce
            && self.store().has_nonce(&nonce.mark()).await?
        {
            return Err(Failure::NonceReused);
        }
        self.repeat(&earlier, &intent.request_digest).await.map(Some)
    }

    async fn repeat_by_id(&self, id: OrderId, digest: &str) -> Result<Accepted, Failure> {
        let earlier = self.store().order(id).await?;
        let earlier = earlier.ok_or_else(|| Failure::Internal(format!("order {id} vanished")))?;
        self.repeat(&earlier, digest).await
    }

    /// The answer to a request whose order exists: the first answer if it is the same request.
    async fn repeat(&self, earlier: &Order, digest: &str) -> Result<Accepted, Failure> {
        if self.store().request_digest(earlier.id).await?.as_deref() == Some(digest) {
            return Ok(Accepted { order: earlier.id, serial: earlier.serial });
        }
        Err(Failure::refused(
            Refusal::DuplicateOrder(earlier.id),
            "another request opened an order with this client_orderid",
        ))
    }

    async fn draft(
        &self,
        intent: &Intent,
        presented: Presented,
        now: Millis,
    ) -> Result<NewOrder, Failure> {
        let order = Order {
            id: self.store().next_order_id().await?,
            endpoint: intent.endpoint.id,
            client_orderid: intent.client_orderid.clone(),
            kind: intent.kind,
            status: Status::Processing,
            stage: Stage::Processing,
            amount: intent.amount,
            reader: presented.reader.id,
            card: presented.facts,
            request: self.complete_facts(intent, presented.counter),
            serial: self.store().next_serial().await?,
            outcome: Outcome::default(),
            last_amendment: None,
            created_at: now,
            updated_at: now,
            version: 0,
        };
        let endpoint = &intent.endpoint;
        let used = self.used_before(endpoint, &order, &presented.earlier_hashes, now).await?;
        let filtered = filter::judge(endpoint, &order, &used);
        let change = transition::open(order, filtered, now);
        let order = &change.order;
        let notice = self.notice_of(order).await?;
        let card_sealed = match change.next {
            Some(_) => Some(self.seal_card(order.id, &presented.clear, now).await?),
            None => None,
        };
        Ok(NewOrder {
            merchant: intent.merchant.id,
            notice,
            request_digest: intent.request_digest.clone(),
            card_sealed,
            leased_until: None,
            counter: presented.counter,
            initial_ksn: presented.reader.initial_ksn,
            nonce: intent.nonce.map(SignedNonce::mark).or(intent.right.map(OrderRight::mark)),
            usages: match order.status {
                Status::Filtered => Vec::new(),
                _ => usages(endpoint, order),
            },
            phone: intent.phone.clone(),
            change,
        })
    }

    fn complete_facts(&self, intent: &Intent, counter: i64) -> RequestFacts {
        let endpoint = &intent.endpoint;
        let phone_id = intent.phone.as_ref().map(|phone| phone.phone_id.clone());
        RequestFacts {
            phone_id: phone_id.unwrap_or_default(),
            callback_url: match &intent.callback_url {
                Some(named) => Some(named.url.clone()),
                None => endpoint.callback_url.clone(),
            },
            later_callback_url: match &intent.callback_url {
                Some(named) if named.parameter == NOTIFY_URL => Some(named.url.clone()),
                _ => endpoint.callback_url.clone(),
            },
            counter,
            hold_days: endpoint.terms.hold_days,
            terminal_id: intent.terminal_id.as_ref().unwrap_or(&endpoint.terminal_id).clone(),
            descriptor: endpoint.descriptor.clone(),
            receipt_id: self.parts.entropy.uuid(),
            ..intent.facts.clone()
        }
    }

    async fn seal_card(&self, order: OrderId, card: &[u8], now: Millis) -> Result<String, Failure> {
        let sealed = self.vault.seal(self.surroundings(), order, card, now).await;
        sealed.map_err(|error| Failure::Unavailable(error.to_string()))
    }
}
