//! What a terminal moves is moved once, and told as it was: whatever is repeated, taken over, or
//! refused at a bad moment.

use crate::nexo_json::{payment, reversal};
use crate::till::{
    DEFAULT, Ear, LIGHT, Request, Till, field, passing, quick, result, tireless, transaction,
};
use crate::world::{Answer, World, scenario};
use serde_json::json;
use tillgate::gateway::{
    AmendIntent, Failure, Intent, OrderRight, Scope, ServiceClaim, ServiceEnd,
};
use tillgate::payment::SECOND;
use tillgate::payment::amend;
use tillgate::payment::ids::{EndpointId, OrderId, ServiceNumber};
use tillgate::payment::limits::Limits;
use tillgate::payment::merchant::Endpoint;
use tillgate::payment::money::{Amount, Currency};
use tillgate::payment::order::Kind;

/// A till that is logged in at a terminal that never rests.
async fn ready(world: &World) -> Till<'_> {
    tireless(world, "SIM-XML-1").await;
    let till = Till::at(world, "SIM-XML-1");
    assert_eq!(result(&till.login(LIGHT).await), "Success");
    till
}

async fn balance(world: &World, movement: &str) -> i64 {
    world.balances().await.get(movement).copied().unwrap_or_default()
}

#[tokio::test]
async fn a_service_whose_right_was_withdrawn_opens_no_order_any_more() {
    scenario(async |world| {
        let gateway = world.gateway();
        let right = |number| OrderRight { number: ServiceNumber(number), started_at: 0 };
        gateway.withdraw_right(right(1)).await.unwrap();
        gateway.withdraw_right(right(1)).await.unwrap();
        for (number, opens) in [(1, false), (2, true)] {
            let name = format!("T-{number}");
            let intent = crate::terminal_orders::intent(world, Kind::Sale, &name, "10.42").await;
            let intent = Intent { right: Some(right(number)), ..intent };
            let submitted = gateway.submit(intent).await;
            assert_eq!(submitted.is_ok(), opens);
            if let Err(failure) = submitted {
                assert!(matches!(failure, Failure::NonceReused), "{failure}");
            }
        }
        assert_eq!(world.database.count("orders").await, 1);
    })
    .await;
}

#[tokio::test]
async fn who_lost_a_service_to_another_process_neither_keeps_nor_ends_it() {
    scenario(async |world| {
        let till = ready(world).await;
        let payment = till.payment("9.07");
        let paying = till.send(&payment);
        while world.database.count("terminal_services").await == 0 {
            tokio::task::yield_now().await;
        }
        let store = world.app().store();
        let running = "SELECT category, id FROM terminal_services WHERE response IS NULL";
        let number = ServiceNumber(world.database.numbers(running).await[0].1);
        let first = ServiceClaim::first(number);
        let until = world.clock.now() + 100 * SECOND;
        assert!(!store.take_over_service(first, until, 0).await.unwrap(), "it is still leased");
        assert!(store.take_over_service(first, until, until).await.unwrap());
        assert!(!store.take_over_service(first, until, until).await.unwrap());
        assert!(!store.keep_service(first, until).await.unwrap());
        let end = ServiceEnd { response: "{}".to_owned(), movement: None };
        assert!(!store.finish_service(first, &end).await.unwrap());
        // Whoever waits is told to ask again, and finds what the other made of it.
        let told = passing(world, paying).await;
        assert_eq!(told.status, 503, "{told:?}");
        world.clock.advance(100 * SECOND);
        assert_eq!(world.app().nexo().unwrap().recover().await.unwrap(), 1);
        let found = till.status(Some(&payment)).await;
        assert!(found.body.contains("ErrorCondition=\"Aborted\""), "{found:?}");
    })
    .await;
}

