//! A point of sale in scenarios: it speaks to a terminal in XML or JSON, and listens to what the
//! terminal shows, prints and asks.

use crate::world::{Answer, World};
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use tillgate::crypto::nexo_crypto::NexoKey;
use tillgate::doors::nexo::wire::{json as json_wire, message, secured, xml};
use tillgate::payment::SECOND;
use tillgate::payment::terminal::Terminal;

/// A terminal of the sandbox whose card holders are at hand.
pub async fn quick(world: &World, poi_id: &str) {
    change(world, poi_id, |terminal| terminal.profile.card_ms = 0).await;
}

pub async fn change(world: &World, poi_id: &str, change: impl FnOnce(&mut Terminal)) {
    let mut terminal = world.gateway().known_terminal(poi_id).await.unwrap();
    change(&mut terminal);
    world.gateway().change_terminal(&terminal).await.unwrap();
}

/// A terminal whose card holders are at hand, and that never rests.
pub async fn tireless(world: &World, poi_id: &str) {
    quick(world, poi_id).await;
    change(world, poi_id, |terminal| terminal.profile.cooldown_ms = Some(0)).await;
}

/// The capabilities of a till that listens to everything.
pub const DEFAULT: &str = "CashierStatus CashierError CashierDisplay POIReplication \
                           CustomerAssistance CashierInput PrinterReceipt";
/// Of one that only asks.
pub const LIGHT: &str = "PrinterReceipt";

/// A till that speaks XML.
pub struct Till<'a> {
    world: &'a World,
    pub sale_id: String,
    pub poi_id: String,
    next: AtomicU32,
    pub listener: Option<String>,
}

/// What a request is about, and its body.
#[derive(Clone)]
pub struct Request {
    pub category: &'static str,
    pub service_id: String,
    pub body: String,
}

impl<'a> Till<'a> {
    pub fn at(world: &'a World, poi_id: &str) -> Self {
        Self {
            world,
            sale_id: "TILL-01".to_owned(),
            poi_id: poi_id.to_owned(),
            next: AtomicU32::new(112_001),
            listener: None,
        }
    }

    pub fn named(self, sale_id: &str) -> Self {
        Self { sale_id: sale_id.to_owned(), ..self }
    }

    pub fn listening(self, ear: &Ear) -> Self {
        Self { listener: Some(ear.url.clone()), ..self }
    }

    /// The next number of a service.
    pub fn service_id(&self) -> String {
        self.next.fetch_add(1, Ordering::Relaxed).to_string()
    }

    /// A request with a fresh number.
    pub fn request(&self, category: &'static str, body: &str) -> Request {
        Request { category, service_id: self.service_id(), body: body.to_owned() }
    }

    /// As it goes over the wire.
    pub fn xml(&self, request: &Request) -> String {
        let Request { category, service_id, body } = request;
        let (sale, poi) = (&self.sale_id, &self.poi_id);
        let class = match *category {
            "Display" | "Input" | "Print" => format!("Device\" DeviceID=\"{service_id}"),
            _ => "Service".to_owned(),
        };
        format!(
            "<SaleToPOIRequest><MessageHeader ProtocolVersion=\"3.1\" MessageClass=\"{class}\" \
             MessageCategory=\"{category}\" MessageType=\"Request\" ServiceID=\"{service_id}\" \
             SaleID=\"{sale}\" POIID=\"{poi}\"/>{body}</SaleToPOIRequest>"
        )
    }

    /// A request of the JSON family with a fresh number, as it goes over the wire.
    pub fn json(&self, category: &str, body: &Value) -> String {
        json!({ "SaleToPOIRequest": {
            "MessageHeader": {
                "ProtocolVersion": "3.0", "MessageClass": "Service", "MessageType": "Request",
                "MessageCategory": category, "ServiceID": self.service_id(),
                "SaleID": self.sale_id, "POIID": self.poi_id,
            },
            format!("{category}Request"): body,
        }})
        .to_string()
    }

    /// Sends a request while the workers of the world are at work.
    pub async fn ask(&self, request: &Request) -> Answer {
        let text = self.xml(request);
        self.post("/EPASSaleToPOI/3.1", "application/xml; charset=utf-8", text).await
    }

