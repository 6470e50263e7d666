//! Names that lie, on the way through the real client.

use super::super::allow_list::AllowList;
use super::*;
use std::io::{ErrorKind, Read, Write};
use std::net::TcpListener;
use std::sync::Mutex;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Public hosts alone.
fn strict() -> EgressRules {
    EgressRules::default()
}

/// This machine and these, too.
fn development(hosts: &[&str]) -> EgressRules {
    EgressRules { allowed: AllowList::loopback().and(&AllowList::parse(hosts).unwrap()) }
}
const PUBLIC: &str = "93.184.216.34:0";
const ANOTHER_PUBLIC: &str = "[2606:2800:220:1::1]:0";

type Answered = io::Result<Vec<SocketAddr>>;

/// Gives the listed answers, one a question.
struct Scripted(Mutex<Vec<Answered>>);

impl Scripted {
    fn new(mut answers: Vec<Answered>) -> Arc<Self> {
        answers.reverse();
        Arc::new(Self(Mutex::new(answers)))
    }

    fn questions_left(&self) -> usize {
        self.0.lock().unwrap().len()
    }
}

#[async_trait]
impl Lookup for Scripted {
    async fn addresses(&self, _: &str) -> Answered {
        self.0.lock().unwrap().pop().expect("one question too many")
    }
}

#[expect(clippy::unnecessary_wraps, reason = "as a lookup answers")]
fn found(addresses: &[&str]) -> Answered {
    Ok(addresses.iter().map(|address| address.parse().unwrap()).collect())
}

/// What would be dialled.
async fn dialled(rules: EgressRules, lookup: &Arc<Scripted>) -> Result<Vec<SocketAddr>, String> {
    let resolver = GuardedResolver { rules, lookup: Arc::clone(lookup) };
    let addresses = resolver.resolve("shop.example.com".parse().unwrap()).await;
    addresses.map(Iterator::collect).map_err(|error| error.to_string())
}

/// What comes of calling this address.
async fn called(rules: EgressRules, lookup: &Arc<Scripted>, url: &str) -> Result<Reply, String> {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client = GuardedClient::with_lookup(rules, Arc::clone(lookup)).unwrap();
    let address = url.parse().unwrap();
    client.send(Call { address, headers: Vec::new(), body: None }).await
}

/// A listener that tells whether somebody came.
fn inside() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

fn nobody_came(listener: &TcpListener) -> bool {
    listener.accept().is_err_and(|error| error.kind() == ErrorKind::WouldBlock)
}

/// Answers the one who comes with this, and closes.
fn answering(head: String) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut request = Vec::new();
        while !request.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            stream.read_exact(&mut byte).unwrap();
            request.extend(byte);
        }
        stream.write_all(head.as_bytes()).unwrap();
    });
    address
}

#[tokio::test]
async fn a_name_that_leads_inside_is_refused_when_it_is_dialled() {
    let (listener, address) = inside();
    for scheme in ["http", "https"] {
        let lookup = Scripted::new(vec![Ok(vec![address])]);
        let sent = called(strict(), &lookup, &format!("{scheme}://shop.example.com/cb")).await;
        assert_eq!(sent, Err("cannot connect: the host is not a public one".to_owned()));
        assert_eq!(lookup.questions_left(), 0, "it was asked");
    }
    assert!(nobody_came(&listener));
    // The same way under the rules of development does lead there, by the port that was looked up.
    let address = answering("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n".to_owned());
    let lookup = Scripted::new(vec![Ok(vec![address])]);
    let reply = called(development(&[]), &lookup, "http://shop.example.com/cb").await.unwrap();
    assert_eq!((reply.status, reply.address), (200, Some(address)));
}

#[tokio::test]
async fn every_special_address_that_a_name_leads_to_is_refused() {
    for address in [
        "127.0.0.1:0",
        "169.254.169.254:0",
        "168.63.129.16:0",
        "10.0.0.1:80",
        "[::1]:0",
        "[::ffff:127.0.0.1]:0",
        "[64:ff9b::a9fe:a9fe]:0",
        "[fd00:ec2::254]:0",
        "[fe80::1%2]:0",
        "[2002:7f00:1::]:0",
    ] {
        let refused = Err("the host is not a public one".to_owned());
        assert_eq!(dialled(strict(), &Scripted::new(vec![found(&[address])])).await, refused);
        // Unless each network is allowed, or the name itself.
        for allowed in [&["0.0.0.0/0", "::/0"][..], &["shop.example.com"]] {
            let lookup = Scripted::new(vec![found(&[address])]);
            let sent = dialled(development(allowed), &lookup).await;
            assert_eq!(sent, Ok(vec![address.parse().unwrap()]));
        }
    }
}

