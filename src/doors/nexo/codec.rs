//! Messages in the words of their dialect, plain or protected (nexo contract 12).

use super::Nexo;
use super::wire::{Header, Message, ReadError, json, secured, xml};
use crate::crypto::nexo_crypto::NexoKey;
use crate::gateway::KnownTerminal;
use crate::payment::terminal::Dialect;
use actix_web::HttpResponse;
use actix_web::body::SizedStream;
use actix_web::web::Bytes;
use futures_util::stream;

/// A request that has been opened.
pub(super) struct Opened {
    pub(super) read: Result<Message, ReadError>,
    /// Whether the answer must be protected, too.
    pub(super) is_protected: bool,
}

/// One answer for whatever is wrong with a protected message, so that nothing can be found out
/// about the key.
const NOT_OPENED: &str = "Message could not be decrypted";

/// Whose message it is, protected or not.
pub(super) fn header_of(body: &[u8]) -> Result<Header, String> {
    json::header(body).map_err(|error| match error {
        ReadError::Unreadable(_) => "Input is not a JSONObject".to_owned(),
        ReadError::Header(why) | ReadError::Body { why, .. } => why,
    })
}

/// Opens a request. In the shop a terminal with a passphrase takes protected ones only.
pub(super) fn open(
    known: &KnownTerminal,
    body: &[u8],
    must_be_protected: bool,
) -> Result<Opened, String> {
    let Some(envelope) = secured::read(body) else {
        if must_be_protected && known.passphrase.is_some() {
            return Err("The terminal takes encrypted messages only".to_owned());
        }
        return Ok(Opened { read: json::read(body), is_protected: false });
    };
    let key = key_of(known).ok_or(NOT_OPENED)?;
    let clear = secured::open(&envelope, &key).map_err(|_| NOT_OPENED)?;
    let read = json::read(&clear);
    if let Ok(message) = &read
        && !secured::agrees(&envelope, &message.header)
    {
        return Err(NOT_OPENED.to_owned());
    }
    Ok(Opened { read, is_protected: true })
}

/// A message of the JSON family, plain.
pub(super) fn plain(message: &Message) -> Vec<u8> {
    json::write(message)
}

/// The same, protected by the terminal's passphrase.
pub(super) fn protected(nexo: &Nexo, known: &KnownTerminal, message: &Message) -> Vec<u8> {
    match key_of(known) {
        Some(key) => secured::seal(message, &key, nexo.entropy.bytes()),
        None => plain(message),
    }
}

/// A message for the point of sale, as its terminal speaks.
pub(super) fn written(
    nexo: &Nexo,
    known: &KnownTerminal,
    message: &Message,
) -> (&'static str, Vec<u8>) {
    match known.terminal.dialect {
        Dialect::Xml31 => ("application/xml; charset=utf-8", xml::write(message)),
        Dialect::Json => ("application/json; charset=utf-8", protected(nexo, known, message)),
    }
}

/// What a point of sale answered.
pub(super) fn read(known: &KnownTerminal, body: &[u8]) -> Result<Message, ReadError> {
    match known.terminal.dialect {
        Dialect::Xml31 => xml::read(body),
        Dialect::Json => match open(known, body, false) {
            Ok(opened) => opened.read,
            Err(why) => Err(ReadError::Unreadable(why)),
        },
    }
}

fn key_of(known: &KnownTerminal) -> Option<NexoKey> {
    let (passphrase, name) = (known.passphrase.as_ref()?, known.terminal.profile.key.as_ref()?);
    Some(NexoKey::derive(passphrase, &name.identifier, name.version))
}

/// An answer whose line breaks before it has arrived.
pub(super) fn hang_up(content_type: &'static str) -> HttpResponse {
    let broken = stream::once(async { Err::<Bytes, _>(std::io::Error::other("hung up")) });
    HttpResponse::Ok().content_type(content_type).body(SizedStream::new(1, broken))
}
