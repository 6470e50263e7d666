//! A receiver of callbacks: it gives the listed answers, one a connection, and notes what it was
//! sent.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

/// What is answered to one call.
#[derive(Clone)]
pub struct Answering {
    status: u16,
    header: String,
    body: String,
    hangs_up: bool,
}

impl Answering {
    pub fn with(status: u16) -> Self {
        // Nobody may follow this.
        let header = "Location: http://169.254.169.254/".to_owned();
        Self { status, header, body: String::new(), hangs_up: false }
    }

    /// No answer: the connection ends.
    pub fn hanging_up() -> Self {
        Self { hangs_up: true, ..Self::with(0) }
    }

    pub fn with_header(self, header: &str) -> Self {
        Self { header: header.to_owned(), ..self }
    }

    pub fn saying(self, body: &str) -> Self {
        Self { body: body.to_owned(), ..self }
    }
}

/// What was sent.
#[derive(Clone, Debug)]
pub struct Received {
    pub method: String,
    /// Path and query.
    pub target: String,
    headers: Vec<(String, String)>,
    pub body: String,
}

impl Received {
    pub fn header(&self, name: &str) -> String {
        let found = self.headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
        found.unwrap_or_else(|| panic!("no {name} in {self:?}")).1.clone()
    }

    pub fn query_text(&self) -> String {
        self.target.split_once('?').map_or_else(String::new, |(_, query)| query.to_owned())
    }

    pub fn query(&self, name: &str) -> String {
        let query = self.query_text();
        let found = form_urlencoded::parse(query.as_bytes()).find(|(known, _)| known == name);
        found.unwrap_or_else(|| panic!("no {name} in {self:?}")).1.into_owned()
    }
}

pub struct Receiver {
    pub url: String,
    seen: Arc<Mutex<Vec<Received>>>,
}

impl Receiver {
    pub fn start(answers: Vec<Answering>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/cb", listener.local_addr().unwrap());
        let seen = Arc::new(Mutex::new(Vec::new()));
        let notes = Arc::clone(&seen);
        std::thread::spawn(move || {
            for answer in answers {
                let (stream, _) = listener.accept().unwrap();
                serve(stream, &answer, &notes);
            }
        });
        Self { url, seen }
    }

    /// All that was received so far, oldest first.
    pub fn received(&self) -> Vec<Received> {
        self.seen.lock().unwrap().clone()
    }
}

fn serve(stream: TcpStream, answer: &Answering, notes: &Mutex<Vec<Received>>) {
    let mut reader = BufReader::new(stream);
    let mut line = || {
        let mut line = String::new();
        reader.read_line(&mut line).unwrap();
        line.trim_end().to_owned()
    };
    let first = line();
    let headers: Vec<_> = std::iter::from_fn(|| {
        let header = line();
        let (name, value) = header.split_once(": ")?;
        Some((name.to_owned(), value.to_owned()))
    })
    .collect();
    let length = headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("content-length"));
    let mut body = vec![0; length.map_or(0, |(_, length)| length.parse().unwrap())];
    reader.read_exact(&mut body).unwrap();
    let mut words = first.split(' ').map(str::to_owned);
    let (method, target) = (words.next().unwrap(), words.next().unwrap());
    let body = String::from_utf8(body).unwrap();
    notes.lock().unwrap().push(Received { method, target, headers, body });
    let Answering { status, header, body, hangs_up } = answer;
    if *hangs_up {
        return;
    }
    let length = body.len();
    let answer = format!(
        "HTTP/1.1 {status} X\r\n{header}\r\nContent-Length: {length}\r\n\
         Connection: close\r\n\r\n{body}"
    );
    reader.get_mut().write_all(answer.as_bytes()).unwrap();
}
