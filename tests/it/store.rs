//! What the store promises, on every database: the same suite runs on each.

use crate::database::{Database, Engine, engines};
use crate::shelf::{LEASE, approval, endpoint, nonce_of, notice, on_each, reader};
use futures_util::future::join_all;
use std::collections::HashSet;
use tillgate::payment::ids::{EndpointId, JobId, KeySetId, OrderId};
use tillgate::payment::notice::Attempt;
use tillgate::payment::order::Status;
use tillgate::payment::reader::{Reader, ReaderState};
use tillgate::payment::transition::{Event, Step, apply};
use tillgate::store::{
    Acceptance, Advance, JobRef, Location, NewOrder, NoticeResult, Store, StoreError, StoredCardKey,
};

#[tokio::test]
async fn an_order_comes_back_as_it_was_saved() {
    on_each(async |shelf| {
        let new = shelf.draft("name 茶", 1, 1).await;
        let saved = new.change.order.clone();
        assert_eq!(shelf.first.accept(new).await.unwrap(), Acceptance::Saved);
        assert_eq!(shelf.second.order(saved.id).await.unwrap(), Some(saved.clone()));
        let by_name = shelf.second.order_by_name(EndpointId(1111), "name 茶").await.unwrap();
        assert_eq!(by_name, Some(saved.clone()));
        assert_eq!(shelf.first.order_by_name(EndpointId(1), "name 茶").await.unwrap(), None);
        assert_eq!(shelf.first.order(OrderId(1)).await.unwrap(), None);
        let digest = shelf.first.request_digest(saved.id).await.unwrap();
        assert_eq!(digest.as_deref(), Some("digest"));
        let (_, sealed) = shelf.first.order_with_card(saved.id).await.unwrap().unwrap();
        assert_eq!(sealed.as_deref(), Some("1.c2VhbGVk"));
    })
    .await;
}

#[tokio::test]
async fn the_registry_comes_back_as_it_was_saved() {
    on_each(async |shelf| {
        let found = shelf.second.endpoint(EndpointId(1111)).await.unwrap();
        assert_eq!(found, Some(endpoint()));
        assert_eq!(shelf.second.reader("serial 3").await.unwrap(), Some(reader(3)));
        assert_eq!(shelf.second.reader("nobody").await.unwrap(), None);
        let merchant = shelf.second.merchant_by_login("m").await.unwrap().unwrap();
        assert_eq!(merchant.control_key_sealed, [0, 255, 7]);
        let set = shelf.second.key_set(KeySetId(1)).await.unwrap().unwrap();
        assert_eq!((set.prefix, set.base_key_sealed), (vec![1, 2, 3], vec![9; 40]));
        assert!(shelf.first.add_reader(&reader(3), 0).await.is_err(), "a serial is there once");
    })
    .await;
}

#[tokio::test]
async fn a_duplicate_name_a_fallen_counter_and_a_used_nonce_save_nothing() {
    on_each(async |shelf| {
        assert_eq!(shelf.accept("a", 1, 5).await, Acceptance::Saved);
        let earlier = shelf.first.order_by_name(EndpointId(1111), "a").await.unwrap().unwrap();
        assert_eq!(shelf.accept("a", 1, 6).await, Acceptance::Duplicate(earlier.id));
        assert_eq!(shelf.accept("b", 1, 5).await, Acceptance::CounterReplayed);
        assert_eq!(shelf.accept("b", 1, 4).await, Acceptance::CounterReplayed);
        assert_eq!(shelf.accept("b", 99, 1).await, Acceptance::CounterReplayed, "no such reader");
        let mut used = shelf.draft("c", 1, 7).await;
        used.nonce = Some(nonce_of("a", 5));
        assert_eq!(shelf.second.accept(used).await.unwrap(), Acceptance::NonceSeen);
        for (table, rows) in [("orders", 1), ("jobs", 1), ("nonces", 1), ("phones", 1)] {
            assert_eq!(shelf.database.count(table).await, rows, "{table}");
        }
        let reader = shelf.first.reader("serial 1").await.unwrap().unwrap();
        assert_eq!((reader.last_counter, reader.state), (5, ReaderState::Active));
        assert_eq!(shelf.accept("c", 1, 7).await, Acceptance::Saved);
    })
    .await;
}

