//! `tillgate listen`: an end point's callbacks, relayed in their order to a developer's own server.
//!
//! It asks the gateway, so nothing needs to reach this machine from outside. The gateway sends its
//! callbacks all the same, to the addresses that it has; here they are copied.

mod bookmark;
mod call;

use super::StopSignal;
use super::callbacks::{Callback, page_after};
use super::client::http_client;
use super::operator_access::{OperatorAccess, Refused};
use super::sale::say;
use anyhow::bail;
use bookmark::Bookmark;
use call::Call;
use clap::Args;
use std::path::PathBuf;
use std::time::Duration;
use url::Url;

/// How often the gateway is asked for what is new.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// The pauses between attempts that fail: each is twice the one before.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

#[derive(Args)]
pub(super) struct ListenArguments {
    #[command(flatten)]
    access: OperatorAccess,
    /// The end point whose callbacks are relayed
    #[arg(long, default_value_t = 1111)]
    endpoint: i64,
    /// Your own server, for example `http://localhost:3000/callback`
    #[arg(long, value_name = "URL")]
    forward_to: Url,
    /// The merchant's control key, which controls are verified with
    #[arg(long, env = "TILLGATE_CONTROL_KEY", hide_env_values = true)]
    control_key: Option<String>,
    /// The file that remembers the last event, so that the next start goes on behind it
    #[arg(long, value_name = "FILE", default_value = ".tillgate-listen")]
    state: PathBuf,
    /// Begin with the end point's first callback, whatever was seen before
    #[arg(long)]
    from_start: bool,
}

pub(super) async fn run(arguments: ListenArguments) -> anyhow::Result<()> {
    let mut stop = StopSignal::listen()?;
    tokio::select! {
        ended = relay(arguments) => ended,
        () = stop.received() => Ok(()),
    }
}

