//! The line from a terminal to points of sale: what is said goes out in order, beside the services
//! that say it. A question is waited for by whoever asks it and holds nothing else up.

use super::message::Message;
use super::{Nexo, codec};
use crate::gateway::{Exchange, KnownTerminal};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};
use url::Url;

/// How many messages wait; what comes then is not shown.
const WAITING_MAX: usize = 64;

/// A terminal's line. It costs nothing until something is said.
#[derive(Default)]
pub(super) struct Line {
    waiting: OnceLock<mpsc::Sender<Waiting>>,
}

/// The point of sale that one service speaks to.
#[derive(Clone)]
pub(super) struct Hearer {
    pub(super) nexo: Nexo,
    pub(super) known: Arc<KnownTerminal>,
    pub(super) listener: Url,
    /// Something did not arrive there: only questions are still tried.
    is_down: Arc<AtomicBool>,
}

enum Waiting {
    Message(Box<Said>),
    /// What was said before has been heard.
    Heard(oneshot::Sender<()>),
}

struct Said {
    to: Hearer,
    message: Message,
    timeout: Duration,
    /// For a question.
    answer: Option<oneshot::Sender<Option<Message>>>,
}

impl Line {
    /// Says something that needs no answer.
    pub(super) fn say(&self, to: &Hearer, message: Message, timeout: Duration) {
        let said = Said { to: to.clone(), message, timeout, answer: None };
        self.put(Waiting::Message(Box::new(said)));
    }

    /// Asks something; `None` if nothing is answered in time.
    pub(super) async fn ask(
        &self,
        to: &Hearer,
        message: Message,
        timeout: Duration,
    ) -> Option<Message> {
        let (answer, answered) = oneshot::channel();
        let said = Said { to: to.clone(), message, timeout, answer: Some(answer) };
        self.put(Waiting::Message(Box::new(said)));
        answered.await.ok().flatten()
    }

    /// Comes back when what was said before has been heard, or after this time.
    pub(super) async fn flush(&self, timeout: Duration) {
        let (heard, all_heard) = oneshot::channel();
        self.put(Waiting::Heard(heard));
        let _ = tokio::time::timeout(timeout, all_heard).await;
    }

    fn put(&self, said: Waiting) {
        let waiting = self.waiting.get_or_init(|| {
            let (waiting, said) = mpsc::channel(WAITING_MAX);
            tokio::spawn(carry(said));
            waiting
        });
        if waiting.try_send(said).is_err() {
            tracing::debug!("a point of sale is too slow; something is not shown to it");
        }
    }
}

impl Hearer {
    pub(super) fn new(nexo: &Nexo, known: &Arc<KnownTerminal>, listener: Url) -> Self {
        let (nexo, known) = (nexo.clone(), Arc::clone(known));
        Self { nexo, known, listener, is_down: Arc::default() }
    }

    /// One message to the point of sale, and what it answers. Any body on a 2xx is tolerated.
    ///
    /// # Errors
    /// Why it did not arrive.
    pub(super) async fn tell(
        &self,
        message: &Message,
        timeout: Duration,
    ) -> Result<Option<Message>, String> {
        let Self { nexo, known, listener, .. } = self;
        let (content_type, body) =
            codec::written(nexo, known, message).map_err(|failure| failure.to_string())?;
        let exchange = Exchange { address: listener.clone(), content_type, body, timeout };
        let answer = nexo.gateway.call_point_of_sale(exchange).await?;
        if !(200..300).contains(&answer.status) {
            return Err(format!("it answered {}", answer.status));
        }
        Ok(codec::read(known, &answer.body).ok())
    }
}

/// Sends what is said, one message after the other.
async fn carry(mut waiting: mpsc::Receiver<Waiting>) {
    while let Some(next) = waiting.recv().await {
        match next {
            Waiting::Message(said) => match said.answer {
                Some(_) => drop(tokio::spawn(said.out())),
                None if said.to.is_down.load(Ordering::Relaxed) => {}
                None => said.out().await,
            },
            Waiting::Heard(all_heard) => {
                let _ = all_heard.send(());
            }
        }
    }
}

impl Said {
    async fn out(self: Box<Self>) {
        let mut told = self.to.tell(&self.message, self.timeout).await;
        // A receipt is worth a second attempt; a text is out of date by then.
        if told.is_err() && self.message.header.category == "Print" {
            told = self.to.tell(&self.message, self.timeout).await;
        }
        if let Err(why) = &told {
            let poi = self.to.known.terminal.poi_id.as_str();
            tracing::info!(poi, why, "the point of sale does not listen");
            self.to.is_down.store(true, Ordering::Relaxed);
        }
        if let Some(answer) = self.answer {
            let _ = answer.send(told.ok().flatten());
        }
    }
}
