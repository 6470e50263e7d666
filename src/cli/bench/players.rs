//! What each connection asks, and what counts as an answer.

use super::fixtures::{MobileApp, VirtualReader};
use super::gateway::ReaderLine;
use super::ledger::Ledger;
use super::wire::{Answer, find};
use anyhow::{Context, bail};
use std::io::Write;
use std::net::SocketAddr;
use std::ops::Range;
use std::sync::Arc;
use std::time::Instant;

const ORDER_FIELD: &[u8] = b"&paynet-order-id=";

/// One client that asks again as soon as it is answered.
pub(super) trait Player: Send + 'static {
    /// The next request, whole. It counts from this moment.
    fn request(&mut self, from: Instant) -> anyhow::Result<&[u8]>;

    /// Takes the answer to it; whether it counts.
    ///
    /// # Errors
    /// When it is not the answer that a sound gateway gives.
    fn answered(&mut self, answer: &Answer<'_>) -> anyhow::Result<bool>;
}

/// Sends the same form to the door that does nothing with it.
pub(super) struct BarePlayer {
    request: Vec<u8>,
}

impl BarePlayer {
    pub(super) fn new(app: &MobileApp, reader: &mut VirtualReader) -> anyhow::Result<Self> {
        let mut request = Vec::new();
        app.write_bare(reader, &mut request)?;
        Ok(Self { request })
    }
}

impl Player for BarePlayer {
    fn request(&mut self, _: Instant) -> anyhow::Result<&[u8]> {
        Ok(&self.request)
    }

    fn answered(&mut self, answer: &Answer<'_>) -> anyhow::Result<bool> {
        expect(answer, b"type=bare\n")
    }
}

/// Sends sales, each of its own, from one reader.
pub(super) struct SalePlayer {
    app: Arc<MobileApp>,
    reader: VirtualReader,
    callback_url: String,
    ledger: Arc<Ledger>,
    /// Whether "try again later" is an answer.
    bears_refusals: bool,
    /// Requests that were signed in advance, one after the other.
    signed: Vec<u8>,
    places: std::vec::IntoIter<(usize, Range<usize>)>,
    /// The number of the sale that is under way.
    current: usize,
}

impl SalePlayer {
    /// `callback_url` is where the callbacks of its sales go.
    pub(super) fn new(
        app: &Arc<MobileApp>,
        reader: VirtualReader,
        callback_url: String,
        ledger: &Arc<Ledger>,
    ) -> Self {
        Self {
            app: Arc::clone(app),
            reader,
            callback_url,
            ledger: Arc::clone(ledger),
            bears_refusals: false,
            signed: Vec::new(),
            places: Vec::new().into_iter(),
            current: 0,
        }
    }

    /// Takes "try again later" for an answer, and goes on with the next sale: a gateway that is
    /// slower than its clients may say so.
    pub(super) fn bear_refusals(&mut self) {
        self.bears_refusals = true;
    }

    /// Signs this many sales in advance, in place of those that are left.
    pub(super) fn prepare(&mut self, count: usize) -> anyhow::Result<()> {
        self.signed.clear();
        let mut places = Vec::with_capacity(count);
        for _ in 0..count {
            let (number, start) = (self.ledger.next_number(), self.signed.len());
            let (name, url) = (self.ledger.name_of(number), &self.callback_url);
            self.app.write_sale(&name, Some(url), &mut self.reader, &mut self.signed)?;
            places.push((number, start..self.signed.len()));
        }
        self.places = places.into_iter();
        Ok(())
    }
}

impl Player for SalePlayer {
    fn request(&mut self, from: Instant) -> anyhow::Result<&[u8]> {
        if self.places.len() == 0 {
            self.prepare(1)?;
        }
        let (number, place) = self.places.next().context("nothing was signed")?;
        self.current = number;
        self.ledger.sent(number, from);
        Ok(&self.signed[place])
    }

    fn answered(&mut self, answer: &Answer<'_>) -> anyhow::Result<bool> {
        if self.bears_refusals && answer.status == 503 {
            self.ledger.refused(self.current);
            return Ok(false);
        }
        expect(answer, b"type=async-response\n")?;
        let order = order_of(answer.body).context("an accepted sale has no order id")?;
        self.ledger.accepted(self.current, order);
        Ok(true)
    }
}

/// Sends sales that nobody is called back for.
pub(super) struct PlainSalePlayer {
    app: Arc<MobileApp>,
    reader: VirtualReader,
    name: String,
    count: u64,
    request: Vec<u8>,
}

impl PlainSalePlayer {
    pub(super) fn new(app: &Arc<MobileApp>, reader: &ReaderLine) -> anyhow::Result<Self> {
        let name = format!("plain-{}", reader.serial);
        let (app, reader) = (Arc::clone(app), VirtualReader::new(reader)?);
        Ok(Self { app, reader, name, count: 0, request: Vec::new() })
    }
}

