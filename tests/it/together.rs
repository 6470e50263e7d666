//! Statements that many callers bring at once share a few commits, and each caller hears of its
//! own alone. A card holder's signature is such a pair of statements: to keep it, unless another
//! one was kept, and to see which one was.

use crate::database::{Engine, engines};
use crate::shelf::Shelf;
use futures_util::future::join_all;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use tillgate::payment::ids::OrderId;
use tillgate::store::{InlineDisk, StatementFate, Store, StoreError};

const CALLERS: i64 = 200;
/// More than are needed if all callers come at once, and far fewer than one for each.
const COMMITS_MAX: i64 = 5;
/// Which of eight callers brings something that fails.
const BAD: usize = 2;

/// Callers for half as many orders, each with a drawing of its own.
async fn crowd(store: &Store) {
    let ask = async |caller: i64| {
        let (order, drawing) = (OrderId(caller / 2), format!("drawing {caller}"));
        store.keep_signature(order, &drawing, caller).await.unwrap()
    };
    let told = join_all((0..CALLERS).map(ask)).await;
    let first_of_each: Vec<_> = (0..CALLERS).map(|caller| caller % 2 == 0).collect();
    assert_eq!(told, first_of_each);
    let again = join_all((0..CALLERS).map(ask)).await;
    assert_eq!(again, first_of_each, "the same one is answered in the same way");
}

/// Eight callers, one of whom brings a drawing that the database may not take.
async fn crowd_with(store: &Store, bad_drawing: &str) {
    let ask = async |caller: usize| {
        let drawing = if caller == BAD { bad_drawing } else { "a drawing" };
        let order = OrderId(i64::try_from(caller).unwrap());
        store.keep_signature(order, drawing, 0).await
    };
    let told = join_all((0..8).map(ask)).await;
    for (caller, result) in told.into_iter().enumerate() {
        match caller == BAD {
            true => assert!(matches!(result, Err(StoreError::Broken(_))), "{result:?}"),
            false => assert!(result.unwrap(), "caller {caller}"),
        }
    }
}

#[tokio::test]
async fn on_sqlite_callers_share_a_few_commits_and_hear_each_of_its_own() {
    let disk = InlineDisk::memory().unwrap();
    let store = Store::open_inline(&disk).await.unwrap();
    let commits = Arc::new(AtomicI64::new(0));
    let counted = Arc::clone(&commits);
    disk.decide_fate(move |statement| {
        counted.fetch_add(i64::from(statement == "COMMIT"), Ordering::SeqCst);
        StatementFate::Run
    });
    crowd(&store).await;
    let commits = commits.load(Ordering::SeqCst);
    assert!((1..=2 * COMMITS_MAX).contains(&commits), "{commits} commits");
}

#[tokio::test]
async fn on_postgres_callers_share_a_few_commits_and_hear_each_of_its_own() {
    for engine in engines().into_iter().filter(|engine| *engine == Engine::Postgres) {
        let shelf = Shelf::set_up(engine).await;
        crowd(&shelf.first).await;
        // A row tells which transaction wrote it.
        let commits = "\
            SELECT CAST('commits' AS TEXT), COUNT(DISTINCT CAST(xmin AS TEXT)) FROM signatures";
        let commits = shelf.database.numbers(commits).await[0].1;
        assert!((1..=COMMITS_MAX).contains(&commits), "{commits} commits");
        assert_eq!(shelf.database.count("signatures").await, CALLERS / 2);
        shelf.end().await;
    }
}

#[tokio::test]
async fn on_sqlite_a_bad_statement_fails_alone() {
    let disk = InlineDisk::memory().unwrap();
    let store = Store::open_inline(&disk).await.unwrap();
    let mut kept = 0;
    disk.decide_fate(move |statement| {
        if !statement.starts_with("INSERT INTO signatures") {
            return StatementFate::Run;
        }
        kept += 1;
        // The bad one's among all of them, and then when each is tried alone.
        let bad = [BAD + 1, BAD + 1 + BAD + 1].contains(&kept);
        if bad { StatementFate::Broken } else { StatementFate::Run }
    });
    crowd_with(&store, "a drawing").await;
    let rows = disk.look("SELECT order_id FROM signatures ORDER BY order_id").unwrap();
    assert_eq!(rows.concat(), ["0", "1", "3", "4", "5", "6", "7"]);
}

#[tokio::test]
async fn on_postgres_a_bad_statement_fails_alone() {
    for engine in engines().into_iter().filter(|engine| *engine == Engine::Postgres) {
        let shelf = Shelf::set_up(engine).await;
        // No text there has a zero byte.
        crowd_with(&shelf.first, "a\0drawing").await;
        assert_eq!(shelf.database.count("signatures").await, 7);
        shelf.end().await;
    }
}
