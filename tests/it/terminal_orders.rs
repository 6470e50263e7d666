//! Orders of payment terminals: unsigned, from no phone, with amounts that mean something else to
//! the sandbox's host.

use crate::world::{World, scenario};
use tillgate::gateway::{Accepted, CloseIntent, Intent, ReportIntent, Wanted};
use tillgate::payment::card::EntryMode;
use tillgate::payment::day::{Claimed, Totals};
use tillgate::payment::host::HostProfile;
use tillgate::payment::ids::{EndpointId, OrderId};
use tillgate::payment::ledger::Movement;
use tillgate::payment::limits::{Per, Velocity};
use tillgate::payment::merchant::{Endpoint, Fee};
use tillgate::payment::money::{Amount, Currency};
use tillgate::payment::order::{Kind, Order, RequestFacts, Status};
use tillgate::payment::{MINUTE, SECOND};

/// What a terminal asks for: with a card that is held to it now.
pub async fn intent(world: &World, kind: Kind, name: &str, amount: &str) -> Intent {
    let gateway = world.gateway();
    let merchant = gateway.merchant_by_login(&world.ready.login).await.unwrap().unwrap();
    let endpoint = gateway.endpoint(EndpointId(1111)).await.unwrap().unwrap();
    let fields = [("name", name), ("amount", amount)];
    let money = Amount::parse(amount, Currency::from_alpha("RUB").unwrap()).unwrap();
    Intent {
        merchant,
        endpoint,
        kind,
        client_orderid: name.to_owned(),
        amount: money,
        encrypted_type: "sim".to_owned(),
        encrypted_data: world.swipe(amount, serde_json::json!({})).await,
        callback_url: None,
        facts: RequestFacts {
            host_profile: HostProfile::Terminal { ending: money.minor() % 1000 },
            ..RequestFacts::default()
        },
        terminal_id: Some("T0000007".to_owned()),
        phone: None,
        request_digest: gateway.request_digest(kind, fields.into_iter()),
        nonce: None,
        right: None,
    }
}

async fn open(world: &World, kind: Kind, name: &str, amount: &str) -> OrderId {
    let intent = intent(world, kind, name, amount).await;
    world.gateway().submit(intent).await.unwrap().order
}

async fn order(world: &World, id: OrderId) -> Order {
    world.app().store().order(id).await.unwrap().unwrap()
}

async fn change_endpoint(world: &World, change: impl FnOnce(&mut Endpoint)) {
    let endpoint = world.gateway().endpoint(EndpointId(1111)).await.unwrap().unwrap();
    let mut changed = Endpoint::clone(&endpoint);
    change(&mut changed);
    world.gateway().change_endpoint(&changed).await.unwrap();
}

async fn code(world: &World, id: OrderId) -> Option<u32> {
    order(world, id).await.outcome.error.map(|error| error.code)
}

#[tokio::test]
async fn a_terminal_is_told_apart_by_its_own_number_and_leaves_no_nonce_and_no_phone() {
    scenario(async |world| {
        let first = intent(world, Kind::Sale, "T-1", "10.42").await;
        let data = first.encrypted_data.clone();
        let id = world.gateway().submit(first).await.unwrap().order;
        world.settle().await;
        let sold = order(world, id).await;
        assert_eq!(
            (sold.status, sold.request.terminal_id.as_str()),
            (Status::Approved, "T0000007")
        );
        for table in ["nonces", "phones"] {
            assert_eq!(world.database.count(table).await, 0, "{table}");
        }
        let again = intent(world, Kind::Sale, "T-1", "10.42").await;
        let again = Intent { encrypted_data: data, ..again };
        let again = world.gateway().submit(again).await.unwrap();
        assert_eq!(again, Accepted { order: id, serial: sold.serial }, "the first answer again");
        assert_eq!(world.latest("T-1", &id.to_string()).await, "sale approved sale_approved 10.42");
    })
    .await;
}