async fn relay(arguments: ListenArguments) -> anyhow::Result<()> {
    if !matches!(arguments.forward_to.scheme(), "http" | "https") {
        bail!("--forward-to: give an address like http://localhost:3000/callback");
    }
    let mut listener = Listener::begin(arguments).await?;
    // Callbacks that are written at the same moment may come in another order than their numbers.
    // So a number is behind us only when a look before this one has found it or a higher one.
    let mut settled = listener.bookmark.seen();
    loop {
        let found = listener.news().await?;
        for callback in found.iter().take_while(|callback| callback.id <= settled) {
            listener.pass_on(callback).await?;
        }
        settled = found.last().map_or(settled, |last| last.id);
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

struct Listener {
    http: reqwest::Client,
    access: OperatorAccess,
    endpoint: i64,
    forward_to: Url,
    control_key: Option<String>,
    bookmark: Bookmark,
}

impl Listener {
    /// Finds the place to begin at, and says so.
    async fn begin(arguments: ListenArguments) -> anyhow::Result<Self> {
        let ListenArguments { access, endpoint, forward_to, control_key, state, .. } = arguments;
        let bookmark = match arguments.from_start {
            true => Some(Bookmark::at_start(state.clone(), endpoint)),
            false => Bookmark::read(&state, endpoint)?,
        };
        let is_new = bookmark.is_none();
        let bookmark = bookmark.unwrap_or_else(|| Bookmark::at_start(state, endpoint));
        let http = http_client()?;
        // An end point that is not there would be listened to in vain.
        let there = format!("{}/admin/v1/endpoints/{endpoint}/callbacks", access.base());
        access.send(http.get(there)).await?;
        let mut listener = Self { http, access, endpoint, forward_to, control_key, bookmark };
        if is_new {
            listener.skip_all().await?;
        } else {
            listener.bookmark.check(listener.look_from_bookmark().await?.first())?;
        }
        listener.bookmark.keep()?;
        listener.welcome(is_new)?;
        Ok(listener)
    }

    /// From now on: what there is counts as seen.
    async fn skip_all(&mut self) -> anyhow::Result<()> {
        let mut place = 0;
        while let Some(last) = self.look(place).await?.pop() {
            place = last.id;
            self.bookmark.place_at(&last);
        }
        Ok(())
    }

    fn welcome(&self, is_new: bool) -> anyhow::Result<()> {
        let from = match self.bookmark.seen() {
            _ if is_new => "from now on".to_owned(),
            0 => "from the first".to_owned(),
            seen => format!("from behind evt_{seen}"),
        };
        let (endpoint, to) = (self.endpoint, &self.forward_to);
        say(&format!("listening: callbacks of end point {endpoint}, {from}, go to {to}"))?;
        if self.control_key.is_none() {
            say("controls are not verified: give the control key as TILLGATE_CONTROL_KEY")?;
        }
        Ok(())
    }

    /// The callbacks behind the bookmark. Numbers begin again in a new database, which the gateway
    /// may have at any time in development; who went on by the old ones would miss events.
    async fn news(&self) -> anyhow::Result<Vec<Callback>> {
        let mut found = until_done(async || self.look_from_bookmark().await).await?;
        self.bookmark.check(found.first())?;
        found.retain(|callback| callback.id > self.bookmark.seen());
        Ok(found)
    }

    /// The callback at the bookmark and those behind it.
    async fn look_from_bookmark(&self) -> anyhow::Result<Vec<Callback>> {
        self.look(self.bookmark.seen() - 1).await
    }

    /// The callbacks behind this one, as far as a page goes.
    async fn look(&self, after: i64) -> anyhow::Result<Vec<Callback>> {
        let request = page_after(&self.http, &self.access, self.endpoint, None, after);
        Ok(self.access.send(request).await?.json().await?)
    }

    /// Relays a callback, however often it must be tried, and says what came of it.
    async fn pass_on(&mut self, callback: &Callback) -> anyhow::Result<()> {
        let Callback { id, event_id, order, status, .. } = callback;
        let url = format!("{}/admin/v1/callbacks/{id}/call", self.access.base());
        let told = until_done(async || {
            // Worded anew each time: a signature is good for some minutes.
            let answer = self.access.send(self.http.get(&url)).await?;
            let call: Call = answer.json().await?;
            let answered = call.forward(&self.http, &self.forward_to).await?;
            Ok((call, answered))
        })
        .await;
        // It is there no more, or has no words: it must not hold up those behind it.
        let told = told.map(Some).or_else(|error| match status_of(&error) {
            Some(404 | 409) => say(&format!("{event_id}  passed over: {error:#}")).map(|()| None),
            _ => Err(error),
        })?;
        self.bookmark.place_at(callback);
        self.bookmark.keep()?;
        let Some((call, answered)) = told else {
            return Ok(());
        };
        let kind = call.parameter("type").unwrap_or_else(|| "-".to_owned());
        let control = call.control(self.control_key.as_deref());
        say(&format!("{event_id}  order {order}  {kind}  {status}  {control}  {answered}"))
    }
}

/// The status with which the gateway refused something.
fn status_of(error: &anyhow::Error) -> Option<u16> {
    error.downcast_ref::<Refused>().map(|refused| refused.status)
}

/// Tries until it is done, with growing pauses. Nothing else is done meanwhile, so that the order
/// stays.
async fn until_done<T>(attempt: impl AsyncFn() -> anyhow::Result<T>) -> anyhow::Result<T> {
    let mut pause = FIRST_PAUSE;
    loop {
        match attempt().await {
            Ok(done) => return Ok(done),
            // Asking again would be answered alike.
            Err(error) if status_of(&error).is_some_and(|status| status < 500) => {
                return Err(error);
            }
            Err(error) => say(&format!("{error:#}; again in {} s", pause.as_secs()))?,
        }
        tokio::time::sleep(pause).await;
        pause = LONGEST_PAUSE.min(pause * 2);
    }
}