    pub async fn post(&self, path: &str, kind: &str, text: String) -> Answer {
        let sending = self.sending(path, kind, text);
        working(self.world, sending).await
    }

    /// A request on its way, for scenarios that do something meanwhile.
    pub fn sending(&self, path: &str, kind: &str, text: String) -> tokio::task::JoinHandle<Answer> {
        let mut request = self.world.http.post(self.world.url(path));
        request = request.header("Content-Type", kind).header("X-API-Key", "sandbox").body(text);
        if let Some(url) = &self.listener {
            request = request.header("X-Callback-Url", url);
        }
        tokio::spawn(Answer::of(request))
    }

    pub fn send(&self, request: &Request) -> tokio::task::JoinHandle<Answer> {
        self.sending("/EPASSaleToPOI/3.1", "application/xml", self.xml(request))
    }

    /// Logs in with these capabilities.
    pub async fn login(&self, capabilities: &str) -> Answer {
        let body = format!(
            "<LoginRequest OperatorLanguage=\"sv\"><DateTime>2026-11-21T13:00:00+01:00</DateTime>\
             <SaleSoftware ProviderIdentification=\"Kassa\" ApplicationName=\"Kassa\" \
             SoftwareVersion=\"1.0\"/><SaleTerminalData TerminalEnvironment=\"Attended\">\
             <SaleCapabilities>{capabilities}</SaleCapabilities></SaleTerminalData></LoginRequest>"
        );
        self.ask(&self.request("Login", &body)).await
    }

    /// A payment request of this amount in Swedish crowns.
    pub fn payment(&self, amount: &str) -> Request {
        self.payment_of("Normal", "SEK", amount)
    }

    pub fn payment_of(&self, kind: &str, currency: &str, amount: &str) -> Request {
        let mut request = self.request("Payment", "");
        request.body = format!(
            "<PaymentRequest><SaleData TokenRequestedType=\"Customer\"><SaleTransactionID \
             TransactionID=\"R-{}\" TimeStamp=\"2026-11-21T13:00:01+01:00\"/></SaleData>\
             <PaymentTransaction><AmountsReq Currency=\"{currency}\" RequestedAmount=\"{amount}\"/>\
             </PaymentTransaction><PaymentData PaymentType=\"{kind}\"/></PaymentRequest>",
            request.service_id
        );
        request
    }

    /// A request to take this amount of what an earlier payment holds.
    pub fn completion(&self, held: &str, amount: &str) -> Request {
        let mut request = self.payment_of("Completion", "SEK", amount);
        request.body = request.body.replace(
            "</PaymentTransaction>",
            &format!(
                "<OriginalPOITransaction><POITransactionID TransactionID=\"{held}\" \
                 TimeStamp=\"2026-11-21T12:00:00Z\"/></OriginalPOITransaction>\
                 </PaymentTransaction>"
            ),
        );
        request
    }

    pub async fn pay(&self, amount: &str) -> Answer {
        self.ask(&self.payment(amount)).await
    }

    /// Asks what became of a service, or of the last one.
    pub async fn status(&self, of: Option<&Request>) -> Answer {
        let body = match of {
            Some(Request { category, service_id, .. }) => format!(
                "<TransactionStatusRequest><MessageReference MessageCategory=\"{category}\" \
                 ServiceID=\"{service_id}\" SaleID=\"{}\" POIID=\"{}\"/></TransactionStatusRequest>",
                self.sale_id, self.poi_id
            ),
            None => "<TransactionStatusRequest/>".to_owned(),
        };
        self.ask(&self.request("TransactionStatus", &body)).await
    }

    pub async fn abort(&self, of: &Request) -> Answer {
        let body = format!(
            "<AbortRequest><MessageReference MessageCategory=\"{}\" ServiceID=\"{}\" \
             SaleID=\"{}\" POIID=\"{}\"/><AbortReason>Abort by Sale System</AbortReason>\
             </AbortRequest>",
            of.category, of.service_id, self.sale_id, self.poi_id
        );
        self.ask(&self.request("Abort", &body)).await
    }

