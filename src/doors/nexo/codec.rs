//! Messages in the words of their dialect, plain or protected (nexo contract 12).

use super::Nexo;
use super::message::Message;
use super::wire::fault::ReadError;
use super::wire::message::Header;
use super::wire::secured::{self, SecuredError};
use super::wire::{json, xml};
use crate::gateway::{Failure, KnownTerminal};
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

/// Whose message it is, protected or not.
pub(super) fn header_of(body: &[u8]) -> Result<Header, String> {
    match json::read(body) {
        Ok(message) => Ok(message.header),
        Err(ReadError::Body { header, .. }) => Ok(*header),
        Err(ReadError::Unreadable(_)) => Err("Input is not a JSONObject".to_owned()),
        Err(ReadError::NoHeader(fault)) => Err(fault.to_string()),
    }
}

/// One word for whatever is wrong with a protected message, so that nothing can be found out about
/// the key.
const NOT_OPENED: &str = "Message could not be decrypted";

/// Opens a request. In the shop a terminal with a passphrase takes protected ones only.
///
/// # Errors
/// What the point of sale is told.
pub(super) fn open(
    known: &KnownTerminal,
    body: &[u8],
    must_be_protected: bool,
) -> Result<Opened, String> {
    let sealed = secured::recognise(body).map_err(|_| NOT_OPENED)?;
    let Some(sealed) = sealed else {
        if must_be_protected && known.key.is_some() {
            return Err("The terminal takes encrypted messages only".to_owned());
        }
        let read = json::read(body).map(|read| Message::of(&read));
        return Ok(Opened { read, is_protected: false });
    };
    let key = known.key.as_ref().ok_or(NOT_OPENED)?;
    let read = match sealed.open(key) {
        Ok(message) => Ok(Message::of(&message)),
        Err(SecuredError::Read(error)) => Err(error),
        Err(SecuredError::Refused) => return Err(NOT_OPENED.to_owned()),
    };
    Ok(Opened { read, is_protected: true })
}

/// A message of the JSON family, plain.
pub(super) fn plain(message: &Message) -> Result<Vec<u8>, Failure> {
    Ok(json::write(&message.to_wire()?))
}

/// The same, protected by the terminal's passphrase.
pub(super) fn protected(
    nexo: &Nexo,
    known: &KnownTerminal,
    message: &Message,
) -> Result<Vec<u8>, Failure> {
    match &known.key {
        Some(key) => Ok(secured::write(&message.to_wire()?, key, &nexo.entropy.bytes())),
        None => plain(message),
    }
}

/// A message for the point of sale, as its terminal speaks.
pub(super) fn written(
    nexo: &Nexo,
    known: &KnownTerminal,
    message: &Message,
) -> Result<(&'static str, Vec<u8>), Failure> {
    Ok(match known.terminal.dialect {
        Dialect::Xml31 => ("application/xml; charset=utf-8", xml::write(&message.to_wire()?)),
        Dialect::Json => ("application/json; charset=utf-8", protected(nexo, known, message)?),
    })
}

/// What a point of sale answered.
pub(super) fn read(known: &KnownTerminal, body: &[u8]) -> Result<Message, String> {
    match known.terminal.dialect {
        Dialect::Xml31 => {
            xml::read(body).map(|read| Message::of(&read)).map_err(|error| error.to_string())
        }
        Dialect::Json => open(known, body, false)?.read.map_err(|error| error.to_string()),
    }
}

/// An answer whose line breaks before it has arrived.
pub(super) fn hang_up(content_type: &'static str) -> HttpResponse {
    let broken = stream::once(async { Err::<Bytes, _>(std::io::Error::other("hung up")) });
    HttpResponse::Ok().content_type(content_type).body(SizedStream::new(1, broken))
}
