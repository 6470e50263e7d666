//! Payments at terminals, as the retail guide has them: light and default integration, signatures,
//! what a simulator amount leads to, and what the rest of the gateway sees of it.

use crate::till::{
    DEFAULT, Ear, LIGHT, Till, change, field, quick, read, result, tireless, transaction,
};
use crate::world::{Answer, scenario};
use tillgate::payment::SECOND;

#[tokio::test]
async fn a_light_till_logs_in_pays_and_logs_out_and_hears_nothing() {
    scenario(async |world| {
        quick(world, "SIM-XML-1").await;
        let ear = Ear::silent();
        let till = Till::at(world, "SIM-XML-1").listening(&ear);
        let login = till.login(LIGHT).await;
        assert_eq!(result(&login), "Success");
        assert_eq!(field(&login, "POISystemData/POIStatus/GlobalStatus").unwrap(), "OK");
        assert_eq!(login.headers["content-type"], "application/xml; charset=utf-8");
        assert!(login.body.starts_with("<?xml"), "{login:?}");
        assert!(login.body.contains("ProtocolVersion=\"3.1\""), "{login:?}");

        let paid = till.pay("149.50").await;
        assert_eq!(result(&paid), "Success");
        assert!(!paid.body.contains("ProtocolVersion"), "{paid:?}");
        for (path, value) in [
            ("SaleData/SaleTransactionID/TransactionID", "R-112002"),
            ("PaymentResult/AmountsResp/AuthorizedAmount", "149.5"),
            ("PaymentResult/AmountsResp/Currency", "SEK"),
            ("PaymentResult/PaymentInstrumentData/CardData/MaskedPAN", "444455******1111"),
            ("PaymentResult/PaymentInstrumentData/CardData/PaymentBrand", "01,Visa"),
            ("PaymentResult/PaymentAcquirerData/MerchantID", "900100200"),
        ] {
            assert_eq!(field(&paid, path).unwrap_or_default(), value, "{path}: {paid:?}");
        }
        assert!(paid.body.contains("AuthorizedAmount=\"149.50\""), "{paid:?}");
        assert_eq!(paid.body.matches("<PaymentReceipt").count(), 2);

        world.clock.advance(3 * SECOND);
        let logout = till.ask(&till.request("Logout", "<LogoutRequest/>")).await;
        assert_eq!(result(&logout), "Success");
        assert_eq!(ear.heard(), [""; 0]);
        let refused = till.pay("10.00").await;
        assert_eq!(result(&refused), "Failure NotAllowed Login required");
        assert_eq!(transaction(&refused), "4120010000", "a refusal names no transaction");
    })
    .await;
}

#[tokio::test]
async fn a_default_till_hears_everything_in_order() {
    scenario(async |world| {
        quick(world, "SIM-XML-1").await;
        let ear = Ear::silent();
        let till = Till::at(world, "SIM-XML-1").listening(&ear);
        till.login(DEFAULT).await;
        let paid = till.pay("9.04").await;
        assert_eq!(result(&paid), "Success");
        assert_eq!(
            field(&paid, "PaymentResult/PaymentInstrumentData/CardData/EntryMode"),
            None,
            "a list has no text of its own"
        );
        assert!(paid.body.contains("EntryMode=\"ICC\""), "{paid:?}");
        let before = [
            "Please wait",
            "Welcome",
            "Present card",
            "Event CardInserted",
            "Enter PIN",
            "Enter PIN: *",
            "Enter PIN: **",
            "Enter PIN: ***",
            "Enter PIN: ****",
            "Authorizing",
            "Approved",
            "Event CardRemoved",
        ];
        assert_eq!(ear.heard()[..before.len()], before, "before the answer");
        while ear.heard().len() <= before.len() {
            tokio::task::yield_now().await;
        }
        assert_eq!(ear.heard()[before.len()..], ["Welcome"], "behind it");
    })
    .await;
}

