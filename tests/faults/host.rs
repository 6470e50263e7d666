//! The acquirer host: the sandbox's, in a process of its own that no fault touches. It keeps a
//! book of what gateways asked for.

use crate::child::{Role, Spoken, say};
use crate::link::{Answer, Page, Question, RemoteHost, Transaction};
use anyhow::{Context, bail};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tillgate::acquirer::{Acquirer, CardForHost};
use tillgate::clock::Clock;
use tillgate::payment::card::{EntryMode, Expiry, Pan};
use tillgate::payment::host::{Authorisation, Inquiry};
use tillgate::sandbox::host::SandboxHost;
use tillgate::sandbox::reader::{TEST_EXPIRY, TEST_PAN};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

/// Long enough that every kill finds authorisations under way.
const THINKING: Duration = Duration::from_millis(5);

/// The running host, as the test sees it.
pub struct HostProcess {
    pub address: SocketAddr,
    _child: Spoken,
}

#[derive(Serialize, Deserialize)]
struct Listening {
    address: SocketAddr,
}

impl HostProcess {
    pub async fn start(folder: &Path) -> anyhow::Result<Self> {
        let (child, ready) = Spoken::start(Role::Host, &(), folder, "host").await?;
        let Listening { address } = serde_json::from_str(&ready)?;
        Ok(Self { address, _child: child })
    }

    /// Everything the host was ever asked, by order.
    pub async fn book(&self) -> anyhow::Result<HashMap<i64, Page>> {
        match RemoteHost::new(self.address).ask(&Question::ShowBook).await? {
            Answer::Book(pages) => Ok(pages.into_iter().map(|page| (page.order, page)).collect()),
            _ => bail!("the host does not show its book"),
        }
    }
}

/// What the host's process runs.
pub async fn play() -> anyhow::Result<()> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    say(&Listening { address: listener.local_addr()? })?;
    let host = Arc::new(Host {
        sandbox: SandboxHost::new(Clock::system(), THINKING, None),
        book: Mutex::default(),
    });
    loop {
        let (stream, _) = listener.accept().await?;
        let host = Arc::clone(&host);
        tokio::spawn(async move {
            if let Err(error) = host.serve(stream).await {
                eprintln!("a gateway went away: {error:#}");
            }
        });
    }
}

struct Host {
    sandbox: SandboxHost,
    book: Mutex<HashMap<i64, Page>>,
}

impl Host {
    async fn serve(&self, stream: TcpStream) -> anyhow::Result<()> {
        let (read, mut write) = stream.into_split();
        let mut lines = BufReader::new(read).lines();
        while let Some(line) = lines.next_line().await? {
            let answer = self.answer(serde_json::from_str(&line)?).await?;
            let mut text = serde_json::to_string(&answer)?;
            text.push('\n');
            write.write_all(text.as_bytes()).await?;
        }
        Ok(())
    }

    async fn answer(&self, question: Question) -> anyhow::Result<Answer> {
        Ok(match question {
            Question::Authorise(transaction) => self.authorise(transaction).await?,
            Question::Inquire(transaction) => {
                match self.sandbox.inquire(&transaction.reference()?).await {
                    Ok(Inquiry::Answered(answer)) => Answer::Decided(answer),
                    Ok(Inquiry::NotFound) => Answer::NotFound,
                    Ok(Inquiry::Undecided) => Answer::Undecided,
                    Err(_) => Answer::Silence,
                }
            }
            Question::Reverse(transaction) => {
                let order = transaction.order;
                match self.sandbox.reverse(&transaction.reference()?).await {
                    Ok(()) => {
                        page(&mut self.book(), order).reversed = true;
                        Answer::Reversed
                    }
                    Err(_) => Answer::Silence,
                }
            }
            Question::ShowBook => Answer::Book(self.book().values().copied().collect()),
        })
    }

    async fn authorise(&self, transaction: Transaction) -> anyhow::Result<Answer> {
        page(&mut self.book(), transaction.order).authorised += 1;
        let pan = Pan::parse(TEST_PAN)?;
        let expiry = Expiry::from_yymm(TEST_EXPIRY).context("the test card has no expiry")?;
        let entry_mode = EntryMode::Swipe;
        let card = CardForHost { pan: &pan, expiry, entry_mode, pin: None };
        Ok(match self.sandbox.authorise(&transaction.reference()?, card).await {
            Ok(Authorisation::Answered(answer)) => Answer::Decided(answer),
            Ok(Authorisation::Pending { ask_after }) => Answer::Pending(ask_after),
            Err(_) => Answer::Silence,
        })
    }

    fn book(&self) -> MutexGuard<'_, HashMap<i64, Page>> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn page(book: &mut HashMap<i64, Page>, order: i64) -> &mut Page {
    book.entry(order).or_insert(Page { order, ..Page::default() })
}