#[tokio::test]
async fn a_name_that_changes_its_mind_is_looked_at_each_time() {
    let lookup = Scripted::new(vec![found(&[PUBLIC]), found(&["127.0.0.1:0"]), found(&[PUBLIC])]);
    let public = Ok(vec![PUBLIC.parse().unwrap()]);
    assert_eq!(dialled(strict(), &lookup).await, public);
    assert!(dialled(strict(), &lookup).await.is_err());
    assert_eq!(dialled(strict(), &lookup).await, public);
}

#[tokio::test]
async fn of_public_and_private_addresses_only_the_public_ones_are_dialled() {
    let mixed = ["127.0.0.1:0", PUBLIC, "[::1]:0", ANOTHER_PUBLIC, "10.0.0.1:0"];
    let lookup = Scripted::new(vec![found(&mixed)]);
    let public = [PUBLIC, ANOTHER_PUBLIC].map(|address| address.parse().unwrap());
    assert_eq!(dialled(strict(), &lookup).await, Ok(public.to_vec()));
}

#[tokio::test]
async fn a_name_leads_into_the_allowed_networks_and_no_others() {
    let mixed = ["127.0.0.1:0", "10.0.0.1:0", "169.254.169.254:0", "[::1]:0", PUBLIC];
    let lookup = Scripted::new(vec![found(&mixed)]);
    let allowed = ["127.0.0.1:0", "[::1]:0", PUBLIC].map(|address| address.parse().unwrap());
    assert_eq!(dialled(development(&["app"]), &lookup).await, Ok(allowed.to_vec()));
}

#[tokio::test]
async fn a_name_without_an_address_and_one_that_cannot_be_looked_up_say_so() {
    for (answer, why) in [
        (found(&[]), "cannot connect: the name has no address"),
        (Err(io::Error::other("no name server")), "cannot connect: no name server"),
    ] {
        let lookup = Scripted::new(vec![answer]);
        let sent = called(strict(), &lookup, "https://shop.example.com/cb").await;
        assert_eq!(sent, Err(why.to_owned()));
    }
}

#[tokio::test]
async fn an_ip_address_in_the_url_is_no_way_around_the_resolver() {
    let (listener, address) = inside();
    let port = address.port();
    for (url, why) in [
        (format!("http://127.0.0.1:{port}/"), EgressError::Port),
        ("http://127.0.0.1/".to_owned(), EgressError::PrivateHost),
        ("http://2130706433:8080/".to_owned(), EgressError::PrivateHost),
        ("https://[::ffff:127.0.0.1]/".to_owned(), EgressError::PrivateHost),
        ("http://[64:ff9b::a9fe:a9fe]/".to_owned(), EgressError::PrivateHost),
        ("http://169.254.169.254/".to_owned(), EgressError::PrivateHost),
        (format!("http://localhost:{port}/"), EgressError::Port),
        ("http://localhost/".to_owned(), EgressError::PrivateHost),
    ] {
        let sent = called(strict(), &Scripted::new(Vec::new()), &url).await;
        assert_eq!(sent, Err(why.to_string()), "{url}");
    }
    assert!(nobody_came(&listener));
}

#[tokio::test]
async fn nobody_follows_where_a_receiver_points() {
    let (listener, elsewhere) = inside();
    for status in [301, 302, 303, 307, 308] {
        let address = answering(format!(
            "HTTP/1.1 {status} X\r\nLocation: http://{elsewhere}/\r\nContent-Length: 0\r\n\r\n"
        ));
        let lookup = Scripted::new(Vec::new());
        let reply = called(development(&[]), &lookup, &format!("http://{address}/cb")).await;
        assert_eq!(reply.unwrap().status, status);
    }
    assert!(nobody_came(&listener));
}

/// As long as the outside world takes, and none of ours: the clock of these tests leaps whenever
/// both sides wait.
const PATIENCE: Duration = Duration::from_hours(1);

/// A receiver in the time of the test, which does this with each connection once it has heard
/// something.
async fn receiver<F>(deed: impl Fn(TcpStream) -> F + Send + 'static) -> SocketAddr
where
    F: Future<Output = ()> + Send + 'static,
{
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            assert_ne!(stream.read(&mut [0; 4096]).await.unwrap(), 0, "it says something");
            tokio::spawn(deed(stream));
        }
    });
    address
}

/// Says this byte by byte, one a second, and nothing more.
async fn drip(mut stream: TcpStream, said: Vec<u8>) {
    let mut seconds = tokio::time::interval(Duration::from_secs(1));
    for byte in said {
        seconds.tick().await;
        if stream.write_all(&[byte]).await.is_err() {
            return;
        }
    }
    tokio::time::timeout(PATIENCE, std::future::pending::<()>()).await.unwrap_err();
}