#[tokio::test]
async fn an_amount_decides_how_a_payment_ends() {
    scenario(async |world| {
        tireless(world, "SIM-XML-1").await;
        let till = Till::at(world, "SIM-XML-1");
        till.login(LIGHT).await;
        for (amount, told) in [
            ("1.21", "Failure Cancel User Cancellation during WaitCard"),
            ("1.22", "Failure Refusal Payment Refused by Acquirer: code 59"),
            ("1.23", "Failure Refusal Payment Refused by Acquirer: code 05"),
            ("1.24", "Failure Refusal Payment Refused by Acquirer: code 51"),
            ("1.25", "Failure Refusal Payment Refused by Acquirer: code 62"),
            ("1.26", "Failure Refusal Payment Refused by Acquirer: code 54"),
            ("1.27", "Failure Refusal Payment Refused by Acquirer: code 13"),
            ("1.28", "Failure InvalidCard Card not configured"),
            ("1.30", "Failure UnreachableHost Acquirer not reachable"),
            ("1.34", "Failure WrongPIN Wrong PIN"),
            ("1.35", "Failure Refusal Payment Refused by Acquirer: code 75"),
            ("1.46", "Failure Refusal Payment Refused by Acquirer: code 57"),
            ("9.06", "Failure DeviceOut CardReader out of order"),
            ("9.09", "Success"),
            ("9.11", "Success"),
            ("1.16", "Success"),
            ("3.00", "Success"),
        ] {
            assert_eq!(result(&till.pay(amount).await), told, "{amount}");
        }
        change(world, "SIM-XML-1", |terminal| terminal.profile.partial_approval = true).await;
        let partly = till.pay("9.10").await;
        assert_eq!(result(&partly), "Partial");
        assert_eq!(field(&partly, "PaymentResult/AmountsResp/AuthorizedAmount").unwrap(), "4.55");
    })
    .await;
}

#[tokio::test]
async fn a_payment_at_a_terminal_is_an_order_of_the_same_core() {
    scenario(async |world| {
        quick(world, "SIM-XML-1").await;
        let till = Till::at(world, "SIM-XML-1");
        till.login(LIGHT).await;
        let paid = till.pay("20.00").await;
        let name = format!("nexo-{}", &transaction(&paid)[6..]);
        let endpoint = tillgate::payment::ids::EndpointId(1114);
        let order = world.app().store().order_by_name(endpoint, &name).await.unwrap().unwrap();
        assert_eq!(order.wire_stage(), "sale_approved");
        assert_eq!(order.request.terminal_id, "412001");
        assert_eq!(world.balances().await["sale"], 2_000);
        let status = world
            .post("/api/v2/status/1114", &world.status_form(&name, &order.id.to_string()))
            .await;
        assert_eq!(status.get("status"), "approved", "MAPI tells of it, too");

        world.clock.advance(3 * SECOND);
        let refunded = till.ask(&till.payment_of("Refund", "SEK", "5.00")).await;
        assert_eq!(result(&refunded), "Success");
        assert_eq!(world.balances().await["refund"], 500);
        world.clock.advance(3 * SECOND);
        let foreign = till.ask(&till.payment_of("Normal", "JPY", "5")).await;
        assert_eq!(result(&foreign), "Failure NotAllowed Currency JPY not configured");
    })
    .await;
}

