//! The steps of the transaction that opened an order: authorise it, tell the acquirer the chip's
//! last word, take it back.

use super::card_vault::VaultError;
use super::step::Known;
use super::{Failure, Gateway};
use crate::acquirer::{CardForHost, Fault, PinForHost, Reference};
use crate::crypto::card_data::ClearCard;
use crate::payment::Millis;
use crate::payment::host::{Authorisation, Inquiry};
use crate::payment::order::Order;
use crate::payment::transition::Event;
use crate::store::Job;

impl Gateway {
    /// Sends the transaction. `None` when the lease leaves no time for an answer: then the next
    /// owner goes on, and nobody sends behind its back.
    pub(super) async fn authorise(
        &self,
        known: &Known,
        job: Job,
        round: u32,
        leased_until: Millis,
    ) -> Result<Option<Event>, Failure> {
        let order = &known.order;
        let reference = Reference::of_order(order);
        // An earlier owner of the job may have sent it.
        let perhaps_sent = job.tries > 1;
        if perhaps_sent {
            match self.ask(&reference).await {
                // Safe to send: should the first request still arrive, the host knows it by the
                // same reference and makes one transaction of both.
                Inquiry::NotFound => {}
                Inquiry::Answered(answer) => return Ok(Some(Event::Answered(answer))),
                Inquiry::Undecided => return Ok(Some(Event::AnswerLost)),
            }
        }
        let Some(clear) = self.open_card_of(order, known.card_sealed.as_deref()).await? else {
            return Ok(Some(if perhaps_sent { Event::AnswerLost } else { Event::Unsendable }));
        };
        if self.clock().now() + self.acquirer_timeout() > leased_until {
            return Ok(None);
        }
        let card = CardForHost {
            pan: &clear.pan,
            expiry: clear.expiry,
            entry_mode: order.card.entry_mode,
            pin: clear
                .pin
                .as_ref()
                .map(|pin| PinForHost { format: pin.format(), block: pin.block() }),
        };
        let answered = self.in_time(self.parts.acquirer.authorise(&reference, card)).await;
        Ok(Some(sent(answered, round, perhaps_sent)))
    }

    pub(super) async fn reverse(&self, order: &Order, round: u32) -> Event {
        let reference = Reference::of_order(order);
        match self.in_time(self.parts.acquirer.reverse(&reference)).await {
            Ok(()) => Event::ReversalAcknowledged,
            Err(_) => Event::ReversalUnanswered { round },
        }
    }

    pub(super) async fn advise(&self, order: &Order, round: u32) -> Event {
        let reference = Reference::of_order(order);
        let Some(completion) = &order.outcome.completion else {
            return Event::AdviceUnanswered { round };
        };
        match self.in_time(self.parts.acquirer.advise(&reference, completion)).await {
            Ok(()) => Event::AdviceAcknowledged,
            Err(_) => Event::AdviceUnanswered { round },
        }
    }

    async fn open_card_of(
        &self,
        order: &Order,
        sealed: Option<&str>,
    ) -> Result<Option<ClearCard>, Failure> {
        let Some(sealed) = sealed else {
            return Ok(None);
        };
        match self.vault.open(self.surroundings(), order.id, sealed).await {
            Ok(clear) => Ok(ClearCard::parse(&clear).ok()),
            Err(VaultError::Gone) => Ok(None),
            Err(VaultError::Store(error)) => Err(error.into()),
        }
    }
}

/// What came of sending a transaction, for the attempt with this number.
pub(super) fn sent(
    answered: Result<Authorisation, Fault>,
    round: u32,
    perhaps_sent: bool,
) -> Event {
    match answered {
        Ok(Authorisation::Answered(answer)) => Event::Answered(answer),
        Ok(Authorisation::Pending { ask_after }) => Event::Pending { ask_after },
        // Our own request was not sent, but an earlier owner's may have been.
        Err(Fault::NotSent(_)) if perhaps_sent => Event::AnswerLost,
        Err(Fault::NotSent(_)) => Event::NotSent { round },
        Err(Fault::Unknown(_)) => Event::AnswerLost,
    }
}
