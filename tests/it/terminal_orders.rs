//! Orders of payment terminals: unsigned, from no phone, with amounts that mean something else to
//! the sandbox's host.

use crate::world::{World, scenario};
use tillgate::gateway::{Accepted, Intent};
use tillgate::payment::SECOND;
use tillgate::payment::host::HostProfile;
use tillgate::payment::ids::{EndpointId, OrderId};
use tillgate::payment::money::{Amount, Currency};
use tillgate::payment::order::{Kind, Order, RequestFacts, Status};

/// What a terminal asks for: with a card that is held to it now.
async fn intent(world: &World, kind: Kind, name: &str, amount: &str) -> Intent {
    let gateway = world.gateway();
    let merchant = gateway.merchant_by_login(&world.ready.login).await.unwrap().unwrap();
    let endpoint = gateway.endpoint(EndpointId(1111)).await.unwrap().unwrap();
    let fields = [("name", name), ("amount", amount)];
    Intent {
        merchant,
        endpoint,
        kind,
        client_orderid: name.to_owned(),
        amount: Amount::parse(amount, Currency::from_alpha("RUB").unwrap()).unwrap(),
        encrypted_type: "sim".to_owned(),
        encrypted_data: world.swipe(amount, serde_json::json!({})).await,
        callback_url: None,
        facts: RequestFacts { host_profile: HostProfile::Terminal, ..RequestFacts::default() },
        terminal_id: Some("T0000007".to_owned()),
        phone: None,
        request_digest: gateway.request_digest(kind, fields.into_iter()),
        nonce: None,
    }
}

async fn open(world: &World, kind: Kind, name: &str, amount: &str) -> OrderId {
    let intent = intent(world, kind, name, amount).await;
    world.gateway().submit(intent).await.unwrap().order
}

async fn order(world: &World, id: OrderId) -> Order {
    world.app().store().order(id).await.unwrap().unwrap()
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