#[tokio::test]
async fn a_signature_is_looked_at_by_the_cashier_or_asked_for_on_the_receipt() {
    scenario(async |world| {
        tireless(world, "SIM-XML-1").await;
        let light = Till::at(world, "SIM-XML-1");
        light.login(LIGHT).await;
        let paid = light.pay("9.03").await;
        assert_eq!(result(&paid), "Success");
        assert!(paid.body.contains("RequiredSignatureFlag=\"true\""), "{paid:?}");
        assert!(paid.body.contains("AuthenticationMethod=\"PaperSignature\""), "{paid:?}");

        for (confirmed, told, last) in [
            (true, "Success", "Approved"),
            (false, "Failure Refusal Signature not confirmed", "Disapproved"),
        ] {
            let ear = Ear::confirming(confirmed);
            let name = format!("TILL-{confirmed}");
            let till = Till::at(world, "SIM-XML-1").named(&name).listening(&ear);
            till.login(DEFAULT).await;
            assert_eq!(result(&till.pay("9.03").await), told);
            let heard = ear.heard();
            let from = heard.iter().position(|heard| heard == "Authorizing").unwrap();
            assert_eq!(
                heard[from..from + 4],
                ["Authorizing", "Print CashierReceipt", "Input Is signature OK?", last]
            );
        }
        // One that answers with nothing, and one that is not there.
        let ear = Ear::silent();
        let till = Till::at(world, "SIM-XML-1").named("TILL-03").listening(&ear);
        till.login(DEFAULT).await;
        let unanswered = till.pay("9.03").await;
        assert_eq!(result(&unanswered), "Failure Refusal Signature not confirmed");
        let mut till = Till::at(world, "SIM-XML-1").named("TILL-04");
        till.listener = Some("http://127.0.0.1:1/".to_owned());
        till.login(DEFAULT).await;
        assert_eq!(result(&till.pay("10.00").await), "Success", "a dead listener fails nothing");
        let unheard = till.pay("9.03").await;
        assert_eq!(result(&unheard), "Failure Refusal Signature not confirmed");
        let balances = world.balances().await;
        assert_eq!((balances["sale"], balances["reversal"]), (5 * 903 + 1_000, 3 * 903));
    })
    .await;
}

#[tokio::test]
async fn the_last_payment_can_be_reversed_once() {
    scenario(async |world| {
        tireless(world, "SIM-XML-1").await;
        let till = Till::at(world, "SIM-XML-1");
        till.login(LIGHT).await;
        let first = till.pay("10.00").await;
        let last = till.pay("20.00").await;
        let only = "Failure NotAllowed Only the last transaction can be reversed, and only if it \
                    was approved";
        assert_eq!(result(&till.reverse(&transaction(&first)).await), only);
        assert_eq!(
            result(&till.reverse("4120019999999").await),
            "Failure NotFound Message not found"
        );
        let reversed = till.reverse(&transaction(&last)).await;
        assert_eq!(result(&reversed), "Success");
        assert_eq!(transaction(&reversed), transaction(&last), "as the seed repeats it");
        let customer = reversed.body.find("CustomerReceipt").unwrap();
        assert!(customer < reversed.body.find("CashierReceipt").unwrap(), "{reversed:?}");
        assert_eq!(result(&till.reverse(&transaction(&last)).await), only);
        let declined = till.pay("1.23").await;
        assert_eq!(result(&till.reverse(&transaction(&declined)).await), only);
        assert_eq!(world.balances().await["reversal"], 2_000);
    })
    .await;
}

#[tokio::test]
async fn a_hold_at_a_terminal_is_captured_by_a_completion() {
    scenario(async |world| {
        tireless(world, "SIM-XML-1").await;
        let till = Till::at(world, "SIM-XML-1");
        till.login(LIGHT).await;
        let held = till.ask(&till.payment_of("FirstReservation", "SEK", "50.00")).await;
        assert_eq!(result(&held), "Success");
        assert_eq!(world.balances().await.get("sale"), None, "only held");
        let completion = till.completion(&transaction(&held), "30.00");
        let captured = till.ask(&completion).await;
        assert_eq!(result(&captured), "Success");
        assert_eq!(field(&captured, "PaymentResult/AmountsResp/AuthorizedAmount").unwrap(), "30");
        assert_eq!(world.balances().await["capture"], 3_000);
        let more = till.ask(&till.payment_of("UpdateReservation", "SEK", "60.00")).await;
        assert_eq!(
            result(&more),
            "Failure UnavailableService PaymentType UpdateReservation not supported"
        );
    })
    .await;
}