impl Player for PlainSalePlayer {
    fn request(&mut self, _: Instant) -> anyhow::Result<&[u8]> {
        self.count += 1;
        let name = format!("{}-{}", self.name, self.count);
        self.request.clear();
        self.app.write_sale(&name, None, &mut self.reader, &mut self.request)?;
        Ok(&self.request)
    }

    fn answered(&mut self, answer: &Answer<'_>) -> anyhow::Result<bool> {
        expect(answer, b"type=async-response\n")
    }
}

/// Takes payments at one terminal, one after the other.
pub(super) struct TillPlayer {
    host: SocketAddr,
    poi_id: String,
    count: u64,
    request: Vec<u8>,
}

impl TillPlayer {
    pub(super) fn new(host: SocketAddr, poi_id: &str) -> Self {
        Self { host, poi_id: poi_id.to_owned(), count: 0, request: Vec::new() }
    }
}

impl Player for TillPlayer {
    fn request(&mut self, _: Instant) -> anyhow::Result<&[u8]> {
        self.count += 1;
        let Self { host, poi_id, count, request } = self;
        let body = format!(
            "<SaleToPOIRequest><MessageHeader ProtocolVersion=\"3.1\" MessageClass=\"Service\" \
             MessageCategory=\"Payment\" MessageType=\"Request\" ServiceID=\"{count}\" \
             SaleID=\"bench\" POIID=\"{poi_id}\"/><PaymentRequest><SaleData><SaleTransactionID \
             TransactionID=\"R-{count}\" TimeStamp=\"2026-11-21T13:00:01+01:00\"/></SaleData>\
             <PaymentTransaction><AmountsReq Currency=\"RUB\" RequestedAmount=\"10.42\"/>\
             </PaymentTransaction><PaymentData PaymentType=\"Normal\"/></PaymentRequest>\
             </SaleToPOIRequest>"
        );
        request.clear();
        write!(
            request,
            "POST /EPASSaleToPOI/3.1 HTTP/1.1\r\nHost: {host}\r\nContent-Type: \
             application/xml\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        )?;
        Ok(request)
    }

    fn answered(&mut self, answer: &Answer<'_>) -> anyhow::Result<bool> {
        if answer.status == 200 && find(answer.body, b"<Response Result=\"Success\"/>").is_some() {
            return Ok(true);
        }
        bail!("a payment was answered {} {}", answer.status, String::from_utf8_lossy(answer.body));
    }
}

/// Asks for the status of any accepted sale.
pub(super) struct StatusPlayer {
    app: Arc<MobileApp>,
    ledger: Arc<Ledger>,
    request: Vec<u8>,
}

impl StatusPlayer {
    pub(super) fn new(app: &Arc<MobileApp>, ledger: &Arc<Ledger>) -> Self {
        Self { app: Arc::clone(app), ledger: Arc::clone(ledger), request: Vec::new() }
    }
}

impl Player for StatusPlayer {
    fn request(&mut self, _: Instant) -> anyhow::Result<&[u8]> {
        let random = u64::from_le_bytes(self.app.entropy.bytes());
        let (name, order) = self.ledger.pick(random).context("no sale was accepted before")?;
        self.request.clear();
        self.app.write_status(&name, order, &mut self.request)?;
        Ok(&self.request)
    }

    fn answered(&mut self, answer: &Answer<'_>) -> anyhow::Result<bool> {
        expect(answer, b"type=status-response\n")
    }
}

fn expect(answer: &Answer<'_>, beginning: &[u8]) -> anyhow::Result<bool> {
    if answer.status == 200 && answer.body.starts_with(beginning) {
        return Ok(true);
    }
    bail!(
        "the gateway answered {} {} and not {}",
        answer.status,
        String::from_utf8_lossy(answer.body).replace('\n', ""),
        String::from_utf8_lossy(beginning).trim_end()
    )
}

fn order_of(body: &[u8]) -> Option<i64> {
    let start = find(body, ORDER_FIELD)? + ORDER_FIELD.len();
    let digits = body[start..].split(|byte| !byte.is_ascii_digit()).next()?;
    std::str::from_utf8(digits).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_order_is_found_among_the_pairs() {
        let body = b"type=async-response\n&serial-number=1\n&paynet-order-id=6877\n&x=1\n";
        assert_eq!(order_of(body), Some(6877));
        assert_eq!(order_of(b"type=error\n&error-code=2\n"), None);
    }

    #[test]
    fn any_other_answer_is_a_fault_that_says_what_came() {
        let body = b"type=error\n&error-code=2\n";
        let fault = expect(&Answer { status: 200, body }, b"type=bare\n").unwrap_err();
        assert!(fault.to_string().contains("type=error&error-code=2"), "{fault}");
        assert!(expect(&Answer { status: 503, body: b"type=bare\n" }, b"type=bare\n").is_err());
    }
}