#[tokio::test]
async fn an_order_without_a_nonce_and_a_phone_uses_up_none_and_comes_once_all_the_same() {
    on_each(async |shelf| {
        let mut drafts = Vec::new();
        for (name, counter) in [("a", 1), ("b", 2), ("c", 3)] {
            let new = shelf.draft(name, 1, counter).await;
            let (nonce, phone) = match name {
                // Beside the others in one batch, an order of a phone.
                "b" => (new.nonce, new.phone.clone()),
                _ => (None, None),
            };
            drafts.push(NewOrder { nonce, phone, ..new });
        }
        let results = join_all(drafts.into_iter().map(|new| shelf.first.accept(new))).await;
        let saved = |result: &Result<_, _>| matches!(result, Ok(Acceptance::Saved));
        assert!(results.iter().all(saved), "{results:?}");
        for (table, rows) in [("orders", 3), ("jobs", 3), ("nonces", 1), ("phones", 1)] {
            assert_eq!(shelf.database.count(table).await, rows, "{table}");
        }
        let earlier = shelf.first.order_by_name(EndpointId(1111), "c").await.unwrap().unwrap();
        for (name, counter, expected) in [
            ("c", 4, Acceptance::Duplicate(earlier.id)),
            ("d", 3, Acceptance::CounterReplayed),
            ("d", 4, Acceptance::Saved),
        ] {
            let new = shelf.draft(name, 1, counter).await;
            let new = NewOrder { nonce: None, phone: None, ..new };
            assert_eq!(shelf.second.accept(new).await.unwrap(), expected, "{name} {counter}");
        }
        assert_eq!(shelf.database.count("nonces").await, 1);
    })
    .await;
}

#[tokio::test]
async fn an_order_in_flight_does_not_move_the_counter_of_its_readers_next_key() {
    on_each(async |shelf| {
        assert_eq!(shelf.accept("a", 1, 5).await, Acceptance::Saved);
        let next = reader(500).initial_ksn;
        let old = shelf.first.reader("serial 1").await.unwrap().unwrap();
        let rekeyed = Reader { initial_ksn: next, ..old.clone() };
        assert!(shelf.first.replace_key(&old, &rekeyed, 200).await.unwrap());
        assert_eq!(shelf.accept("b", 1, 6).await, Acceptance::CounterReplayed);
        let reader = shelf.first.reader("serial 1").await.unwrap().unwrap();
        assert_eq!((reader.last_counter, reader.initial_ksn), (0, next));
        let mut new = shelf.draft("c", 1, 1).await;
        new.initial_ksn = next;
        assert_eq!(shelf.second.accept(new).await.unwrap(), Acceptance::Saved);
    })
    .await;
}

#[tokio::test]
async fn of_many_at_once_on_two_instances_each_name_and_counter_is_taken_once() {
    on_each(async |shelf| {
        let mut drafts = Vec::new();
        for number in 0..128 {
            // Each name twice and each counter twice, spread over both stores and all readers.
            let (name, counter) = (number / 2, 1 + number / 16);
            drafts.push(shelf.draft(&format!("n{name}"), 1 + number % 8, counter).await);
        }
        let both = [&shelf.first, &shelf.second];
        let accepts = drafts.into_iter().enumerate().map(|(n, new)| both[n % 2].accept(new));
        let results: Vec<_> = join_all(accepts).await.into_iter().map(Result::unwrap).collect();
        let saved = results.iter().filter(|r| **r == Acceptance::Saved).count();
        assert_eq!(shelf.database.count("orders").await, i64::try_from(saved).unwrap());
        assert_eq!(shelf.database.count("jobs").await, i64::try_from(saved).unwrap());
        assert_eq!(shelf.database.count("nonces").await, i64::try_from(saved).unwrap());
        assert!((8..=64).contains(&saved), "{saved}");
        for id in 1..=8 {
            let reader = shelf.first.reader(&format!("serial {id}")).await.unwrap().unwrap();
            assert!((1..=8).contains(&reader.last_counter));
        }
    })
    .await;
}

