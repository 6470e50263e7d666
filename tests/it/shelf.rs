//! What the store is tested with: a database with stores on it, and things to put there.

use crate::database::{Database, Engine, engines};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use tillgate::payment::card::{Brand, CardFacts, EntryMode, Expiry};
use tillgate::payment::host::HostAnswer;
use tillgate::payment::ids::{
    EndpointId, KeySetId, MerchantId, NoticeId, OrderId, ReaderId, SerialNumber,
};
use tillgate::payment::key_set::{Cipher, Exportability};
use tillgate::payment::ksn::Ksn;
use tillgate::payment::limits::Limits;
use tillgate::payment::merchant::{Endpoint, Terms};
use tillgate::payment::money::{Amount, Currency};
use tillgate::payment::notice::Notice;
use tillgate::payment::order::{Kind, Order, Outcome, RequestFacts, Stage, Status};
use tillgate::payment::reader::{Reader, ReaderKind, ReaderState};
use tillgate::payment::transition::{Event, open};
use tillgate::store::{
    Acceptance, KeySetRecord, MerchantRecord, NewOrder, NonceMark, PhoneSeen, Store,
};

pub const LEASE: i64 = 1_000;

/// One database with two stores on PostgreSQL, where several instances share it, and one store
/// under two names on SQLite, where one process owns the file.
pub struct Shelf {
    pub database: Database,
    pub first: Arc<Store>,
    pub second: Arc<Store>,
}

impl Shelf {
    pub async fn set_up(engine: Engine) -> Self {
        let database = Database::create(engine).await;
        let first = Arc::new(Store::open(&database.location).await.unwrap());
        let second = match engine {
            Engine::Sqlite => Arc::clone(&first),
            Engine::Postgres => Arc::new(Store::open(&database.location).await.unwrap()),
        };
        let shelf = Self { database, first, second };
        shelf.enrol().await;
        shelf
    }

    async fn enrol(&self) {
        let merchant = MerchantRecord {
            id: MerchantId(1),
            login: "m".to_owned(),
            control_key_sealed: vec![0, 255, 7],
            old_control_key: None,
        };
        self.first.add_merchant(&merchant, 1).await.unwrap();
        self.first.add_endpoint(&endpoint(), 1).await.unwrap();
        let set = KeySetRecord {
            id: KeySetId(1),
            prefix: vec![1, 2, 3],
            cipher: Cipher::AesGcm,
            pin_formats: Vec::new(),
            exportability: Exportability::No,
            base_key_sealed: vec![9; 40],
        };
        self.first.add_key_set(&set).await.unwrap();
        for id in 1..=8 {
            self.first.add_reader(&reader(id), 0).await.unwrap();
        }
    }

    pub async fn draft(&self, name: &str, reader: i64, counter: i64) -> NewOrder {
        let order = order(self.first.next_order_id().await.unwrap(), name, reader);
        NewOrder {
            change: open(order, None, 100),
            merchant: MerchantId(1),
            notice: None,
            request_digest: "digest".to_owned(),
            card_sealed: Some("1.c2VhbGVk".to_owned()),
            leased_until: None,
            counter,
            initial_ksn: self::reader(reader).initial_ksn,
            nonce: Some(nonce_of(name, counter)),
            phone: Some(PhoneSeen { phone_id: "p".to_owned(), sdk_version: None }),
            usages: Vec::new(),
        }
    }

    pub async fn accept(&self, name: &str, reader: i64, counter: i64) -> Acceptance {
        let new = self.draft(name, reader, counter).await;
        self.first.accept(new).await.unwrap()
    }

    pub async fn end(self) {
        self.first.close().await;
        self.second.close().await;
        drop((self.first, self.second));
        self.database.remove().await;
    }
}

pub async fn on_each(story: impl AsyncFn(&Shelf)) {
    for engine in engines() {
        let shelf = Shelf::set_up(engine).await;
        story(&shelf).await;
        shelf.end().await;
    }
}

pub fn nonce_of(name: &str, counter: i64) -> NonceMark {
    let mut hasher = DefaultHasher::new();
    (name, counter).hash(&mut hasher);
    let mut digest = [0; 16];
    digest[..8].copy_from_slice(&hasher.finish().to_be_bytes());
    NonceMark { bucket: 7, digest }
}

pub fn rub(minor: i64) -> Amount {
    Amount::from_minor(minor, Currency::from_alpha("RUB").unwrap()).unwrap()
}

pub fn endpoint() -> Endpoint {
    Endpoint {
        id: EndpointId(1111),
        merchant: MerchantId(1),
        group: None,
        currency: Currency::from_alpha("RUB").unwrap(),
        enabled: true,
        strict_validation: false,
        callback_url: Some("https://shop.example.com/cb?ä".to_owned()),
        amount_limits_minor: (1, i64::MAX),
        terminal_id: "10000462".to_owned(),
        descriptor: "SHOP".to_owned(),
        sandbox: false,
        terms: Terms::default(),
        limits: Limits::default(),
    }
}

pub fn reader(id: i64) -> Reader {
    Reader {
        id: ReaderId(id),
        serial: format!("serial {id}"),
        kind: ReaderKind::Sim,
        merchant: MerchantId(1),
        endpoint: Some(EndpointId(1111)),
        group: None,
        key_set: KeySetId(1),
        cipher: Cipher::AesGcm,
        key_set_prefix: vec![1, 2, 3],
        initial_ksn: Ksn::of_device(Cipher::AesGcm, &[1, 2, 3], u32::try_from(id).unwrap())
            .unwrap(),
        injected_at: None,
        state: ReaderState::New,
        last_counter: 0,
    }
}

pub fn order(id: OrderId, name: &str, reader: i64) -> Order {
    Order {
        id,
        endpoint: EndpointId(1111),
        client_orderid: name.to_owned(),
        kind: Kind::Sale,
        status: Status::Processing,
        stage: Stage::Processing,
        amount: rub(i64::MAX),
        reader: ReaderId(reader),
        card: CardFacts {
            bin: "444455".to_owned(),
            last_four: "1111".to_owned(),
            expiry: Expiry::from_yymm("2912").unwrap(),
            brand: Brand::Mir,
            hash: "hash".to_owned(),
            cardholder: Some("O'BRIEN \"ß\" \\".to_owned()),
            entry_mode: EntryMode::Contactless,
            chip: [("9F34".to_owned(), "1F0302".to_owned())].into_iter().collect(),
        },
        request: RequestFacts {
            order_desc: "tea 茶 {\"json\": [1]} '; DROP TABLE orders; --".to_owned(),
            merchant_data: Some("🫖".to_owned()),
            ..RequestFacts::default()
        },
        serial: SerialNumber(i64::MAX - 1),
        outcome: Outcome::default(),
        last_amendment: None,
        created_at: 100,
        updated_at: 100,
        version: 0,
    }
}

pub fn notice(id: NoticeId, order: &Order) -> Notice {
    Notice {
        id,
        order: order.id,
        amendment: None,
        endpoint: order.endpoint,
        url: "https://shop.example.com/cb".to_owned(),
        status: order.status,
    }
}

pub fn approval() -> Event {
    Event::Answered(HostAnswer {
        response_code: "00".to_owned(),
        approval_code: Some("123456".to_owned()),
        rrn: None,
        processor_tx_id: None,
        issuer_data: None,
    })
}