#[tokio::test]
async fn a_later_transaction_that_has_a_name_is_done_once() {
    scenario(async |world| {
        let till = ready(world).await;
        let paid = till.pay("20.00").await;
        assert_eq!(result(&paid), "Success");
        let gateway = world.gateway();
        let (login, order) = (&world.ready.login, "SELECT client_orderid, id FROM orders");
        let (name, id) = world.database.numbers(order).await.remove(0);
        let order = world.app().store().order(OrderId(id)).await.unwrap().unwrap();
        let merchant = gateway.merchant_by_login(login).await.unwrap().unwrap();
        let part = Amount::parse("7.50", Currency::from_alpha("SEK").unwrap()).unwrap();
        let intent = |comment: &str, once| AmendIntent {
            merchant: merchant.clone(),
            scope: Scope::Endpoint(order.endpoint),
            order: order.id,
            client_orderid: name.clone(),
            request: amend::Request::Return(Some(part)),
            comment: Some(comment.to_owned()),
            once,
        };
        let first = gateway.amend(intent("once", true)).await.unwrap();
        assert_eq!(gateway.amend(intent("once", true)).await.unwrap(), first);
        world.settle().await;
        assert_eq!(gateway.amend(intent("once", true)).await.unwrap(), first);
        let other = gateway.amend(intent("once", false)).await.unwrap();
        assert_ne!(other, first, "a merchant may say the same of two");
        world.settle().await;
        assert_eq!(balance(world, "reversal").await, 1_500);
    })
    .await;
}

#[tokio::test]
async fn a_refund_that_wants_a_signature_has_it_on_the_receipt() {
    scenario(async |world| {
        tireless(world, "SIM-XML-1").await;
        let ear = Ear::confirming(false);
        let till = Till::at(world, "SIM-XML-1").named("TILL-02").listening(&ear);
        till.login(DEFAULT).await;
        let refund = till.ask(&till.payment_of("Refund", "SEK", "9.03")).await;
        assert_eq!(result(&refund), "Success", "a credit cannot be taken back");
        assert!(refund.body.contains("RequiredSignatureFlag=\"true\""), "{refund:?}");
        assert_eq!(result(&till.pay("1.00").await), "Success", "the terminal is free");
        // What cannot be given back is for the operator; the terminal is free all the same.
        let url = world.url("/sandbox/terminals/SIM-XML-1/next");
        let chosen = Answer::of(world.http.put(url).body("{\"ending\":903}")).await;
        assert_eq!(chosen.status, 204);
        let unsigned = till.pay("1.23").await;
        assert_eq!(result(&unsigned), "Failure Refusal Signature not confirmed");
        assert_eq!(result(&till.pay("1.00").await), "Success");
    })
    .await;
}

#[tokio::test]
async fn a_repeat_of_a_payment_with_a_card_read_ahead_is_answered_as_before() {
    scenario(async |world| {
        let till = ready(world).await;
        let start = "<EnableServiceRequest TransactionAction=\"StartTransaction\">\
                     <ServicesEnabled>CardAcquisition</ServicesEnabled></EnableServiceRequest>";
        till.ask(&till.request("EnableService", start)).await;
        let acquire = till.request(
            "CardAcquisition",
            "<CardAcquisitionRequest><SaleData><SaleTransactionID TransactionID=\"A-1\" \
             TimeStamp=\"2026-11-21T13:00:01+01:00\"/></SaleData><CardAcquisitionTransaction/>\
             </CardAcquisitionRequest>",
        );
        let card = till.ask(&acquire).await;
        assert_eq!(result(&card), "Success");
        let with_card = |payment: Request| {
            let reference = format!(
                "<CardAcquisitionReference TransactionID=\"{}\" TimeStamp=\"2026-11-21T12:00:00Z\"/>\
                 </PaymentData>",
                transaction(&card)
            );
            let from = "<PaymentData PaymentType=\"Normal\"/>";
            let to = format!("<PaymentData PaymentType=\"Normal\">{reference}");
            Request { body: payment.body.replace(from, &to), ..payment }
        };
        let payment = with_card(till.payment("10.00"));
        let first = till.ask(&payment).await;
        assert_eq!(result(&first), "Success");
        assert_eq!(till.ask(&payment).await.body, first.body);
        assert_eq!(till.ask(&acquire).await.body, card.body);
        let stale = till.ask(&with_card(till.payment("10.00"))).await;
        assert!(result(&stale).starts_with("Failure NotFound "), "{stale:?}");
        assert_eq!(balance(world, "sale").await, 1_000);
    })
    .await;
}