#[tokio::test]
async fn totals_are_counted_by_period() {
    scenario(async |world| {
        tireless(world, "SIM-XML-1").await;
        let till = Till::at(world, "SIM-XML-1");
        till.login(LIGHT).await;
        let last = till.pay("10.00").await;
        till.pay("1.23").await;
        till.ask(&till.payment_of("Refund", "SEK", "2.00")).await;
        let totals = till.ask(&till.request("GetTotals", "<GetTotalsRequest/>")).await;
        assert_eq!(result(&totals), "Success");
        for line in [
            "TransactionType=\"Debit\" TransactionCount=\"1\" TransactionAmount=\"10.00\"",
            "TransactionType=\"Credit\" TransactionCount=\"1\" TransactionAmount=\"2.00\"",
            "TransactionType=\"Declined\" TransactionCount=\"1\" TransactionAmount=\"1.23\"",
        ] {
            assert!(totals.body.contains(line), "{line}: {totals:?}");
        }
        drop(last);
        let body = "<ReconciliationRequest ReconciliationType=\"SaleReconciliation\"/>";
        let closed = till.ask(&till.request("Reconciliation", body)).await;
        assert_eq!(result(&closed), "Success");
        let period = field(&closed, "POIReconciliationID").unwrap();
        let empty = till.ask(&till.request("GetTotals", "<GetTotalsRequest/>")).await;
        assert!(!empty.body.contains("TransactionTotals"), "{empty:?}");
        let body = format!(
            "<ReconciliationRequest ReconciliationType=\"PreviousReconciliation\" \
             POIReconciliationID=\"{period}\"/>"
        );
        let again = till.ask(&till.request("Reconciliation", &body)).await;
        assert!(again.body.contains("TransactionAmount=\"10.00\""), "{again:?}");
        till.pay("30.00").await;
        let body = "<ReconciliationRequest ReconciliationType=\"AcquirerSynchronisation\"/>";
        let closed = till.ask(&till.request("Reconciliation", body)).await;
        assert_eq!(result(&closed), "Success");
        let gate = world.gateway().gate(tillgate::payment::ids::EndpointId(1114)).await.unwrap();
        assert_eq!(gate.day, 2, "the business day is closed with it");
        assert_eq!(read(&closed).header.category, "Reconciliation");
    })
    .await;
}

#[tokio::test]
async fn the_next_payment_is_as_it_was_chosen_whatever_its_amount() {
    scenario(async |world| {
        tireless(world, "SIM-XML-1").await;
        let till = Till::at(world, "SIM-XML-1");
        till.login(LIGHT).await;
        let choose = async |poi_id: &str, next: &str| {
            let url = world.url(&format!("/sandbox/terminals/{poi_id}/next"));
            let answer = Answer::of(world.http.put(url).body(next.to_owned())).await;
            (answer.status, answer.body)
        };
        let done = (204, String::new());
        assert_eq!(choose("SIM-XML-1", r#"{"pan":"5555555555554444","ending":124}"#).await, done);
        let declined = till.pay("10.00").await;
        assert_eq!(result(&declined), "Failure Refusal Payment Refused by Acquirer: code 51");
        let brand = "PaymentResult/PaymentInstrumentData/CardData/PaymentBrand";
        assert_eq!(field(&declined, brand).unwrap(), "01,Mastercard");
        let usual = till.pay("10.00").await;
        assert_eq!(result(&usual), "Success", "it was for one payment");
        assert_eq!(field(&usual, brand).unwrap(), "01,Visa");
        assert_eq!(choose("SIM-XML-1", r#"{"ending":0}"#).await, done);
        assert_eq!(result(&till.pay("1.23").await), "Success", "nothing is played");
        assert_eq!(choose("SIM-XML-1", r#"{"ending":121}"#).await, done);
        assert_eq!(choose("SIM-XML-1", "{}").await, done, "taken back");
        assert_eq!(result(&till.pay("1.00").await), "Success");
        for (next, why) in [
            (r#"{"pan":"4111"}"#, "pan: not a card number"),
            (r#"{"expiry":"13"}"#, "expiry: four digits, YYMM"),
            (r#"{"ending":1000}"#, "ending: 0 to 999"),
            (r#"{"outcome":1}"#, "leave out what is as usual"),
        ] {
            let (status, body) = choose("SIM-XML-1", next).await;
            assert_eq!(status, 400, "{body}");
            assert!(body.contains(why), "{body}");
        }
        assert_eq!(choose("NOBODY", "{}").await.0, 404);
    })
    .await;
}
