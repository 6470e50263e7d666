//! What the store alone can take: new orders from many tasks in one process, without HTTP and
//! cryptography.

use super::child::measured_apart;
use super::engine::Database;
use super::measured::float;
use super::registry::{MERCHANT, endpoint, register};
use crate::clock::{Clock, Entropy};
use crate::payment::SECOND;
use crate::payment::card::{CardFacts, EntryMode, Expiry, Pan};
use crate::payment::chip::ChipTags;
use crate::payment::host::HostProfile;
use crate::payment::merchant::Endpoint;
use crate::payment::money::Amount;
use crate::payment::order::{Kind, Order, Outcome, RequestFacts, Stage, Status};
use crate::payment::reader::Reader;
use crate::payment::transition;
use crate::sandbox::reader::{TEST_CARDHOLDER, TEST_EXPIRY, TEST_PAN};
use crate::store::{Acceptance, Location, NewOrder, NonceMark, PhoneSeen, Store};
use anyhow::{Context, bail};
use clap::Args;
use serde::{Deserialize, Serialize};
use std::io::Write;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::task::JoinSet;

/// As many as there are clients in the other measurements.
const TASKS: u32 = 64;
/// How many orders are made before they are saved: 200 MB of them.
const PREPARED_MAX: usize = 100_000;
/// As long as the ones that the gateway seals.
const SEALED_LENGTH: usize = 300;

#[derive(Args)]
pub(in crate::cli) struct BatchArguments {
    /// sqlite:PATH or postgres://...
    #[arg(long)]
    db: String,
    /// How long to save orders; it ends sooner when all that were made in advance are saved
    #[arg(long)]
    seconds: u64,
}

#[derive(Serialize, Deserialize)]
struct BatchLine {
    rps: f64,
}

/// Measures in a process of its own; orders a second.
pub(super) async fn batch_rps(database: &Database, time: Duration) -> anyhow::Result<f64> {
    let arguments = [
        "bench-batch".to_owned(),
        format!("--db={}", database.address),
        format!("--seconds={}", time.as_secs()),
    ];
    Ok(measured_apart::<BatchLine>(&arguments).await?.rps)
}

pub(in crate::cli) async fn run(arguments: BatchArguments) -> anyhow::Result<()> {
    let location = Location::parse(&arguments.db).context("--db names no database")?;
    let store = Arc::new(Store::open(&location).await?);
    let (clock, entropy) = (Clock::system(), Entropy::system()?);
    if store.merchant(MERCHANT).await?.is_none() {
        register(&store, TASKS, clock.now()).await?;
    }
    let factory = Factory { store: Arc::clone(&store), clock, entropy, endpoint: endpoint()? };
    let mut readers = store.readers_of(MERCHANT).await?;
    let warm_up = factory.make_all(&mut readers, 10_000).await?;
    let warm_rps = save(&store, warm_up, Duration::from_millis(500)).await?;
    let time = Duration::from_secs(arguments.seconds);
    let wanted = 1.5 * warm_rps * time.as_secs_f64();
    let count = (1..PREPARED_MAX).find(|count| float(*count) > wanted).unwrap_or(PREPARED_MAX);
    let orders = factory.make_all(&mut readers, count).await?;
    let rps = save(&store, orders, time).await?;
    store.close().await;
    writeln!(std::io::stdout(), "{}", serde_json::to_string(&BatchLine { rps })?)?;
    Ok(())
}

/// Saves orders, each task its own, one after the other; orders a second.
async fn save(
    store: &Arc<Store>,
    orders: Vec<Vec<NewOrder>>,
    time: Duration,
) -> anyhow::Result<f64> {
    let began = Instant::now();
    let mut tasks = JoinSet::new();
    for orders in orders {
        let store = Arc::clone(store);
        tasks.spawn(async move {
            let (mut saved, mut last) = (0, began);
            for order in orders {
                match store.accept(order).await? {
                    Acceptance::Saved => saved += 1,
                    other => bail!("a new order is not saved but {other:?}"),
                }
                last = Instant::now();
                if last > began + time {
                    break;
                }
            }
            Ok((saved, last))
        });
    }
    let (mut saved, mut last): (usize, Instant) = (0, began);
    while let Some(ended) = tasks.join_next().await {
        let (more, until) = ended??;
        (saved, last) = (saved + more, last.max(until));
    }
    Ok(float(saved) / (last - began).as_secs_f64().max(0.001))
}