    pub async fn reverse(&self, transaction: &str) -> Answer {
        let body = format!(
            "<ReversalRequest ReversalReason=\"MerchantCancel\"><OriginalPOITransaction \
             SaleID=\"{}\" POIID=\"{}\"><POITransactionID TransactionID=\"{transaction}\" \
             TimeStamp=\"2026-11-21T12:00:00Z\"/></OriginalPOITransaction></ReversalRequest>",
            self.sale_id, self.poi_id
        );
        self.ask(&self.request("Reversal", &body)).await
    }
}

/// Lets the workers of the world work until the request is answered.
pub async fn working(world: &World, sending: tokio::task::JoinHandle<Answer>) -> Answer {
    while !sending.is_finished() {
        world.settle().await;
        tokio::task::yield_now().await;
    }
    sending.await.unwrap()
}

/// Lets time pass, second by second, until the request is answered.
pub async fn passing(world: &World, sending: tokio::task::JoinHandle<Answer>) -> Answer {
    while !sending.is_finished() {
        world.pass(SECOND).await;
        tokio::task::yield_now().await;
    }
    sending.await.unwrap()
}

/// A field of an answer in XML or JSON, by its path from the body element down.
pub fn field(answer: &Answer, path: &str) -> Option<String> {
    let message = read(answer);
    let node = message.body.at(path)?;
    let shown = node.text().map(str::to_owned);
    shown.or_else(|| node.flag().map(|flag| flag.to_string()))
}

/// The message in an answer.
pub fn read(answer: &Answer) -> message::Message {
    assert_eq!(answer.status, 200, "{answer:?}");
    let read = match answer.body.trim_start().starts_with('<') {
        true => xml::read(answer.body.as_bytes()),
        false => json_wire::read(answer.body.as_bytes()),
    };
    read.unwrap_or_else(|error| panic!("{error}: {answer:?}"))
}

/// The notification that a message was rejected, which stands in the place of an answer.
pub fn rejection(answer: &Answer) -> message::Message {
    let message = read(answer);
    assert_eq!(message.header.category, "Event", "{answer:?}");
    assert_eq!(message.body.text("EventToNotify"), Some("Reject"), "{answer:?}");
    message
}

/// `Result`, and the condition and text of a failure.
pub fn result(answer: &Answer) -> String {
    let get = |path: &str| field(answer, path).unwrap_or_default();
    let told = ["Response/Result", "Response/ErrorCondition", "Response/AdditionalResponse"];
    told.map(get).join(" ").trim_end().to_owned()
}

/// The transaction id of a payment.
pub fn transaction(answer: &Answer) -> String {
    field(answer, "POIData/POITransactionID/TransactionID").unwrap()
}

/// The listener of a till: it notes what it hears, in a few words each, and answers as it is told
/// to.
pub struct Ear {
    pub url: String,
    heard: Arc<Mutex<Vec<String>>>,
}

impl Ear {
    /// One that answers displays with nothing, and questions with this.
    pub fn open(says: impl Fn(&message::Message) -> Option<String> + Send + 'static) -> Self {
        Self::of(read_plain, move |message| match says(message) {
            Some(text) => with_body("200 OK", &text),
            None => with_body("204 No Content", ""),
        })
    }

    /// One that answers each message with this status.
    pub fn answering(status: impl Fn(&message::Message) -> &'static str + Send + 'static) -> Self {
        Self::of(read_plain, move |message| with_body(status(message), ""))
    }

    /// One that takes nothing but messages that are protected by this key.
    pub fn open_sealed(key: NexoKey) -> Self {
        let read = move |body: &[u8]| {
            let sealed = secured::recognise(body).unwrap().expect("a protected message");
            sealed.open(&key).unwrap_or_else(|error| panic!("{error}"))
        };
        Self::of(read, |_| with_body("204 No Content", ""))
    }

