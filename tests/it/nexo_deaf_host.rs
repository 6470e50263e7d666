//! An acquirer that answers who asks for money, and nothing that is told or asked of it later: what
//! is repeated until it hears is told as done, and done once.

use crate::database::engines;
use crate::nexo_json::{payment, reversal};
use crate::till::{LIGHT, Till, passing, result, tireless, transaction};
use crate::world::World;
use async_trait::async_trait;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tillgate::acquirer::{Acquirer, CardForHost, Fault, Reference, Settlement};
use tillgate::payment::HOUR;
use tillgate::payment::chip::Completion;
use tillgate::payment::host::{Authorisation, HostAnswer, Inquiry};

/// Approves whatever it hears.
#[derive(Default)]
struct Deaf {
    hears: AtomicBool,
}

impl Deaf {
    fn heard(&self) -> Result<(), Fault> {
        match self.hears.load(Ordering::Relaxed) {
            true => Ok(()),
            false => Err(Fault::Unknown("nothing is heard".to_owned())),
        }
    }
}

fn approval() -> HostAnswer {
    HostAnswer {
        response_code: "00".to_owned(),
        approval_code: Some("123456".to_owned()),
        rrn: None,
        processor_tx_id: None,
        issuer_data: None,
    }
}

#[async_trait]
impl Acquirer for Deaf {
    async fn authorise(
        &self,
        _reference: &Reference,
        _card: CardForHost<'_>,
    ) -> Result<Authorisation, Fault> {
        Ok(Authorisation::Answered(approval()))
    }

    async fn advise(&self, _reference: &Reference, _completion: &Completion) -> Result<(), Fault> {
        self.heard()
    }

    async fn capture(&self, _reference: &Reference) -> Result<Authorisation, Fault> {
        self.heard().map(|()| Authorisation::Answered(approval()))
    }

    async fn refund(&self, _reference: &Reference) -> Result<Authorisation, Fault> {
        self.heard().map(|()| Authorisation::Answered(approval()))
    }

    async fn settle(&self, _settlement: &Settlement) -> Result<String, Fault> {
        self.heard().map(|()| "00".to_owned())
    }

    async fn inquire(&self, _reference: &Reference) -> Result<Inquiry, Fault> {
        self.heard().map(|()| Inquiry::NotFound)
    }

    async fn reverse(&self, _reference: &Reference) -> Result<(), Fault> {
        self.heard()
    }
}

#[tokio::test]
async fn what_the_host_has_not_heard_yet_is_told_as_done_and_done_when_it_hears() {
    for engine in engines() {
        let host = Arc::new(Deaf::default());
        let world = World::start_before(engine, Arc::<Deaf>::clone(&host)).await;
        tireless(&world, "SIM-XML-1").await;
        let till = Till::at(&world, "SIM-XML-1");
        till.login(LIGHT).await;
        // Issuer and chip approve; the acquirer does not hear how the chip ended it.
        let paid = passing(&world, till.send(&till.payment("9.04"))).await;
        assert_eq!(result(&paid), "Success");
        let unheard = "SELECT status, COUNT(*) FROM orders GROUP BY status";
        assert_eq!(world.database.numbers(unheard).await, [("unknown".to_owned(), 1)]);
        host.hears.store(true, Ordering::Relaxed);
        world.pass(HOUR).await;
        assert_eq!(world.database.numbers(unheard).await, [("approved".to_owned(), 1)]);
        assert_eq!(world.balances().await["sale"], 904);
        world.end().await;
    }
}

#[tokio::test]
async fn a_return_that_the_host_has_not_heard_yet_is_not_asked_for_again() {
    for engine in engines() {
        let host = Arc::new(Deaf::default());
        let world = World::start_before(engine, Arc::<Deaf>::clone(&host)).await;
        tireless(&world, "SIM-JSON-1").await;
        let till = Till::at(&world, "SIM-JSON-1");
        let sent = |text| till.sending("/sync", "application/json", text);
        let paid = passing(&world, sent(payment(&till, "20.00"))).await;
        let part = reversal(&till, &transaction(&paid), Some(7.5));
        let returned = passing(&world, sent(part)).await;
        assert!(result(&returned).starts_with("Success"), "{returned:?}");
        assert_eq!(world.balances().await.get("reversal"), None, "it is not booked yet");
        host.hears.store(true, Ordering::Relaxed);
        world.pass(HOUR).await;
        assert_eq!(world.balances().await["reversal"], 750);
        world.end().await;
    }
}