#[tokio::test]
async fn a_terminals_amounts_are_played_by_the_terminals_table() {
    scenario(async |world| {
        for (amount, expected) in [
            ("1.22", Some(102)),
            ("1.23", Some(100)),
            ("1.24", Some(116)),
            ("1.25", Some(125)),
            ("1.26", Some(101)),
            ("1.27", Some(110)),
            ("1.30", Some(907)),
            ("1.34", None),
            ("1.35", Some(106)),
            ("1.46", Some(119)),
            ("1.48", Some(125)),
            // These mean something on a mobile app only.
            ("1.01", None),
            ("2.17", None),
            ("3.00", None),
            ("4.08", None),
        ] {
            let id = open(world, Kind::Sale, &format!("T-{amount}"), amount).await;
            world.settle().await;
            assert_eq!(code(world, id).await, expected, "{amount}");
            let status = order(world, id).await.status;
            assert_eq!(status == Status::Approved, expected.is_none(), "{amount}: {status:?}");
        }
    })
    .await;
}

#[tokio::test]
async fn a_host_that_thinks_long_keeps_a_terminals_order_processing_until_the_clock_is_there() {
    scenario(async |world| {
        for (amount, thinks) in [("9.01", 35 * SECOND), ("9.08", 20 * SECOND)] {
            let id = open(world, Kind::Sale, &format!("T-{amount}"), amount).await;
            world.settle().await;
            world.pass(thinks - 1).await;
            assert_eq!(order(world, id).await.status, Status::Processing, "{amount}");
            world.pass(1).await;
            assert_eq!(order(world, id).await.status, Status::Approved, "{amount}");
        }
    })
    .await;
}

#[tokio::test]
async fn a_host_that_never_answers_a_terminal_takes_the_order_back_at_the_first_time() {
    scenario(async |world| {
        let id = open(world, Kind::Sale, "T-905", "9.05").await;
        world.settle().await;
        for wait in [SECOND, 5 * SECOND, 30 * SECOND - 1] {
            world.pass(wait).await;
            assert_eq!(order(world, id).await.status, Status::Processing);
        }
        world.pass(1).await;
        assert_eq!(
            (order(world, id).await.status, code(world, id).await),
            (Status::Declined, Some(907))
        );
        assert!(world.host().has_reversed(id));
        assert_eq!(world.host().requests_for(id), 1, "it was sent once only");
    })
    .await;
}

#[tokio::test]
async fn what_a_terminal_took_is_given_back_whatever_its_amount_but_for_one() {
    scenario(async |world| {
        let id = open(world, Kind::Sale, "T-1", "20.00").await.to_string();
        world.settle().await;
        for (amount, status) in [("1.24", "approved"), ("9.05", "approved"), ("1.23", "declined")] {
            world.amend("return", "T-1", &id, Some(amount)).await.order();
            world.settle().await;
            let expected = format!("reversal {status} reversal_{status} {amount}");
            assert_eq!(world.latest("T-1", &id).await, expected);
        }
    })
    .await;
}

#[tokio::test]
async fn a_refund_gives_money_without_an_earlier_order_and_counts_as_reversed_when_the_day_ends() {
    scenario(async |world| {
        let fee = Fee { basis_points: 150, fixed_minor: 10 };
        change_endpoint(world, |endpoint| endpoint.terms.fee = fee).await;
        open(world, Kind::Sale, "S-1", "20.00").await;
        let refund = open(world, Kind::Refund, "R-1", "5.00").await;
        let name = refund.to_string();
        assert_eq!(world.latest("R-1", &name).await, "refund processing refund_processing 5.00");
        world.settle().await;
        assert_eq!(world.latest("R-1", &name).await, "refund approved refund_approved 5.00");
        let status = world.status("R-1", &name).await;
        assert_eq!(status.get("terminal-id"), "T0000007");
        assert_eq!(world.balances().await, [("fee", 40), ("refund", 500), ("sale", 2000)].into());
        assert_eq!(world.account("card_holders").await, -1500);
        for command in ["capture", "return", "void"] {
            let refused = world.amend(command, "R-1", &name, None).await;
            assert_eq!(refused.refusal(), "error 102 WRONG_ORDER_STATE", "{command}");
        }

        let gateway = world.gateway();
        let intent = CloseIntent {
            merchant: gateway.merchant_by_login(&world.ready.login).await.unwrap().unwrap(),
            endpoint: EndpointId(1111),
            request_id: "close0001".to_owned(),
            claimed: Claimed { reversal_count: Some(1), ..Claimed::default() },
        };
        let closed = gateway.close_day(&intent).await.unwrap().close;
        let expected =
            Totals { sale_count: 1, sale_minor: 2000, reversal_count: 1, reversal_minor: 500 };
        assert_eq!((closed.totals, closed.response_code), (Some(expected), Some("00".to_owned())));
        assert_eq!(world.account("card_holders").await, 0, "the acquirer owes what is left");
        let day = gateway.settled_day(closed.id).await.unwrap().unwrap();
        let lines = gateway.settlement_page(&day, None).await.unwrap();
        let line = lines.iter().find(|line| line.movement == Movement::Refund).unwrap();
        assert_eq!((line.order, line.minor), (refund, 500));
        assert_eq!(line.reference, order(world, refund).await.outcome.rrn);
    })
    .await;
}

