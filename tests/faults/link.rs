//! The line between gateway and acquirer host: one JSON text a line, over loopback TCP, so that
//! the host's book outlives the gateway.

use anyhow::Context;
use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use std::net::SocketAddr;
use std::sync::{Mutex, PoisonError};
use tillgate::acquirer::{self, Acquirer, CardForHost, Fault, Reference, Settlement};
use tillgate::payment::chip::Completion;
use tillgate::payment::host::{Authorisation, HostAnswer, HostProfile, Inquiry};
use tillgate::payment::ids::OrderId;
use tillgate::payment::money::{Amount, Currency};
use tillgate::payment::order::Kind;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

/// What may be asked of the host. The last is for the auditor, not for gateways.
#[derive(Serialize, Deserialize)]
pub enum Question {
    Authorise(Transaction),
    Inquire(Transaction),
    Reverse(Transaction),
    ShowBook,
}

/// A reference as it travels. The card stays behind: this host does not look at it.
#[derive(Serialize, Deserialize)]
pub struct Transaction {
    pub order: i64,
    pub kind: String,
    pub amount_minor: i64,
    pub currency: String,
    pub terminal_id: String,
}

impl Transaction {
    fn of(reference: &Reference) -> Self {
        Self {
            order: reference.order.0,
            kind: match reference.transaction {
                acquirer::Transaction::Opening(kind) => kind.name().to_owned(),
                acquirer::Transaction::Amendment(_, kind) => kind.name().to_owned(),
            },
            amount_minor: reference.amount.minor(),
            currency: reference.amount.currency().alpha().to_owned(),
            terminal_id: reference.terminal_id.clone(),
        }
    }

    pub fn reference(self) -> anyhow::Result<Reference> {
        let currency = Currency::from_alpha(&self.currency).context("an unknown currency")?;
        let amount = Amount::from_minor(self.amount_minor, currency).context("no amount")?;
        Ok(Reference {
            order: OrderId(self.order),
            transaction: acquirer::Transaction::Opening(
                Kind::from_name(&self.kind).context("an unknown kind")?,
            ),
            amount,
            terminal_id: self.terminal_id,
            host_profile: HostProfile::Mpos,
        })
    }
}

#[derive(Serialize, Deserialize)]
pub enum Answer {
    Decided(HostAnswer),
    Pending(i64),
    NotFound,
    Undecided,
    Reversed,
    /// The host plays dead.
    Silence,
    Book(Vec<Page>),
}

/// What the host knows of one order.
#[derive(Clone, Copy, Default, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Page {
    pub order: i64,
    /// How often a gateway asked for an authorisation.
    pub authorised: u32,
    /// Whether a reversal was acknowledged.
    pub reversed: bool,
}

/// The gateway's end: connections are kept and used again.
pub struct RemoteHost {
    address: SocketAddr,
    idle: Mutex<Vec<BufReader<TcpStream>>>,
}

impl RemoteHost {
    pub fn new(address: SocketAddr) -> Self {
        Self { address, idle: Mutex::new(Vec::new()) }
    }

    /// Asks on a connection of its own; one that breaks is not used again.
    pub async fn ask(&self, question: &Question) -> Result<Answer, Fault> {
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let mut line = if let Some(line) = idle {
            line
        } else {
            let stream = TcpStream::connect(self.address).await;
            BufReader::new(stream.map_err(|error| Fault::NotSent(error.to_string()))?)
        };
        let answer = converse(&mut line, question).await;
        let answer = answer.map_err(|error| Fault::Unknown(error.to_string()))?;
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(line);
        Ok(answer)
    }
}

async fn converse(line: &mut BufReader<TcpStream>, question: &Question) -> anyhow::Result<Answer> {
    let mut text = serde_json::to_string(question)?;
    text.push('\n');
    line.write_all(text.as_bytes()).await?;
    text.clear();
    line.read_line(&mut text).await?;
    Ok(serde_json::from_str(&text)?)
}

#[async_trait]
impl Acquirer for RemoteHost {
    async fn authorise(
        &self,
        reference: &Reference,
        _card: CardForHost<'_>,
    ) -> Result<Authorisation, Fault> {
        match self.ask(&Question::Authorise(Transaction::of(reference))).await? {
            Answer::Decided(answer) => Ok(Authorisation::Answered(answer)),
            Answer::Pending(ask_after) => Ok(Authorisation::Pending { ask_after }),
            _ => Err(silence()),
        }
    }

    async fn advise(&self, _reference: &Reference, _completion: &Completion) -> Result<(), Fault> {
        Err(sales_only())
    }

    async fn capture(&self, _reference: &Reference) -> Result<Authorisation, Fault> {
        Err(sales_only())
    }

    async fn refund(&self, _reference: &Reference) -> Result<Authorisation, Fault> {
        Err(sales_only())
    }

    async fn settle(&self, _settlement: &Settlement) -> Result<String, Fault> {
        Err(sales_only())
    }

    async fn inquire(&self, reference: &Reference) -> Result<Inquiry, Fault> {
        match self.ask(&Question::Inquire(Transaction::of(reference))).await? {
            Answer::Decided(answer) => Ok(Inquiry::Answered(answer)),
            Answer::NotFound => Ok(Inquiry::NotFound),
            Answer::Undecided => Ok(Inquiry::Undecided),
            _ => Err(silence()),
        }
    }

    async fn reverse(&self, reference: &Reference) -> Result<(), Fault> {
        match self.ask(&Question::Reverse(Transaction::of(reference))).await? {
            Answer::Reversed => Ok(()),
            _ => Err(silence()),
        }
    }
}

/// What these faults are about.
fn sales_only() -> Fault {
    Fault::NotSent("this line carries swiped sales only".to_owned())
}

fn silence() -> Fault {
    Fault::Unknown("the host keeps silent".to_owned())
}
