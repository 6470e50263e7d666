//! `tillgate pos` at the terminals of a running gateway: what people see, and how it ends.

use crate::process::{Ended, Folder};
use crate::till::tireless;
use crate::world::{World, scenario};
use tillgate::payment::SECOND;
use tokio::task::JoinHandle;

/// Starts `tillgate pos` with these words; `_` is a space inside of one.
fn begin(world: &World, words: &str) -> JoinHandle<Ended> {
    // Services are numbered by the time, which stands still here.
    world.clock.advance(SECOND / 10);
    let words = format!("pos {words} --url {}", world.url(""));
    let run = move || {
        let words: Vec<_> = words.split(' ').map(|word| word.replace('_', " ")).collect();
        Folder::make().run(&words.iter().map(String::as_str).collect::<Vec<_>>(), &[])
    };
    tokio::task::spawn_blocking(run)
}

/// Waits for its end, while the workers of the world are at work.
async fn end(world: &World, going: JoinHandle<Ended>) -> Ended {
    while !going.is_finished() {
        world.settle().await;
        tokio::task::yield_now().await;
    }
    going.await.unwrap()
}

async fn pos(world: &World, words: &str) -> Ended {
    end(world, begin(world, words)).await
}

/// The lines that it printed, with single spaces.
fn lines(ended: &Ended) -> Vec<String> {
    let squeezed = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ");
    ended.out.lines().map(squeezed).collect()
}

/// Lines are as these ones, which may be their beginnings.
#[track_caller]
fn assert_shows(ended: &Ended, shown: &[&str]) {
    let lines = lines(ended);
    let same = lines.len() == shown.len()
        && lines.iter().zip(shown).all(|(line, shown)| line.starts_with(shown));
    assert!(same, "{shown:#?}\nit printed {lines:#?}\n{}", ended.err);
}

#[tokio::test]
async fn a_payment_in_xml_shows_what_the_terminal_shows() {
    scenario(async |world| {
        tireless(world, "SIM-XML-1").await;
        let paid = pos(world, "pay --terminal SIM-XML-1 --amount 9.04").await;
        assert!(paid.success, "{paid:?}");
        let shown = [
            "1. login SIM-XML-1 (xml31), as tillgate pos",
            "display Please wait",
            "display Welcome",
            "2. payment Normal 9.04 SEK, service ",
            "display Present card",
            "event CardInserted",
            "display Enter PIN",
            "display Enter PIN: *",
            "display Enter PIN: **",
            "display Enter PIN: ***",
            "display Enter PIN: ****",
            "display Authorizing",
            "display Approved",
            "event CardRemoved",
            "display Welcome",
            "3. result Success, 9.04 SEK, Visa 444455******1111 (ICC), approval code ",
        ];
        assert_shows(&paid, &shown);
        let light = pos(world, "pay --terminal SIM-XML-1 --amount 20 --light --receipt").await;
        assert!(light.success && !light.out.contains("display"), "{light:?}");
        assert!(lines(&light).contains(&"| PURCHASE: 20,00 SEK".to_owned()), "{light:?}");
        let refund = pos(world, "pay --terminal SIM-XML-1 --amount 5 --type refund").await;
        assert!(refund.success && refund.out.contains("Refund 5.00 SEK"), "{refund:?}");
        let balances = world.balances().await;
        assert_eq!((balances["sale"], balances["refund"]), (2_904, 500));
    })
    .await;
}

#[tokio::test]
async fn a_passphrase_protects_what_is_said_and_what_is_shown() {
    scenario(async |world| {
        tireless(world, "SIM-JSON-2").await;
        let at = "--terminal SIM-JSON-2 --passphrase sandbox_passphrase";
        let paid = pos(world, &format!("pay {at} --amount 14.95 --currency EUR")).await;
        assert!(paid.success, "{paid:?}");
        let shown = [
            "1. login SIM-JSON-2 (json), as tillgate pos",
            "2. payment Normal 14.95 EUR, service ",
            "display TENDER_CREATED",
            "display CARD_PRESENTED",
            "display TENDER_FINAL",
            "3. result Success, 14.95 EUR, visa 444455 **** 1111 (Contactless), approval code ",
        ];
        assert_shows(&paid, &shown);
    })
    .await;
}

#[tokio::test]
async fn a_payment_in_json_is_taken_back_in_parts() {
    scenario(async |world| {
        tireless(world, "SIM-JSON-1").await;
        let at = "--terminal SIM-JSON-1 --api-key sandbox";
        let paid = pos(world, &format!("pay {at} --amount 14.95 --currency EUR --receipt")).await;
        assert!(paid.success, "{paid:?}");
        let shown = [
            "1. login SIM-JSON-1 (json), as tillgate pos",
            "2. payment Normal 14.95 EUR, service ",
            "display TENDER_CREATED",
            "display CARD_PRESENTED",
            "display TENDER_FINAL",
            "3. result Success, 14.95 EUR, visa 444455 **** 1111 (Contactless), approval code ",
        ];
        let (front, receipts) = paid.out.split_once("   receipt").unwrap();
        let front = Ended { success: true, out: front.to_owned(), err: String::new() };
        assert_shows(&front, &shown);
        assert!(receipts.contains("   | TOTAL           EUR 14.95"), "{receipts}");
        let part = pos(world, &format!("reverse {at} --amount 5.00")).await;
        assert!(part.success && part.out.contains("Success, 5 given back"), "{part:?}");
        let status = pos(world, &format!("status {at}")).await;
        assert!(
            status.success && status.out.contains("1. service         Reversal "),
            "{status:?}"
        );
        assert_eq!(world.balances().await["reversal"], 500);
    })
    .await;
}