/// Makes orders as the gateway would.
struct Factory {
    store: Arc<Store>,
    clock: Clock,
    entropy: Entropy,
    endpoint: Endpoint,
}

impl Factory {
    /// About `count` orders, the same number for each reader.
    async fn make_all(
        &self,
        readers: &mut [Reader],
        count: usize,
    ) -> anyhow::Result<Vec<Vec<NewOrder>>> {
        let each = count.div_ceil(readers.len().max(1));
        let mut all = Vec::with_capacity(readers.len());
        for reader in readers {
            let mut orders = Vec::with_capacity(each);
            for _ in 0..each {
                reader.last_counter += 1;
                orders.push(self.make(reader).await?);
            }
            all.push(orders);
        }
        Ok(all)
    }

    async fn make(&self, reader: &Reader) -> anyhow::Result<NewOrder> {
        let now = self.clock.now();
        let id = self.store.next_order_id().await?;
        let order = Order {
            id,
            endpoint: self.endpoint.id,
            client_orderid: format!("batch-{id}"),
            kind: Kind::Sale,
            status: Status::Processing,
            stage: Stage::Processing,
            amount: Amount::parse("10.42", self.endpoint.currency)?,
            reader: reader.id,
            card: self.card()?,
            request: self.request(reader),
            serial: self.store.next_serial().await?,
            outcome: Outcome::default(),
            last_amendment: None,
            created_at: now,
            updated_at: now,
            version: 0,
        };
        Ok(NewOrder {
            change: transition::open(order, None, now),
            merchant: MERCHANT,
            notice: None,
            request_digest: hex::encode(self.entropy.bytes::<32>()),
            card_sealed: Some("x".repeat(SEALED_LENGTH)),
            leased_until: None,
            counter: reader.last_counter,
            initial_ksn: reader.initial_ksn,
            nonce: Some(NonceMark { bucket: now.div_euclid(SECOND), digest: self.entropy.bytes() }),
            phone: Some(PhoneSeen { phone_id: phone_of(reader), sdk_version: None }),
            usages: Vec::new(),
        })
    }

    fn card(&self) -> anyhow::Result<CardFacts> {
        let pan = Pan::parse(TEST_PAN)?;
        Ok(CardFacts {
            bin: pan.first_six().to_owned(),
            last_four: pan.last_four().to_owned(),
            expiry: Expiry::from_yymm(TEST_EXPIRY).context("the test card has no expiry")?,
            brand: pan.brand(),
            hash: hex::encode(self.entropy.bytes::<32>()),
            cardholder: Some(TEST_CARDHOLDER.to_owned()),
            entry_mode: EntryMode::Swipe,
            chip: ChipTags::default(),
        })
    }

    fn request(&self, reader: &Reader) -> RequestFacts {
        RequestFacts {
            order_desc: "A bench, sold to somebody".to_owned(),
            first_name: Some("John".to_owned()),
            last_name: Some("Smith".to_owned()),
            email: "john.smith@example.com".to_owned(),
            phone: Some("+79990000000".to_owned()),
            ipaddress: "127.0.0.1".to_owned(),
            country: "RU".to_owned(),
            phone_id: phone_of(reader),
            merchant_data: None,
            callback_url: Some("http://127.0.0.1:40000/callback".to_owned()),
            later_callback_url: None,
            counter: reader.last_counter,
            hold_days: self.endpoint.terms.hold_days,
            terminal_id: self.endpoint.terminal_id.clone(),
            host_profile: HostProfile::Mpos,
            descriptor: self.endpoint.descriptor.clone(),
            receipt_id: self.entropy.uuid(),
        }
    }
}

fn phone_of(reader: &Reader) -> String {
    format!("phone-of-{}", reader.serial)
}