#[tokio::test]
async fn one_bad_change_does_not_fail_its_neighbours() {
    on_each(async |shelf| {
        let mut drafts = Vec::new();
        for number in 0..8 {
            drafts.push(shelf.draft(&format!("n{number}"), 1 + number, 1).await);
        }
        // Two orders with one id: no database takes the second.
        drafts[5].change.order.id = drafts[2].change.order.id;
        let results = join_all(drafts.into_iter().map(|new| shelf.first.accept(new))).await;
        let saved = results.iter().filter(|r| matches!(r, Ok(Acceptance::Saved))).count();
        let taken = results.iter().filter(|r| matches!(r, Err(StoreError::Taken(_)))).count();
        assert_eq!((saved, taken), (7, 1));
        assert_eq!(shelf.database.count("orders").await, 7);
    })
    .await;
}

#[tokio::test]
async fn a_job_is_claimed_by_one_worker_until_its_lease_ends() {
    on_each(async |shelf| {
        for number in 0..40 {
            let name = format!("n{number}");
            assert_eq!(shelf.accept(&name, 1 + number % 8, 1 + number).await, Acceptance::Saved);
        }
        assert_eq!(shelf.first.claim_jobs(10, 99, LEASE).await.unwrap(), [], "not due yet");
        let both = [&shelf.first, &shelf.second];
        let claims = (0..16).map(|n| both[n % 2].claim_jobs(5, 100, LEASE));
        let claimed: Vec<_> = join_all(claims).await.into_iter().flat_map(Result::unwrap).collect();
        let ids: HashSet<JobId> = claimed.iter().map(|job| job.id).collect();
        assert_eq!((claimed.len(), ids.len()), (40, 40));
        assert!(claimed.iter().all(|job| job.claims == 1));
        assert!(claimed.iter().all(|job| job.step == Step::Authorise { round: 0 }));

        assert_eq!(shelf.first.claim_jobs(99, 100 + LEASE - 1, LEASE).await.unwrap(), []);
        let again = shelf.second.claim_jobs(99, 100 + LEASE, LEASE).await.unwrap();
        assert_eq!(again.len(), 40);
        assert!(again.iter().all(|job| (job.claims, job.tries) == (2, 2)));
    })
    .await;
}

#[tokio::test]
async fn of_two_changes_of_one_version_the_second_is_stale_and_leaves_nothing() {
    on_each(async |shelf| {
        assert_eq!(shelf.accept("a", 1, 1).await, Acceptance::Saved);
        let job = shelf.first.claim_jobs(1, 100, LEASE).await.unwrap()[0];
        let order = shelf.first.order(job.order).await.unwrap().unwrap();
        let mut advances = Vec::new();
        for _ in 0..8 {
            let change = apply(order.clone(), approval(), 200).unwrap();
            let id = shelf.first.next_notice_id().await.unwrap();
            let notice = Some(notice(id, &change.order));
            advances.push(Advance {
                change,
                job: JobRef { id: job.id, claims: job.claims },
                postings: Vec::new(),
                notice,
                notice_leased_until: None,
            });
        }
        let both = [&shelf.first, &shelf.second];
        let advances = advances.into_iter().enumerate().map(|(n, a)| both[n % 2].advance(a));
        let results: Vec<_> = join_all(advances).await.into_iter().map(Result::unwrap).collect();
        assert_eq!(results.iter().filter(|saved| **saved).count(), 1);
        assert_eq!(shelf.database.count("notices").await, 1);
        assert_eq!(shelf.database.count("jobs").await, 0);
        let after = shelf.second.order(order.id).await.unwrap().unwrap();
        assert_eq!((after.status, after.version), (Status::Approved, 1));
        assert_eq!(after.outcome.approval_code.as_deref(), Some("123456"));
        let (_, sealed) = shelf.first.order_with_card(order.id).await.unwrap().unwrap();
        assert_eq!(sealed, None, "final: wiped");
    })
    .await;
}

