//! Reader scripts over HTTP: the list, and playing one.

use super::Sandbox;
use super::swipe::{EntryModeName, SwipeFault};
use crate::crypto::reader_keys::InitialKey;
use crate::payment::card::EntryMode;
use crate::payment::money::Amount;
use crate::payment::reader::{Reader, ReaderKind};
use crate::sandbox::reader::event::Event;
use crate::sandbox::reader::play::{Played, Scene, play};
use crate::sandbox::reader::script::{Model, Outcome, SCRIPTS, Script};
use crate::sandbox::reader::{Presentation, ReaderFault};
use actix_web::HttpResponse;
use serde::Serialize;
use utoipa::ToSchema;

/// What a virtual reader can be told to do.
#[derive(Serialize, ToSchema)]
pub struct ScriptAnswer {
    #[schema(example = "garbled-ciphertext")]
    pub name: &'static str,
    /// One sentence for people.
    pub sentence: &'static str,
    /// `sim`, `spire-tdes`, `spire-aes`, `miura`, `qr-code`.
    #[schema(value_type = Vec<String>)]
    pub readers: Vec<&'static str>,
    /// `swipe`, `insert`, `tap`, `fallback`; the first is taken where the request names none. At a
    /// phone with codes it is always `scan`.
    #[schema(value_type = Vec<String>)]
    pub entry_modes: Vec<&'static str>,
    pub outcome: OutcomeAnswer,
}

/// What comes of it: a sale that is accepted, one that is refused, or an event and no sale.
#[derive(Serialize, ToSchema)]
pub struct OutcomeAnswer {
    /// `accepted`, `refused` or `event`.
    #[schema(example = "refused")]
    pub result: &'static str,
    /// The `error-code` of the refused sale.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = 24)]
    pub error_code: Option<u32>,
    /// The name of what the reader tells the app.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub event: Option<&'static str>,
}

/// What a reader tells the app.
#[derive(Serialize, ToSchema)]
pub struct EventAnswer {
    #[schema(example = "user-cancelled")]
    pub name: &'static str,
    /// The number in the mobile SDK's error lists, which depends on the kind of reader.
    #[schema(example = 2015)]
    pub code: u32,
    #[schema(example = "the card holder pressed Cancel")]
    pub message: &'static str,
}

impl EventAnswer {
    pub(super) fn of(event: Event, kind: ReaderKind) -> Self {
        Self { name: event.name, code: event.code(kind), message: event.message }
    }
}

/// What virtual readers can be told to do, by name.
#[utoipa::path(get, path = "/sandbox/scripts", tag = "Sandbox",
    responses((status = 200, description = "Every script", body = Vec<ScriptAnswer>)))]
pub(crate) async fn scripts() -> HttpResponse {
    HttpResponse::Ok().json(SCRIPTS.iter().map(answer).collect::<Vec<_>>())
}

fn answer(script: &Script) -> ScriptAnswer {
    let (result, error_code) = match script.outcome {
        Outcome::Accepted => ("accepted", None),
        Outcome::Refused(code) => ("refused", Some(code)),
        Outcome::Event => ("event", None),
    };
    let event = script.event().map(|event| event.name);
    ScriptAnswer {
        name: script.name,
        sentence: script.says,
        readers: script.models.iter().map(|model| model.name()).collect(),
        entry_modes: script.entry_modes(),
        outcome: OutcomeAnswer { result, error_code, event },
    }
}

/// The script of this name; without a name, the one by which a reader does what it should.
pub(super) fn find_script(name: Option<&str>) -> Result<&'static Script, SwipeFault> {
    let name = name.unwrap_or("ok");
    Script::find(name).ok_or_else(|| {
        let names: Vec<_> = SCRIPTS.iter().map(|script| script.name).collect();
        let names = names.join(", ");
        SwipeFault::Wrong(format!("script: {name:?} is not known; these are: {names}"))
    })
}

/// Whether the script can be played at this reader with this card.
pub(super) fn check_script(
    script: &Script,
    reader: &Reader,
    entry_mode: EntryModeName,
) -> Result<(), SwipeFault> {
    let name = script.name;
    let model = Model::of(reader);
    if !script.models.contains(&model) {
        let names: Vec<_> = script.models.iter().map(|model| model.name()).collect();
        let (own, names) = (model.name(), names.join(", "));
        let why = format!("script: {name} is not for a {own} reader; it is for: {names}");
        return Err(SwipeFault::Wrong(why));
    }
    if !script.ways.allow(entry_mode.mode()) {
        let ways = script.entry_modes().join(" or ");
        return Err(SwipeFault::Wrong(format!("entry_mode: {name} is for {ways}")));
    }
    if (entry_mode.mode() == EntryMode::QrCode) != (model == Model::QrCode) {
        let own = model.name();
        let why = format!("entry_mode: codes are scanned (scan), cards are not; this is {own}");
        return Err(SwipeFault::Wrong(why));
    }
    Ok(())
}

impl Sandbox {
    /// Takes the script's counter and plays it.
    pub(super) fn play(
        &self,
        script: &Script,
        reader: &Reader,
        key: &InitialKey,
        card: &Presentation<'_>,
        amount: Amount,
    ) -> Result<Played, ReaderFault> {
        let counter = self.counters.take(reader, script.count())?;
        let now = self.gateway.clock().now();
        play(script, Scene { reader, key, counter, card, amount, now, entropy: &self.entropy })
    }
}
