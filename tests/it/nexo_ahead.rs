//! Cards read ahead of their payment, and what a till shows, asks and prints at a terminal.

use crate::till::{
    DEFAULT, Ear, Request, Till, change, field, result, tireless, transaction, working,
};
use crate::world::scenario;

fn enable(till: &Till<'_>, action: &str) -> Request {
    let services = match action {
        "StartTransaction" => "<ServicesEnabled>CardAcquisition</ServicesEnabled>",
        _ => "",
    };
    let body = format!(
        "<EnableServiceRequest TransactionAction=\"{action}\">{services}</EnableServiceRequest>"
    );
    till.request("EnableService", &body)
}

fn acquire(till: &Till<'_>) -> Request {
    till.request(
        "CardAcquisition",
        "<CardAcquisitionRequest><SaleData TokenRequestedType=\"Customer\"><SaleTransactionID \
         TransactionID=\"A-1\" TimeStamp=\"2026-11-21T13:00:01+01:00\"/></SaleData>\
         <CardAcquisitionTransaction/></CardAcquisitionRequest>",
    )
}

#[tokio::test]
async fn a_card_read_ahead_pays_without_being_asked_for_again() {
    scenario(async |world| {
        tireless(world, "SIM-XML-1").await;
        let ear = Ear::silent();
        let till = Till::at(world, "SIM-XML-1").listening(&ear);
        till.login(DEFAULT).await;
        let early = till.ask(&acquire(&till)).await;
        assert_eq!(result(&early), "Failure NotAllowed EnableService required");
        assert_eq!(result(&till.ask(&enable(&till, "StartTransaction")).await), "Success");
        let card = till.ask(&acquire(&till)).await;
        assert_eq!(result(&card), "Success");
        let masked = "PaymentInstrumentData/CardData/MaskedPAN";
        assert_eq!(field(&card, masked).unwrap(), "444455******1111");
        let token = "PaymentInstrumentData/CardData/PaymentToken/TokenValue";
        let token_ahead = field(&card, token).unwrap();
        let asked = || ear.heard().iter().filter(|heard| *heard == "Present card").count();
        ear.until(world, "Present card").await;
        let paid = till.pay("10.00").await;
        assert_eq!(result(&paid), "Success");
        assert_eq!(asked(), 1, "the card is not asked for again");
        let token_paid = field(&paid, &format!("PaymentResult/{token}")).unwrap();
        assert_eq!(token_ahead, token_paid, "the same card has the same token");
        assert_ne!(transaction(&card), transaction(&paid));
        // It is good for one payment.
        assert_eq!(result(&till.pay("10.00").await), "Success");
        assert_eq!(asked(), 2);
        assert_eq!(world.balances().await["sale"], 2_000);
    })
    .await;
}

#[tokio::test]
async fn a_reading_ahead_is_ended_by_the_till_or_aborted_while_it_waits() {
    scenario(async |world| {
        tireless(world, "SIM-XML-1").await;
        let ear = Ear::silent();
        let till = Till::at(world, "SIM-XML-1").listening(&ear);
        till.login(DEFAULT).await;
        till.ask(&enable(&till, "StartTransaction")).await;
        till.ask(&acquire(&till)).await;
        assert_eq!(result(&till.ask(&enable(&till, "AbortTransaction")).await), "Success");
        ear.until(world, "Print CashierReceipt").await;

        change(world, "SIM-XML-1", |terminal| terminal.profile.card_ms = 60_000).await;
        till.ask(&enable(&till, "StartTransaction")).await;
        let reading = acquire(&till);
        let waiting = till.send(&reading);
        while !result(&till.status(None).await).starts_with("Failure Busy") {}
        till.abort(&reading).await;
        let ended = working(world, waiting).await;
        assert!(result(&ended).starts_with("Failure Aborted "), "{ended:?}");
        assert_eq!(field(&ended, "SaleData/SaleTransactionID/TransactionID").unwrap(), "A-1");
        assert_eq!(world.database.count("orders").await, 0);
    })
    .await;
}

#[tokio::test]
async fn a_till_shows_asks_and_prints_at_the_terminal() {
    scenario(async |world| {
        tireless(world, "SIM-XML-1").await;
        let till = Till::at(world, "SIM-XML-1");
        let display = |wanted: bool| {
            let body = format!(
                "<DisplayRequest><DisplayOutput ResponseRequiredFlag=\"{wanted}\" \
                 Device=\"CustomerDisplay\" InfoQualify=\"Display\"><OutputContent \
                 OutputFormat=\"Text\"><OutputText>Welcome</OutputText></OutputContent>\
                 </DisplayOutput></DisplayRequest>"
            );
            till.request("Display", &body)
        };
        let refused = till.ask(&display(true)).await;
        let told = "OutputResult/0/Response/ErrorCondition";
        let condition = || field(&refused, "OutputResult/Response/ErrorCondition");
        let condition = field(&refused, told).or_else(condition);
        assert_eq!(condition.as_deref(), Some("NotAllowed"), "{refused:?}");
        till.login(DEFAULT).await;
        let shown = till.ask(&display(true)).await;
        assert!(shown.body.contains("<Response Result=\"Success\"/>"), "{shown:?}");
        let silent = till.ask(&display(false)).await;
        assert_eq!((silent.status, silent.body.as_str()), (204, ""));

        let input = |command: &str, more: &str| {
            let body = format!(
                "<InputRequest><InputData Device=\"CustomerInput\" InfoQualify=\"Input\" \
                 InputCommand=\"{command}\"{more}/></InputRequest>"
            );
            till.request("Input", &body)
        };
        for (command, more, path, value) in [
            ("GetConfirmation", "", "ConfirmedFlag", "true"),
            ("DigitString", " MinLength=\"4\" MaxLength=\"6\"", "DigitInput", "070123"),
            ("TextString", " MaxLength=\"4\"", "TextInput", "till"),
        ] {
            let answer = till.ask(&input(command, more)).await;
            let told = field(&answer, &format!("InputResult/Input/{path}"));
            assert_eq!(told.as_deref(), Some(value), "{answer:?}");
        }
        let password = till.ask(&input("Password", "")).await;
        assert!(password.body.contains("UnavailableService"), "{password:?}");

        let print = |mode: &str| {
            let body = format!(
                "<PrintRequest><PrintOutput DocumentQualifier=\"Document\" \
                 ResponseMode=\"{mode}\"><OutputContent OutputFormat=\"Text\"><OutputText>Hello\
                 </OutputText></OutputContent></PrintOutput></PrintRequest>"
            );
            till.request("Print", &body)
        };
        let printed = till.ask(&print("PrintEnd")).await;
        assert_eq!(result(&printed), "Success");
        assert_eq!(field(&printed, "DocumentQualifier").as_deref(), Some("Document"));
        assert_eq!(till.ask(&print("NotRequired")).await.status, 204);
    })
    .await;
}