#[tokio::test]
async fn an_owner_whose_lease_ran_out_saves_nothing() {
    on_each(async |shelf| {
        assert_eq!(shelf.accept("a", 1, 1).await, Acceptance::Saved);
        let first = shelf.first.claim_jobs(1, 100, LEASE).await.unwrap()[0];
        let second = shelf.second.claim_jobs(1, 100 + LEASE, LEASE).await.unwrap()[0];
        let order = shelf.first.order(first.order).await.unwrap().unwrap();
        let by = |claims| Advance {
            change: apply(order.clone(), approval(), 200).unwrap(),
            job: JobRef { id: first.id, claims },
            postings: Vec::new(),
            notice: None,
            notice_leased_until: None,
        };
        assert!(!shelf.first.advance(by(first.claims)).await.unwrap());
        assert_eq!(shelf.first.order(order.id).await.unwrap(), Some(order.clone()));
        assert!(shelf.second.advance(by(second.claims)).await.unwrap());
    })
    .await;
}

#[tokio::test]
async fn what_was_given_back_unbegun_counts_as_untried_and_only_its_owner_gives_it_back() {
    on_each(async |shelf| {
        assert_eq!(shelf.accept("a", 1, 1).await, Acceptance::Saved);
        let first = shelf.first.claim_jobs(1, 100, LEASE).await.unwrap()[0];
        shelf.first.give_back_job(first.id, first.claims).await.unwrap();
        let second = shelf.second.claim_jobs(1, 100, LEASE).await.unwrap()[0];
        assert_eq!(second.tries, 1);
        assert!(second.claims > first.claims);
        // The first owner says it again, too late: the second one's lease holds.
        shelf.first.give_back_job(first.id, first.claims).await.unwrap();
        assert_eq!(shelf.first.claim_jobs(1, 100, LEASE).await.unwrap(), []);
    })
    .await;
}

#[tokio::test]
async fn a_save_whose_word_was_lost_is_repeated_without_a_second_order() {
    on_each(async |shelf| {
        let first = shelf.draft("a", 1, 1).await;
        let mut again = shelf.draft("a", 1, 1).await;
        again.change = first.change.clone();
        assert_eq!(shelf.first.accept(first).await.unwrap(), Acceptance::Saved);
        assert_eq!(shelf.second.accept(again).await.unwrap(), Acceptance::Saved);
        for table in ["orders", "jobs", "nonces"] {
            assert_eq!(shelf.database.count(table).await, 1, "{table}");
        }
    })
    .await;
}

#[tokio::test]
async fn a_job_that_this_version_cannot_read_does_not_hold_up_the_others() {
    on_each(async |shelf| {
        assert_eq!(shelf.accept("a", 1, 1).await, Acceptance::Saved);
        let pool = shelf.database.look().await;
        sqlx::query("UPDATE jobs SET step = 'from the future'").execute(&pool).await.unwrap();
        pool.close().await;
        assert_eq!(shelf.accept("b", 1, 2).await, Acceptance::Saved);
        let claimed = shelf.first.claim_jobs(10, 100, LEASE).await.unwrap();
        assert_eq!(claimed.len(), 1);
    })
    .await;
}