#[tokio::test]
async fn a_refund_by_chip_is_not_asked_for_a_last_word() {
    scenario(async |world| {
        let chip = serde_json::json!({ "entry_mode": "insert" });
        let encrypted_data = world.swipe("5.00", chip).await;
        let refund = intent(world, Kind::Refund, "R-1", "5.00").await;
        let refund = Intent { encrypted_data, ..refund };
        let id = world.gateway().submit(refund).await.unwrap().order;
        world.settle().await;
        let refunded = order(world, id).await;
        assert_eq!(refunded.card.entry_mode, EntryMode::Chip);
        assert_eq!(refunded.wire_stage(), "refund_approved");
    })
    .await;
}

#[tokio::test]
async fn a_refund_whose_answer_is_lost_is_taken_back_and_moves_nothing() {
    scenario(async |world| {
        let id = open(world, Kind::Refund, "R-1", "9.05").await;
        world.settle().await;
        for wait in [SECOND, 5 * SECOND, 30 * SECOND] {
            world.pass(wait).await;
        }
        let name = id.to_string();
        assert_eq!(world.latest("R-1", &name).await, "refund declined refund_declined 9.05");
        assert!(world.host().has_reversed(id));
        assert_eq!(world.balances().await, [].into());
    })
    .await;
}

#[tokio::test]
async fn a_refund_is_no_spending_but_keeps_to_the_amounts_of_its_end_point() {
    scenario(async |world| {
        let once =
            Velocity { per: Per::Card, within: MINUTE, count_most: Some(1), sum_most_minor: None };
        change_endpoint(world, |endpoint| {
            endpoint.limits.velocity = vec![once];
            endpoint.limits.amount_most_minor = Some(1000);
        })
        .await;
        let mut ended = Vec::new();
        for (kind, amount) in [
            (Kind::Refund, "5.00"),
            (Kind::Sale, "5.00"),
            (Kind::Refund, "5.00"),
            (Kind::Sale, "5.00"),
            (Kind::Refund, "10.01"),
        ] {
            let id = open(world, kind, &format!("R-{}", ended.len()), amount).await;
            world.settle().await;
            ended.push((order(world, id).await.status.name(), code(world, id).await));
        }
        let approved = ("approved", None);
        let filtered = |code| ("filtered", Some(code));
        assert_eq!(ended, [approved, approved, approved, filtered(700), filtered(702)]);
    })
    .await;
}

#[tokio::test]
async fn the_report_tells_of_refunds() {
    scenario(async |world| {
        open(world, Kind::Sale, "S-1", "20.00").await;
        let refund = open(world, Kind::Refund, "R-1", "5.00").await;
        world.settle().await;
        let gateway = world.gateway();
        let merchant = gateway.merchant_by_login(&world.ready.login).await.unwrap().unwrap();
        let now = world.clock.now();
        let wanted = Wanted {
            created: now - SECOND..now + SECOND,
            decided: None,
            kinds: Some(vec!["refund"]),
            statuses: None,
        };
        let intent = ReportIntent {
            merchant,
            wanted,
            endpoints: None,
            nonce_digest: [7; 16],
            signed_at: now,
        };
        let mut report = gateway.report(intent).await.unwrap();
        let mut told = Vec::new();
        while report.read_page(|line| told.push(line.order.id)).await.unwrap() {}
        assert_eq!(told, [refund]);
    })
    .await;
}
