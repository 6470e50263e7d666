//! Telling the merchant: once an order is final, until the receiver has answered 200.

use crate::receiver::{Answering, Receiver};
use crate::world::{Fields, World, order_id, scenario};
use std::net::TcpListener;
use tillgate::crypto::sign::control;
use tillgate::payment::ids::EndpointId;
use tillgate::payment::{HOUR, MINUTE, SECOND};

async fn sell_with(world: &World, name: &str, amount: &str, urls: &[(&str, &str)]) -> String {
    let mut form: Fields = world.sale_form(name, amount).await;
    form.extend(urls.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
    world.sale(&form).await.order()
}

#[tokio::test]
async fn an_approved_sale_is_called_back_with_the_documented_parameters() {
    scenario(async |world| {
        let inbox = format!("{}?shop=7", world.ready.callback_inbox_url);
        let order = sell_with(
            world,
            "902B4FF5",
            "10.42",
            &[("server_callback_url", inbox.as_str()), ("merchant_data", "till 7")],
        )
        .await;
        assert_eq!(world.callbacks().await, [], "nothing is told before it is final");
        world.settle().await;
        let callbacks = world.callbacks().await;
        assert_eq!(callbacks.len(), 1);
        let callback = &callbacks[0];
        let key = &world.ready.control_key;
        let expected_control = control(&["approved", &order, "902B4FF5", key]);
        for (name, value) in [
            ("shop", "7"),
            ("status", "approved"),
            ("merchant_order", "902B4FF5"),
            ("client_orderid", "902B4FF5"),
            ("orderid", order.as_str()),
            ("type", "sale"),
            ("amount", "10.42"),
            ("descriptor", "TILLGATE SANDBOX"),
            ("error_message", ""),
            ("card-holder-name", "TEST CARD"),
            ("last-four-digits", "1111"),
            ("bin", "444455"),
            ("card-type", "VISA"),
            ("control", expected_control.as_str()),
            ("merchantdata", "till 7"),
        ] {
            assert_eq!(callback.get(name).map(String::as_str), Some(value), "{name}");
        }
        assert_eq!(callback.get("error_code"), None);
    })
    .await;
}

#[tokio::test]
async fn declined_and_filtered_orders_are_called_back_with_their_reason() {
    scenario(async |world| {
        let inbox = world.ready.callback_inbox_url.clone();
        sell_with(world, "N-1", "11.16", &[("server_callback_url", &inbox)]).await;
        sell_with(world, "N-2", "13.00", &[("server_callback_url", &inbox)]).await;
        world.settle().await;
        let told: Vec<_> = world
            .callbacks()
            .await
            .into_iter()
            .map(|mut one| (one.remove("status").unwrap(), one.remove("error_code").unwrap()))
            .collect();
        assert!(told.contains(&("declined".to_owned(), "116".to_owned())), "{told:?}");
        assert!(told.contains(&("filtered".to_owned(), "702".to_owned())), "{told:?}");
        assert_eq!(told.len(), 2);
    })
    .await;
}

#[tokio::test]
async fn notify_url_beats_server_callback_url_which_beats_the_endpoints_setting() {
    scenario(async |world| {
        let inbox = world.ready.callback_inbox_url.clone();
        let [notify, server, setting] =
            ["notify", "server", "setting"].map(|path| format!("{inbox}/{path}?to={path}"));
        let endpoint = world.gateway().endpoint(EndpointId(1111)).await.unwrap().unwrap();
        let mut endpoint = (*endpoint).clone();
        endpoint.callback_url = Some(setting);
        world.gateway().change_endpoint(&endpoint).await.unwrap();

        sell_with(
            world,
            "W-1",
            "10.42",
            &[("server_callback_url", &server), ("notify_url", &notify)],
        )
        .await;
        sell_with(world, "W-2", "10.42", &[("server_callback_url", &server)]).await;
        sell_with(world, "W-3", "10.42", &[]).await;
        world.settle().await;
        let mut told: Vec<_> = world
            .callbacks()
            .await
            .iter()
            .map(|one| (one["client_orderid"].clone(), one["to"].clone()))
            .collect();
        told.sort();
        let expected = [("W-1", "notify"), ("W-2", "server"), ("W-3", "setting")];
        assert_eq!(told, expected.map(|(name, to)| (name.to_owned(), to.to_owned())));
    })
    .await;
}

#[tokio::test]
async fn a_failing_receiver_is_tried_again_on_the_schedule_until_it_answers_200() {
    scenario(async |world| {
        let receiver = Receiver::start([500, 302, 204, 200].map(Answering::with).to_vec());
        let order =
            sell_with(world, "T-1", "10.42", &[("server_callback_url", &receiver.url)]).await;
        world.settle().await;
        let state = async || world.app().store().notices_of(order_id(&order)).await.unwrap();
        assert_eq!((state().await[0].state.as_str(), state().await[0].attempts), ("waiting", 1));
        let due_in = state().await[0].due_at.unwrap() - world.clock.now();
        assert!((54 * SECOND..=MINUTE).contains(&due_in), "up to a tenth early: {due_in}");

        world.pass(53 * SECOND).await;
        assert_eq!(state().await[0].attempts, 1, "not before its time");
        world.pass(7 * SECOND).await;
        world.pass(2 * MINUTE).await;
        assert_eq!((state().await[0].state.as_str(), state().await[0].attempts), ("waiting", 3));
        world.pass(5 * MINUTE).await;
        assert_eq!((state().await[0].state.as_str(), state().await[0].attempts), ("delivered", 4));
        world.pass(24 * HOUR).await;
        let paths: Vec<_> = receiver.received().into_iter().map(|one| one.target).collect();
        assert_eq!(paths.len(), 4, "{paths:?}");
        assert!(paths.iter().all(|path| *path == paths[0]), "each attempt says the same");
    })
    .await;
}

#[tokio::test]
async fn a_receiver_that_never_answers_200_gets_thirty_attempts() {
    scenario(async |world| {
        // A port that nobody listens on.
        let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let url = format!("http://{closed}/cb");
        let order = sell_with(world, "T-2", "10.42", &[("server_callback_url", &url)]).await;
        world.settle().await;
        for _ in 0..40 {
            world.pass(24 * HOUR).await;
        }
        let notices = world.app().store().notices_of(order_id(&order)).await.unwrap();
        assert_eq!((notices[0].state.as_str(), notices[0].attempts), ("dead", 30));
        assert_eq!(notices[0].due_at, None);
    })
    .await;
}

#[tokio::test]
async fn a_callback_owed_survives_a_restart() {
    for engine in crate::database::engines() {
        let world = World::start(engine).await;
        let receiver = Receiver::start([503, 200].map(Answering::with).to_vec());
        sell_with(&world, "T-3", "10.42", &[("server_callback_url", &receiver.url)]).await;
        world.settle().await;
        let world = world.restart().await;
        world.pass(MINUTE).await;
        assert_eq!(receiver.received().len(), 2);
        world.end().await;
    }
}

#[tokio::test]
async fn an_address_that_is_none_is_refused_with_the_order() {
    scenario(async |world| {
        for (name, url) in [
            ("server_callback_url", "not an address"),
            ("notify_url", "ftp://shop.example.com/"),
            ("notify_url", "http://user:pw@shop.example.com/"),
        ] {
            let mut form = world.sale_form("X-1", "10.42").await;
            form.push((name.to_owned(), url.to_owned()));
            let refusal = world.sale(&form).await.refusal();
            let expected = format!("validation-error 1 Request parameter '{name}' is invalid: ");
            assert!(refusal.starts_with(&expected), "{refusal}");
        }
        assert_eq!(world.database.count("orders").await, 0);
    })
    .await;
}