#[tokio::test]
async fn a_completion_is_taken_back_by_its_own_number() {
    scenario(async |world| {
        let till = ready(world).await;
        let held = till.ask(&till.payment_of("FirstReservation", "SEK", "50.00")).await;
        let completion = till.completion(&transaction(&held), "30.00");
        let captured = till.ask(&completion).await;
        assert_eq!(result(&captured), "Success");
        let reversed = till.reverse(&transaction(&captured)).await;
        assert_eq!(result(&reversed), "Success");
        assert_eq!(balance(world, "capture").await, 3_000);
        assert_eq!(balance(world, "reversal").await, 3_000);
    })
    .await;
}

#[tokio::test]
async fn an_order_of_an_app_never_passes_as_the_terminals() {
    scenario(async |world| {
        let till = ready(world).await;
        let rouble = |amount| till.payment_of("Normal", "RUB", amount);
        let first = till.ask(&rouble("10.00")).await;
        let own: i64 = transaction(&first)["412001".len()..].parse().unwrap();
        let squatted = (1..=8).map(|more| format!("nexo-{}", own + more));
        for name in squatted.clone() {
            world.sell(&name, "1.00").await;
            world.settle().await;
        }
        let refused = till.ask(&rouble("20.00")).await;
        let name = transaction(&refused).replace("412001", "nexo-");
        assert!(squatted.clone().any(|squatted| squatted == name), "{name}");
        assert!(result(&refused).starts_with("Failure "), "{refused:?}");
        assert_eq!(balance(world, "sale").await, 1_000 + 800, "nothing at the terminal");
    })
    .await;
}

#[tokio::test]
async fn a_login_does_not_make_a_json_till_reverse_twice() {
    scenario(async |world| {
        quick(world, "SIM-JSON-1").await;
        let till = Till::at(world, "SIM-JSON-1");
        let send = async |text: String| till.post("/sync", "application/json", text).await;
        let paid = send(payment(&till, "20.00")).await;
        let reversal = reversal(&till, &transaction(&paid), Some(7.5));
        let first = send(reversal.clone()).await;
        let login = json!({
            "DateTime": "2026-11-21T12:00:00Z", "OperatorLanguage": "en",
            "SaleSoftware": { "ProviderIdentification": "a", "ApplicationName": "b",
                              "SoftwareVersion": "1" },
        });
        assert_eq!(result(&send(till.json("Login", &login)).await), "Success");
        assert_eq!(send(reversal).await.body, first.body);
        assert_eq!(balance(world, "reversal").await, 750);
    })
    .await;
}

#[tokio::test]
async fn a_limit_of_the_gateways_own_is_told_as_one() {
    scenario(async |world| {
        let till = ready(world).await;
        let endpoint = world.gateway().endpoint(EndpointId(1111)).await.unwrap().unwrap();
        let mut changed = Endpoint::clone(&endpoint);
        changed.limits = Limits { amount_most_minor: Some(1_000), ..Limits::default() };
        world.gateway().change_endpoint(&changed).await.unwrap();
        let refused = till.ask(&till.payment_of("Normal", "RUB", "20.00")).await;
        let told = result(&refused);
        assert!(told.starts_with("Failure NotAllowed "), "{told}");
        let code = field(&refused, "PaymentResult/AmountsResp/AuthorizedAmount");
        assert_eq!(code, None, "nothing was authorised");
    })
    .await;
}