#[tokio::test]
async fn the_cashier_says_what_becomes_of_a_signed_payment() {
    scenario(async |world| {
        for poi in ["SIM-XML-1", "SIM-JSON-1"] {
            tireless(world, poi).await;
        }
        let asked = ["print CashierReceipt", "input Is signature OK? (y/n)"];
        for (words, good, told) in [
            ("--terminal SIM-XML-1 --signature yes", true, "answer yes"),
            ("--terminal SIM-XML-1 --signature no", false, "answer no"),
            ("--terminal SIM-JSON-1 --signature yes", true, "answer yes"),
            // Nobody is at the keyboard.
            ("--terminal SIM-JSON-1", false, "answer no"),
        ] {
            let paid = pos(world, &format!("pay --amount 9.03 {words}")).await;
            assert_eq!(paid.success, good, "{words}: {paid:?}");
            let lines = lines(&paid);
            let from = lines.iter().position(|line| line == asked[0]).unwrap();
            assert_eq!(lines[from..from + 3], [asked[0], asked[1], told], "{words}");
            let told = "Failure, Refusal: ";
            assert_eq!(paid.out.contains(told), !good, "{words}: {paid:?}");
        }
        let light = "pay --terminal SIM-XML-1 --amount 9.03 --light --signature";
        let right = pos(world, &format!("{light} yes")).await;
        assert!(right.success && right.out.contains("on the receipt OK?"), "{right:?}");
        let wrong = pos(world, &format!("{light} no")).await;
        assert!(!wrong.success && wrong.err.contains("is taken back"), "{wrong:?}");
        let balances = world.balances().await;
        assert_eq!((balances["sale"], balances["reversal"]), (6 * 903, 3 * 903));
    })
    .await;
}

#[tokio::test]
async fn a_payment_that_waits_is_aborted_by_a_second_process() {
    scenario(async |world| {
        for poi in ["SIM-XML-1", "SIM-JSON-1"] {
            tireless(world, poi).await;
            let waiting = begin(world, &format!("pay --terminal {poi} --amount 9.07"));
            let at = format!("--terminal {poi}");
            while !pos(world, &format!("status {at}")).await.out.contains("it is under way") {}
            let second = pos(world, &format!("pay {at} --amount 1")).await;
            assert!(!second.success && second.err.contains("tillgate pos abort"), "{second:?}");
            let aborted = pos(world, &format!("abort {at}")).await;
            assert!(aborted.success, "{aborted:?}");
            let result =
                "Failure, Aborted: Service Aborted during WaitCard - Reason: MerchantAbort";
            assert!(lines(&aborted)[2].starts_with(&format!("3. result {result}")), "{aborted:?}");
            let paid = end(world, waiting).await;
            assert!(!paid.success && paid.out.contains(result), "{paid:?}");
            assert!(paid.err.contains("nothing was taken"), "{paid:?}");
            let nothing = pos(world, &format!("abort {at}")).await;
            assert!(
                !nothing.success && nothing.err.contains("nothing is under way"),
                "{nothing:?}"
            );
        }
    })
    .await;
}

#[tokio::test]
async fn an_answer_that_is_lost_is_asked_for() {
    scenario(async |world| {
        tireless(world, "SIM-XML-1").await;
        let paid = pos(world, "pay --terminal SIM-XML-1 --amount 9.02").await;
        assert!(paid.success && paid.out.contains("answer lost"), "{paid:?}");
        assert!(paid.out.contains("3. result          Success, 9.02 SEK"), "{paid:?}");
        let service = paid.out.split("service ").nth(1).unwrap().split('\n').next().unwrap();
        let status = pos(world, &format!("status --terminal SIM-XML-1 --service {service}")).await;
        assert!(status.success, "{status:?}");
        assert!(lines(&status)[0].ends_with(&format!("Payment {service}")), "{status:?}");
        let reversed = pos(world, "reverse --terminal SIM-XML-1").await;
        assert!(
            reversed.success && reversed.out.contains("display         Cancelled"),
            "{reversed:?}"
        );
        let again = pos(world, "reverse --terminal SIM-XML-1").await;
        assert!(!again.success && again.out.contains("Only the last transaction"), "{again:?}");
        assert_eq!(world.balances().await["reversal"], 902);
    })
    .await;
}

#[tokio::test]
async fn what_is_refused_is_said_with_what_to_do_next() {
    scenario(async |world| {
        tireless(world, "SIM-XML-1").await;
        for (words, expected) in [
            ("pay --terminal SIM-XML-1 --amount 1.23", "nothing was taken"),
            ("pay --terminal SIM-XML-1 --amount 1,23", "--amount"),
            ("pay --terminal SIM-XML-1 --amount 1 --currency JPY", "change that"),
            ("pay --terminal NOBODY --amount 1", "`tillgate dev` prints its terminals"),
            ("pay --terminal SIM-JSON-2 --amount 1", "--api-key"),
            ("pay --terminal SIM-JSON-2 --amount 1 --api-key wrong", "--api-key"),
            ("pay --terminal SIM-JSON-2 --amount 1 --passphrase wrong", "could not be decrypted"),
            ("status --terminal SIM-XML-1 --sale-id other", "is not logged in"),
            ("abort --terminal SIM-XML-1 --sale-id other", "is not logged in"),
            ("status --terminal SIM-XML-1 --service 4711", "there is no such service"),
            ("reverse --terminal SIM-XML-1 --transaction 4120019999999", "--transaction"),
        ] {
            let ended = pos(world, words).await;
            assert!(!ended.success && ended.err.contains(expected), "{words}: {ended:?}");
        }
    })
    .await;
}
