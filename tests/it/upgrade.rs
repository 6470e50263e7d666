//! Databases of earlier releases: they open, with everything that was in them.

use crate::database::{Database, Engine, engines};
use crate::process::repository_file;
use sqlx::migrate::{Migration, MigrationType, Migrator};
use sqlx::{AnyPool, AssertSqlSafe, Executor, SqlSafeStr};
use tillgate::payment::ids::{EndpointId, KeySetId};
use tillgate::payment::key_set::{Cipher, DataVariant, Exportability};
use tillgate::payment::pin_format::PinFormat;
use tillgate::store::{Location, Store, StoredGoal};

/// The steps, in order; each file's name begins with its number.
fn steps() -> Vec<String> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/migrations");
    let entries = std::fs::read_dir(folder).unwrap();
    let mut names: Vec<_> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// The text of a step as the store words it for this engine.
fn worded(engine: Engine, name: &str) -> String {
    let text = repository_file(&format!("migrations/{name}"));
    match engine {
        Engine::Sqlite => text
            .replace("BIGINT PRIMARY KEY", "INTEGER PRIMARY KEY")
            .replace("/* WITHOUT ROWID */", "WITHOUT ROWID"),
        Engine::Postgres => match text.split_once("/* POSTGRES") {
            Some((before, rest)) => before.to_owned() + &rest.replacen("*/", "", 1),
            None => text,
        },
    }
}

/// A database as an earlier release had it: after so many steps.
async fn create(engine: Engine, steps_taken: usize) -> (Database, AnyPool) {
    let database = Database::create(engine).await;
    if let Location::Sqlite(path) = &database.location {
        std::fs::write(path, []).unwrap();
    }
    let pool = database.look().await;
    let taken = (1..).zip(steps()).take(steps_taken).map(|(number, name)| {
        let told = name[5..].trim_end_matches(".sql").replace('_', " ");
        let text = AssertSqlSafe(worded(engine, &name)).into_sql_str();
        Migration::new(number, told.into(), MigrationType::Simple, text, false)
    });
    Migrator::with_migrations(taken.collect()).run(&pool).await.unwrap();
    (database, pool)
}

async fn fill(pool: &AnyPool, engine: Engine, statements: &[&str]) {
    for statement in statements {
        // Bytes are written in another way on each engine.
        let statement = match engine {
            Engine::Sqlite => statement.replace("BYTES", "x'0102'"),
            Engine::Postgres => statement.replace("BYTES", "'\\x0102'"),
        };
        pool.execute(AssertSqlSafe(statement)).await.unwrap();
    }
}

const REGISTRY: [&str; 5] = [
    "INSERT INTO merchants (id, login, control_key_sealed, created_at) VALUES (1, 'shop', BYTES, 1)",
    "INSERT INTO endpoint_groups (id, merchant_id) VALUES (11, 1)",
    "INSERT INTO endpoints (id, merchant_id, group_id, currency, enabled, strict_validation, \
            sandbox, amount_least_minor, amount_most_minor, terminal_id, descriptor) \
     VALUES (1111, 1, 11, 'RUB', 1, 0, 0, 1, 100, '10000462', 'SHOP')",
    "INSERT INTO key_sets (id, prefix, base_key_sealed) VALUES (1, 'FFFF01', BYTES)",
    "INSERT INTO readers (id, serial, kind, merchant_id, group_id, key_set_id, device_id, state, \
            last_counter) VALUES (1, '10000462', 'sim', 1, 11, 1, '00000007', 'active', 42)",
];

async fn open_and_look(database: Database) {
    let store = Store::open(&database.location).await.unwrap();
    let merchant = store.merchant_by_login("shop").await.unwrap().unwrap();
    assert_eq!(merchant.control_key_sealed, [1, 2]);
    assert!(merchant.old_control_key.is_none());
    let endpoint = store.endpoint(EndpointId(1111)).await.unwrap().unwrap();
    assert_eq!((endpoint.currency.alpha(), endpoint.terms.hold_days), ("RUB", 7));
    let set = store.key_set(KeySetId(1)).await.unwrap().unwrap();
    assert_eq!((set.cipher, set.base_key_sealed), (Cipher::AesGcm, vec![1, 2]));
    // Nobody was asked whether this key may leave.
    assert_eq!(set.exportability, Exportability::No);
    let reader = store.reader("10000462").await.unwrap().unwrap();
    assert_eq!(reader.initial_ksn.to_string(), "FFFF0100000007000000");
    assert_eq!((reader.last_counter, reader.state.name()), (42, "active"));
    store.close().await;
    database.remove().await;
}

#[tokio::test]
async fn a_registry_of_every_release_before_real_readers_is_brought_up_to_date() {
    for engine in engines() {
        for steps_taken in 1..=7 {
            let (database, pool) = create(engine, steps_taken).await;
            fill(&pool, engine, &REGISTRY).await;
            pool.close().await;
            open_and_look(database).await;
        }
    }
}

#[tokio::test]
async fn a_key_ceremony_under_way_goes_on_after_transport_keys_have_come() {
    for engine in engines() {
        let (database, pool) = create(engine, 8).await;
        let ceremony = [
            "INSERT INTO key_ceremonies (id, prefix, cipher, variant, pin_formats, components, \
                    created_at) VALUES (3, 'FFFF0B', 'tdes-dukpt', 'pin', 'iso0', 2, 1)",
            "INSERT INTO key_components (ceremony_id, operator, check_value, component_sealed, \
                    created_at) VALUES (3, 'anna', '08D7B4', BYTES, 1)",
        ];
        fill(&pool, engine, &ceremony).await;
        pool.close().await;
        let store = Store::open(&database.location).await.unwrap();
        let ceremony = store.ceremony(3).await.unwrap().unwrap();
        let StoredGoal::KeySet { prefix, cipher, pin_formats } = &ceremony.goal else {
            panic!("not of a key set any more");
        };
        assert_eq!(
            (&prefix[..], &pin_formats[..]),
            (&[0xFF, 0xFF, 0x0B][..], &[PinFormat::Iso0][..])
        );
        assert_eq!(*cipher, Cipher::TdesDukpt(DataVariant::Pin));
        assert_eq!((ceremony.components, ceremony.made), (2, None));
        assert_eq!(store.components_of(3).await.unwrap()[0].operator, "anna");
        store.close().await;
        database.remove().await;
    }
}