/// What comes of a call to a receiver that takes its time, and how long that took.
async fn timed(scheme: &str, address: SocketAddr) -> (Result<Reply, String>, Duration) {
    let begun = tokio::time::Instant::now();
    let url = format!("{scheme}://{address}/cb");
    let nobody_asked = Scripted::new(Vec::new());
    let call = called(development(&[]), &nobody_asked, &url);
    let sent = tokio::time::timeout(PATIENCE, call).await.expect("it ends");
    (sent, begun.elapsed())
}

/// That an attempt ended for want of time, when its time was over.
fn assert_late(sent: &Result<Reply, String>, took: Duration, limit: Duration) {
    let why = sent.as_ref().unwrap_err();
    assert!(why.starts_with("no answer in time"), "{why}");
    // Timers go by the millisecond.
    assert!((limit..limit + Duration::from_millis(10)).contains(&took), "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn who_never_answers_is_waited_for_thirty_seconds() {
    let silent = receiver(|stream| drip(stream, Vec::new()));
    let (sent, took) = timed("http", silent.await).await;
    assert_late(&sent, took, Duration::from_secs(30));
}

#[tokio::test(start_paused = true)]
async fn a_head_that_comes_a_byte_a_second_is_waited_for_thirty_seconds() {
    let dripping = receiver(|stream| drip(stream, b"HTTP/1.1 200 OK\r\n".repeat(1000)));
    let (sent, took) = timed("http", dripping.await).await;
    assert_late(&sent, took, Duration::from_secs(30));
}

#[tokio::test(start_paused = true)]
async fn a_body_that_comes_a_byte_a_second_costs_one_second_and_takes_nothing_back() {
    let dripping = receiver(|mut stream| async move {
        let head = b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n";
        stream.write_all(head).await.unwrap();
        drip(stream, vec![b'a'; 1000]).await;
    });
    let (sent, took) = timed("http", dripping.await).await;
    let reply = sent.unwrap();
    assert_eq!(reply.status, 200);
    assert!((1..=2).contains(&reply.answer.len()), "{:?}", reply.answer);
    assert!(took < Duration::from_millis(1100), "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn tls_that_does_not_begin_or_comes_a_byte_a_second_is_waited_for_five_seconds() {
    // A record of a handshake that would be long.
    let hello = [&[22, 3, 3, 0x40, 0][..], &[0; 1000]].concat();
    for said in [Vec::new(), hello] {
        let slow = receiver(move |stream| drip(stream, said.clone()));
        let (sent, took) = timed("https", slow.await).await;
        assert_late(&sent, took, Duration::from_secs(5));
    }
}

/// Says yes to whoever asks, and closes.
async fn say_yes(mut stream: TcpStream) {
    let answer = b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";
    stream.write_all(answer).await.unwrap();
}

#[tokio::test]
async fn a_name_that_flaps_is_asked_for_again_at_each_attempt() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let (first, second) = (receiver(say_yes).await, receiver(say_yes).await);
    let lookup = Scripted::new(vec![
        Ok(vec![first]),
        Err(io::Error::other("no name server")),
        found(&[]),
        Ok(vec![second]),
        Ok(vec!["169.254.169.254:80".parse().unwrap()]),
        Ok(vec![first]),
    ]);
    let client = GuardedClient::with_lookup(development(&[]), Arc::clone(&lookup)).unwrap();
    let mut dialled = Vec::new();
    for _ in 0..6 {
        let address = "http://shop.example.com/cb".parse().unwrap();
        let sent = client.send(Call { address, headers: Vec::new(), body: None }).await;
        dialled.push(sent.map(|reply| reply.address.unwrap()));
    }
    let failed = |why: &str| Err(format!("cannot connect: {why}"));
    assert_eq!(
        dialled,
        [
            Ok(first),
            failed("no name server"),
            failed("the name has no address"),
            Ok(second),
            failed("the host is not a public one"),
            Ok(first),
        ]
    );
    assert_eq!(lookup.questions_left(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_name_server_that_never_answers_is_waited_for_five_seconds() {
    struct Silent;
    #[async_trait]
    impl Lookup for Silent {
        async fn addresses(&self, _: &str) -> Answered {
            tokio::time::timeout(PATIENCE, std::future::pending()).await.unwrap()
        }
    }
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client = GuardedClient::with_lookup(strict(), Arc::new(Silent)).unwrap();
    let (begun, address) = (tokio::time::Instant::now(), "http://shop.example.com/cb".parse());
    let call = Call { address: address.unwrap(), headers: Vec::new(), body: None };
    let sent = client.send(call).await;
    assert_late(&sent, begun.elapsed(), Duration::from_secs(5));
}
