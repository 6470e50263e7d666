//! Merchants at work: each with a reader of its own, one sale after the other. A sale whose answer
//! was lost or put off is sent again, signed anew, until there is a clear answer.

use crate::ledger::{Ledger, Sold};
use crate::merchant::{Fields, Merchant, VirtualReader};
use anyhow::bail;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use tokio::task::JoinSet;

/// What a sale's amount makes of it in the sandbox.
pub const APPROVED: &str = "10.42";
pub const DECLINED: &str = "11.16";
/// The host loses its answer; the order is reversed.
pub const LOST: &str = "12.17";

/// How long a merchant keeps asking.
const PATIENCE: Duration = Duration::from_secs(90);
/// Between two tries of one sale.
const PAUSE: Duration = Duration::from_millis(50);

/// Merchants that sell until they are stopped. One that gets an answer that no sound gateway gives
/// complains in the ledger.
pub struct Load {
    stop: Arc<AtomicBool>,
    merchants: JoinSet<()>,
}

impl Load {
    pub fn start(
        merchant: &Arc<Merchant>,
        ledger: &Arc<Ledger>,
        readers: impl IntoIterator<Item = VirtualReader>,
    ) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let mut merchants = JoinSet::new();
        for (number, mut reader) in readers.into_iter().enumerate() {
            let (merchant, ledger) = (Arc::clone(merchant), Arc::clone(ledger));
            let stop = Arc::clone(&stop);
            merchants.spawn(async move {
                for count in number.. {
                    if stop.load(Ordering::Relaxed) {
                        return;
                    }
                    let amount = amount_of(count);
                    if let Err(why) = sell(&merchant, &ledger, &mut reader, number, amount).await {
                        return ledger.complain(&why);
                    }
                }
            });
        }
        Self { stop, merchants }
    }

    /// Lets each finish its sale.
    pub async fn stop(self) {
        self.stop.store(true, Ordering::Relaxed);
        self.merchants.join_all().await;
    }
}

fn amount_of(count: usize) -> &'static str {
    match count % 20 {
        7 => LOST,
        3 | 13 => DECLINED,
        _ => APPROVED,
    }
}

/// Makes one sale, however long it takes to get a clear answer.
pub async fn sell(
    merchant: &Merchant,
    ledger: &Ledger,
    reader: &mut VirtualReader,
    number: usize,
    amount: &'static str,
) -> anyhow::Result<()> {
    let name = reader.next_name();
    let form = merchant.sale_form(reader, &name, amount)?;
    let order = insist(merchant, ledger, &form, number).await?;
    ledger.accepted(&name, Sold { order, amount });
    Ok(())
}

/// Sends a sale until it is accepted; answers the gateway's id for it.
pub async fn insist(
    merchant: &Merchant,
    ledger: &Ledger,
    form: &Fields,
    number: usize,
) -> anyhow::Result<i64> {
    let began = Instant::now();
    let mut place = number;
    while began.elapsed() < PATIENCE {
        if let Some(address) = merchant.address(place) {
            match merchant.sell(address, form).await {
                Ok(answer) => match answer.accepted() {
                    Some(order) => return Ok(order),
                    None if answer.says_later() => ledger.told_later(),
                    None => bail!("a sale was answered with {answer:?}"),
                },
                // Nobody is there, or the answer was lost: another gateway may know.
                Err(_) => place += 1,
            }
        }
        tokio::time::sleep(PAUSE).await;
    }
    bail!("a sale got no clear answer within {PATIENCE:?}")
}