    fn of(
        read: impl Fn(&[u8]) -> message::Message + Send + 'static,
        answer: impl Fn(&message::Message) -> String + Send + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/EPASSaleToPOI/3.1/", listener.local_addr().unwrap());
        let heard = Arc::new(Mutex::new(Vec::new()));
        let notes = Arc::clone(&heard);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = BufReader::new(stream.unwrap());
                let Some(body) = body_of(&mut stream) else {
                    continue;
                };
                let message = read(&body);
                notes.lock().unwrap().push(told(&message));
                stream.get_mut().write_all(answer(&message).as_bytes()).unwrap();
            }
        });
        Self { url, heard }
    }

    /// One that only listens.
    pub fn silent() -> Self {
        Self::open(|_| None)
    }

    /// One whose cashier says so of signatures.
    pub fn confirming(signature: bool) -> Self {
        Self::open(move |message| {
            (message.header.category == "Input").then(|| confirmation(message, signature))
        })
    }

    /// All that was heard so far, oldest first.
    pub fn heard(&self) -> Vec<String> {
        self.heard.lock().unwrap().clone()
    }

    /// Waits until something like this was heard.
    pub async fn until(&self, world: &World, what: &str) {
        while !self.heard().iter().any(|heard| heard.contains(what)) {
            world.settle().await;
            tokio::task::yield_now().await;
        }
    }
}

pub fn confirmation(message: &message::Message, confirmed: bool) -> String {
    let header = &message.header;
    let id = |id: &Option<String>| id.clone().unwrap_or_default();
    format!(
        "<SaleToPOIResponse><MessageHeader MessageClass=\"Device\" MessageCategory=\"Input\" \
         MessageType=\"Response\" ServiceID=\"{}\" DeviceID=\"{}\" SaleID=\"{}\" POIID=\"{}\"/>\
         <InputResponse><OutputResult Device=\"CashierDisplay\" InfoQualify=\"Display\">\
         <Response Result=\"Success\"/></OutputResult><InputResult Device=\"CashierInput\" \
         InfoQualify=\"Input\"><Response Result=\"Success\"/><Input \
         InputCommand=\"GetConfirmation\"><ConfirmedFlag>{confirmed}</ConfirmedFlag></Input>\
         </InputResult></InputResponse></SaleToPOIResponse>",
        id(&header.service_id),
        id(&header.device_id),
        header.sale_id,
        header.poi_id
    )
}

/// The body of a request; `None` of a connection that was opened and not used.
fn body_of(stream: &mut BufReader<TcpStream>) -> Option<Vec<u8>> {
    let mut length = 0;
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line).unwrap_or(0) == 0 {
            return None;
        }
        let line = line.trim_end().to_ascii_lowercase();
        if line.is_empty() {
            break;
        }
        if let Some(told) = line.strip_prefix("content-length: ") {
            length = told.parse().unwrap();
        }
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body).unwrap();
    Some(body)
}

fn read_plain(body: &[u8]) -> message::Message {
    let message = match body.starts_with(b"{") {
        true => json_wire::read(body),
        false => xml::read(body),
    };
    message.unwrap_or_else(|error| panic!("{error}"))
}

fn with_body(status: &str, text: &str) -> String {
    format!(
        "HTTP/1.1 {status}\r\nContent-Type: application/xml\r\nContent-Length: {}\r\n\
         Connection: close\r\n\r\n{text}",
        text.len()
    )
}

/// A message in a few words.
fn told(message: &message::Message) -> String {
    let text = |path: &str| message.body.text(path).unwrap_or_default().to_owned();
    match message.header.category.as_str() {
        "Display" => {
            let content = "DisplayOutput/OutputContent";
            let reference = text(&format!("{content}/PredefinedContent/ReferenceID"));
            match reference.rsplit_once("event=") {
                Some((_, event)) => format!("event {}", event.replace("%5F", "_")),
                None => text(&format!("{content}/OutputText/Text")),
            }
        }
        "Event" => format!("Event {}", text("EventToNotify")),
        "Print" => format!("Print {}", text("PrintOutput/DocumentQualifier")),
        "Input" => format!("Input {}", text("DisplayOutput/OutputContent/OutputText/Text")),
        other => format!("{other} {}", message.header.kind.as_str()),
    }
}