#[tokio::test]
async fn a_step_that_leads_to_another_keeps_its_job_and_starts_its_claims_anew() {
    on_each(async |shelf| {
        assert_eq!(shelf.accept("a", 1, 1).await, Acceptance::Saved);
        let job = shelf.first.claim_jobs(1, 100, LEASE).await.unwrap()[0];
        let order = shelf.first.order(job.order).await.unwrap().unwrap();
        let change = apply(order, Event::Pending { ask_after: 50 }, 200).unwrap();
        let advance = Advance {
            change,
            job: JobRef { id: job.id, claims: job.claims },
            postings: Vec::new(),
            notice: None,
            notice_leased_until: None,
        };
        assert!(shelf.first.advance(advance).await.unwrap());
        assert_eq!(shelf.first.claim_jobs(1, 249, LEASE).await.unwrap(), []);
        let next = shelf.second.claim_jobs(1, 250, LEASE).await.unwrap()[0];
        assert_eq!((next.id, next.step), (job.id, Step::Inquire { round: 0 }));
        assert_eq!((next.claims, next.tries), (2, 1));
        let (_, sealed) = shelf.first.order_with_card(job.order).await.unwrap().unwrap();
        assert!(sealed.is_some(), "not final: kept");
    })
    .await;
}

#[tokio::test]
async fn a_callback_is_retried_delivered_or_given_up_and_an_outdated_result_changes_nothing() {
    on_each(async |shelf| {
        assert_eq!(shelf.accept("a", 1, 1).await, Acceptance::Saved);
        let job = shelf.first.claim_jobs(1, 100, LEASE).await.unwrap()[0];
        let order = shelf.first.order(job.order).await.unwrap().unwrap();
        let change = apply(order.clone(), approval(), 200).unwrap();
        let id = shelf.first.next_notice_id().await.unwrap();
        let owed = notice(id, &change.order);
        let advance = Advance {
            change,
            job: JobRef { id: job.id, claims: job.claims },
            postings: Vec::new(),
            notice: Some(owed.clone()),
            notice_leased_until: None,
        };
        assert!(shelf.first.advance(advance).await.unwrap());

        let claim = async |now| shelf.second.claim_notices(9, now, LEASE).await.unwrap();
        let note = async |attempts, attempt| {
            let result = NoticeResult { id, attempts, attempt, facts: None };
            shelf.first.note_attempt(result).await.unwrap();
        };
        assert_eq!(claim(199).await, []);
        let due = claim(200).await;
        assert_eq!((due.len(), due[0].attempts, &due[0].notice), (1, 1, &owed));
        note(1, Attempt::RetryAt(500)).await;
        assert_eq!(claim(499).await, []);
        assert_eq!(claim(500).await[0].attempts, 2);
        note(2, Attempt::NotMade(700)).await;
        note(2, Attempt::NotMade(900)).await;
        assert_eq!(claim(699).await, []);
        assert_eq!(claim(700).await[0].attempts, 2, "what was not made does not count");
        // The first worker reports late; the second attempt is under way and stays leased.
        note(1, Attempt::GivenUp).await;
        assert_eq!(shelf.first.notices_of(order.id).await.unwrap()[0].state, "sending");
        note(2, Attempt::Delivered).await;
        let state = &shelf.first.notices_of(order.id).await.unwrap()[0];
        assert_eq!((state.state.as_str(), state.due_at), ("delivered", None));
        note(2, Attempt::RetryAt(600)).await;
        assert_eq!(claim(100_000).await, [], "delivered stays delivered");
    })
    .await;
}

#[tokio::test]
async fn numbers_are_never_given_out_twice() {
    on_each(async |shelf| {
        let mut orders = HashSet::new();
        for number in 0..600 {
            let store = if number % 2 == 0 { &shelf.first } else { &shelf.second };
            assert!(orders.insert(store.next_order_id().await.unwrap()));
        }
        let serials = join_all((0..50).map(|_| shelf.second.next_serial())).await;
        let serials: HashSet<_> = serials.into_iter().map(|s| s.unwrap().0).collect();
        assert_eq!(serials.len(), 50);
    })
    .await;
    for engine in engines() {
        let database = Database::create(engine).await;
        let mut seen = HashSet::new();
        for _ in 0..3 {
            let store = Store::open(&database.location).await.unwrap();
            assert!(seen.insert(store.next_order_id().await.unwrap()), "again after a restart");
            store.close().await;
        }
        database.remove().await;
    }
}

