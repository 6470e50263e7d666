//! Waiting for what becomes of an order, for doors whose clients hold the line until they know.

use super::{Failure, Gateway};
use crate::payment::amendment::Amendment;
use crate::payment::ids::{AmendmentId, OrderId};
use crate::payment::order::{Order, Stage, Status};
use crate::payment::refusal::Refusal;
use crate::payment::{Millis, SECOND};
use std::collections::HashMap;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::Notify;
use tokio::sync::futures::Notified;

/// How often whoever waits looks without having been rung for: another instance may have taken the
/// step.
const LOOK_AGAIN: Millis = SECOND;

/// The bells of the orders that somebody waits for.
#[derive(Default)]
pub(super) struct Bells(Mutex<HashMap<OrderId, Bell>>);

/// Rings for all who wait for one order.
#[derive(Default)]
struct Bell {
    rung: Arc<Notify>,
    waiters: usize,
}

/// Somebody who waits for an order. The last one takes the bell away.
struct Waiter<'a> {
    bells: &'a Bells,
    order: OrderId,
    rung: Arc<Notify>,
}

impl Bells {
    /// Rings for an order that was saved.
    pub(super) fn ring(&self, order: OrderId) {
        self.change(|bells| {
            if let Some(bell) = bells.get(&order) {
                bell.rung.notify_waiters();
            }
        });
    }

    fn wait_for(&self, order: OrderId) -> Waiter<'_> {
        let rung = self.change(|bells| {
            let bell = bells.entry(order).or_default();
            bell.waiters += 1;
            Arc::clone(&bell.rung)
        });
        Waiter { bells: self, order, rung }
    }

    fn change<T>(&self, change: impl FnOnce(&mut HashMap<OrderId, Bell>) -> T) -> T {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Drop for Waiter<'_> {
    fn drop(&mut self) {
        self.bells.change(|bells| {
            if let Some(bell) = bells.get_mut(&self.order) {
                bell.waiters -= 1;
                if bell.waiters == 0 {
                    bells.remove(&self.order);
                }
            }
        });
    }
}

impl Gateway {
    /// Waits until an order has left what is under way, and gives it: it is final, or its outcome
    /// is unknown, or the chip has the last word. Whoever has given that word waits again. Dropping
    /// the wait ends it; the order goes on.
    ///
    /// # Errors
    /// `OrderNotFound`; `Unavailable` when the database is away: then ask again.
    pub async fn outcome_of(&self, id: OrderId) -> Result<Order, Failure> {
        let waiter = self.bells.wait_for(id);
        loop {
            let mut rung = pin!(waiter.rung.notified());
            // Before the look, so that no change falls between the two.
            rung.as_mut().enable();
            let order = self.store().order(id).await?.ok_or(Refusal::OrderNotFound)?;
            if has_outcome(&order) {
                return Ok(order);
            }
            self.rung_or_a_second(rung).await;
        }
    }

    /// Waits until a later transaction on an order is final, or its outcome unknown, and gives it.
    ///
    /// # Errors
    /// `Internal` when there is none; `Unavailable` when the database is away: then ask again.
    pub async fn end_of_amendment(
        &self,
        order: &Order,
        id: AmendmentId,
    ) -> Result<Amendment, Failure> {
        let waiter = self.bells.wait_for(order.id);
        loop {
            let mut rung = pin!(waiter.rung.notified());
            rung.as_mut().enable();
            let amendment = self.amendment(order, id).await?;
            if amendment.status != Status::Processing {
                return Ok(amendment);
            }
            self.rung_or_a_second(rung).await;
        }
    }

    async fn rung_or_a_second(&self, rung: Pin<&mut Notified<'_>>) {
        let look_again = self.clock().now() + LOOK_AGAIN;
        tokio::select! {
            () = rung => {}
            () = self.clock().wait_until(look_again) => {}
        }
    }
}

fn has_outcome(order: &Order) -> bool {
    order.status != Status::Processing || order.stage == Stage::EmvValidating
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt;

    const ORDER: OrderId = OrderId(7);

    fn count(bells: &Bells) -> usize {
        bells.change(|bells| bells.len())
    }

    #[test]
    fn all_who_wait_for_an_order_are_rung_for_and_nobody_else() {
        let bells = Bells::default();
        let (first, second) = (bells.wait_for(ORDER), bells.wait_for(ORDER));
        let other = bells.wait_for(OrderId(8));
        let rungs = [&first, &second, &other].map(|waiter| {
            let mut rung = Box::pin(waiter.rung.notified());
            assert!(!rung.as_mut().enable());
            rung
        });
        bells.ring(ORDER);
        let told = rungs.map(|rung| rung.now_or_never().is_some());
        assert_eq!(told, [true, true, false]);
    }

    #[test]
    fn a_bell_is_there_as_long_as_somebody_waits() {
        let bells = Bells::default();
        bells.ring(ORDER);
        assert_eq!(count(&bells), 0, "ringing for nobody leaves nothing");
        let (first, second) = (bells.wait_for(ORDER), bells.wait_for(ORDER));
        assert_eq!(count(&bells), 1);
        drop(first);
        assert_eq!(count(&bells), 1);
        drop(second);
        assert_eq!(count(&bells), 0);
    }
}