#[tokio::test]
async fn a_sqlite_file_belongs_to_one_store_at_a_time() {
    let database = Database::create(Engine::Sqlite).await;
    let store = Store::open(&database.location).await.unwrap();
    let Err(StoreError::Busy(why)) = Store::open(&database.location).await else {
        panic!("a second store was opened")
    };
    assert!(why.contains("in use by another tillgate"), "{why}");
    store.close().await;
    drop(store);
    Store::open(&database.location).await.unwrap().close().await;
    database.remove().await;
}

#[test]
fn locations_are_read_from_text() {
    let sqlite = |path: &str| Some(Location::Sqlite(path.into()));
    assert_eq!(Location::parse("sqlite:tillgate.db"), sqlite("tillgate.db"));
    assert_eq!(Location::parse("sqlite:///var/lib/t.db"), sqlite("/var/lib/t.db"));
    let postgres = "postgres://u:p@h/d";
    assert_eq!(Location::parse(postgres), Some(Location::Postgres(postgres.to_owned())));
    for wrong in ["", "sqlite:", "mysql://x", "tillgate.db"] {
        assert_eq!(Location::parse(wrong), None, "{wrong}");
    }
}

#[tokio::test]
async fn a_counter_taken_before_is_refused_also_beside_a_higher_one_of_the_same_reader() {
    on_each(async |shelf| {
        assert_eq!(shelf.accept("first", 1, 10).await, Acceptance::Saved);
        let replayed = shelf.draft("replayed", 1, 10).await;
        let fresh = shelf.draft("fresh", 1, 11).await;
        let (replayed, fresh) =
            tokio::join!(shelf.first.accept(replayed), shelf.first.accept(fresh));
        assert_eq!(replayed.unwrap(), Acceptance::CounterReplayed);
        assert_eq!(fresh.unwrap(), Acceptance::Saved);
    })
    .await;
}

#[tokio::test]
async fn each_slot_of_a_schedule_is_taken_once_whoever_asks() {
    on_each(async |shelf| {
        for slot in [7, 8, 20] {
            let take = async |store: &Store| store.take_turn("sweep", slot).await.unwrap();
            let (one, other) = tokio::join!(take(&shelf.first), take(&shelf.second));
            assert!(one != other, "slot {slot} was taken by {}", u8::from(one) + u8::from(other));
        }
        assert!(!shelf.first.take_turn("sweep", 19).await.unwrap(), "a slot that has passed");
        assert!(shelf.first.take_turn("another schedule", 1).await.unwrap());
    })
    .await;
}

#[tokio::test]
async fn instances_that_sweep_at_once_destroy_what_is_old_and_nothing_else() {
    on_each(async |shelf| {
        let key = |id, created_at| StoredCardKey { id, key_sealed: vec![7; 60], created_at };
        for round in 0..10 {
            shelf.first.add_card_key(&key(2 * round, 100)).await.unwrap();
            let sweep = async |store: &Store| {
                store.forget_nonces_before(5).await.unwrap();
                store.destroy_card_keys_before(1000).await.unwrap()
            };
            // One instance makes a key of the new hour while both destroy that of the old one.
            let young = key(2 * round + 1, 2000 + round);
            let (one, other, added) = tokio::join!(
                sweep(&shelf.first),
                sweep(&shelf.second),
                shelf.second.add_card_key(&young),
            );
            added.unwrap();
            assert!(one + other >= 1, "nobody destroyed the old key");
            assert!(shelf.first.card_key(2 * round).await.unwrap().is_none());
            assert_eq!(shelf.database.count("card_keys").await, round + 1);
        }
    })
    .await;
}
