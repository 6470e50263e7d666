//! Receivers that break, lie, flood or are not there: the record of each attempt says what
//! happened, nothing of ours breaks, and whoever is healthy is told.

use crate::callback_control::a_moment;
use crate::receiver::{Answering, Receiver};
use crate::registry::{call, look};
use crate::world::{Fields, World, scenario};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use metrics_exporter_prometheus::PrometheusBuilder;
use rustls::crypto::ring;
use rustls::pki_types::PrivatePkcs8KeyDer;
use rustls::{ServerConfig, ServerConnection};
use serde_json::Value;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use tokio::sync::oneshot;

const CALLBACKS: &str = "/admin/v1/callbacks?endpoint=1111";
const MEGABYTE: usize = 1_000_000;
/// What the systems on both sides of a connection may hold of a body that nobody reads on.
const IN_BUFFERS_MAX: usize = 20 * MEGABYTE;
/// What `gzip` makes of zeros: this, then a zero for each thousand of them.
const GZIP_OF_ZEROS: &str = "1f8b0800000000000203ecc101010000008090feafee080a";

/// Of 127.0.0.1, from 2020 to 2126, by nobody but itself; and its key, which opens nothing else.
const CERTIFICATE: &str = "\
    MIIBUjCB+aADAgECAgEBMAoGCCqGSM49BAMCMBExDzANBgNVBAMMBm5vYm9keTAgFw0yMDAxMDEwMDAwMDBaGA8y\
    MTI2MDEwMTAwMDAwMFowETEPMA0GA1UEAwwGbm9ib2R5MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEfkyXGk0L\
    XF0qWfqUpVGxNeHT3beo/gUYjDadq96S8ZVHCfPFvrRXz1lpGEOFXa/G1hA+ffQjchxqbw1USRPJgqNAMD4wDwYD\
    VR0RBAgwBocEfwAAATAMBgNVHRMBAf8EAjAAMB0GA1UdDgQWBBS5iVpzw+YCe8wTZyJNjEC3Ve313DAKBggqhkjO\
    PQQDAgNIADBFAiA7rfh6uiQAuc1wtsW+dvTlTlLDJXHTJ2zMe3U8B/dsxAIhAL7wtkRsv8QNziAbLQfoj8NpKoui\
    Xri4i/kRb9fZOLEL";
const CERTIFICATE_KEY: &str = "\
    MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgMcbo2OnfVbI/h5vZ4S3ehCgZfeXSx008l03Gm2LJ\
    5yihRANCAAR+TJcaTQtcXSpZ+pSlUbE14dPdt6j+BRiMNp2r3pLxlUcJ88W+tFfPWWkYQ4Vdr8bWED599CNyHGpv\
    DVRJE8mC";

/// A receiver that does this with the first connection; further ones are refused. Answers its
/// address.
fn receiver(deed: impl FnOnce(TcpStream) + Send + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        let (stream, _) = listener.accept().unwrap();
        drop(listener);
        deed(stream);
    });
    format!("http://{address}/cb")
}

/// A receiver that hears the request, answers this and closes.
fn answering(answer: impl Into<Vec<u8>>) -> String {
    let answer = answer.into();
    receiver(move |mut stream| {
        hear(&mut stream);
        // Who is flooded hangs up.
        let _ = stream.write_all(&answer);
    })
}

/// Reads a request without a body to its end.
fn hear(stream: &mut TcpStream) -> String {
    let mut heard = Vec::new();
    while !heard.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).unwrap();
        heard.extend(byte);
    }
    String::from_utf8(heard).unwrap()
}

fn ok(headers: &str, body: &[u8]) -> Vec<u8> {
    [format!("HTTP/1.1 200 OK\r\n{headers}\r\n\r\n").as_bytes(), body].concat()
}

/// The record of the first attempt to call this address.
async fn attempt_at(world: &World, url: &str) -> Value {
    let name = format!("E-{}", look(world, CALLBACKS).await.as_array().unwrap().len());
    let mut form: Fields = world.sale_form(&name, "10.42").await;
    form.push(("notify_url".to_owned(), url.to_owned()));
    world.sale(&form).await.order();
    world.settle().await;
    let known = look(world, CALLBACKS).await;
    let newest = known.as_array().unwrap().iter().max_by_key(|one| one["id"].as_i64()).unwrap();
    let told = look(world, &format!("/admin/v1/callbacks/{}", newest["id"])).await;
    let attempts = told["attempts_made"].as_array().unwrap();
    assert_eq!(attempts.len(), 1, "{url}: {told}");
    attempts[0].clone()
}

/// An attempt that failed for this reason, with no answer or one of this status.
fn assert_failed(attempt: &Value, status: Option<u16>, why: &str) {
    assert_eq!(attempt["outcome"], "retried", "{attempt}");
    assert_eq!(attempt["http_status"], serde_json::json!(status), "{attempt}");
    let cause = attempt["cause"].as_str().unwrap();
    assert!(cause.contains(why), "{cause:?} does not say {why:?}");
}

/// An attempt that was answered 200, with this kept of what came behind it.
fn assert_delivered(attempt: &Value, answer: Option<&str>) {
    assert_eq!(attempt["outcome"], "delivered", "{attempt}");
    assert_eq!(attempt["http_status"], 200, "{attempt}");
    assert_eq!(attempt["answer"], serde_json::json!(answer), "{attempt}");
}

#[tokio::test]
async fn who_cannot_be_reached_or_does_not_finish_a_head_is_named_and_tried_again() {
    scenario(async |world| {
        let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let refused = attempt_at(world, &format!("http://{closed}/cb")).await;
        assert_failed(&refused, None, "cannot connect: Connection refused");

        let nowhere = attempt_at(world, "https://nothing.invalid/").await;
        assert_failed(&nowhere, None, "cannot connect: ");

        let reset = receiver(|mut stream| {
            // A socket that is closed before all was read resets the connection.
            stream.peek(&mut [0]).unwrap();
            stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Le").unwrap();
        });
        assert_failed(&attempt_at(world, &reset).await, None, "Connection reset");

        let silent = attempt_at(world, &answering("")).await;
        assert_failed(&silent, None, "the exchange broke off: ");

        let half = attempt_at(world, &answering("HTTP/1.1 200 OK\r\nContent-Le")).await;
        assert_failed(&half, None, "the exchange broke off: ");
    })
    .await;
}

#[tokio::test]
async fn what_is_no_http_or_too_much_of_it_is_no_answer() {
    scenario(async |world| {
        let garbage = attempt_at(world, &answering("SSH-2.0-OpenSSH_9.9\r\n\r\n")).await;
        assert_failed(&garbage, None, "invalid HTTP");

        let noise: Vec<u8> = (0..=255).cycle().take(4096).collect();
        assert_failed(&attempt_at(world, &answering(noise)).await, None, "invalid HTTP");

        let head = ok(&format!("X-Flood: {}", "a".repeat(MEGABYTE)), b"");
        assert_failed(&attempt_at(world, &answering(head)).await, None, "head is too large");

        let heads = (0..1000).map(|number| format!("X-{number}: a")).collect::<Vec<_>>();
        let many = ok(&heads.join("\r\n"), b"");
        assert_failed(&attempt_at(world, &answering(many)).await, None, "head is too large");
    })
    .await;
}

#[tokio::test]
async fn plain_http_behind_an_https_address_is_no_answer() {
    scenario(async |world| {
        let plain = receiver(|mut stream| {
            let _ = stream.read(&mut [0; 4096]).unwrap();
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
        });
        let attempt = attempt_at(world, &plain.replace("http:", "https:")).await;
        assert_failed(&attempt, None, "cannot connect: received corrupt message");
        assert_eq!(attempt["answer"], Value::Null);
    })
    .await;
}

/// Speaks TLS with a certificate that nobody vouches for. Answers why it came to an end.
fn shake_hands(mut stream: TcpStream) -> String {
    let decoded = |text: &str| STANDARD.decode(text).unwrap();
    let key = PrivatePkcs8KeyDer::from(decoded(CERTIFICATE_KEY));
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![decoded(CERTIFICATE).into()], key.into())
        .unwrap();
    let mut connection = ServerConnection::new(Arc::new(config)).unwrap();
    let mut tls = rustls::Stream::new(&mut connection, &mut stream);
    tls.read(&mut [0]).unwrap_err().to_string()
}

#[tokio::test]
async fn a_certificate_that_nobody_vouches_for_is_refused_before_anything_is_told() {
    scenario(async |world| {
        let (tell, told) = oneshot::channel();
        let url = receiver(move |stream| tell.send(shake_hands(stream)).unwrap());
        let attempt = attempt_at(world, &url.replace("http:", "https:")).await;
        assert_failed(&attempt, None, "invalid peer certificate: UnknownIssuer");
        let ended = told.await.unwrap();
        assert!(ended.contains("alert"), "{ended}");
    })
    .await;
}

#[tokio::test]
async fn a_status_other_than_200_is_kept_and_no_redirect_followed() {
    scenario(async |world| {
        let broken = answering("HTTP/1.1 500 X\r\nContent-Length: 4\r\n\r\noops");
        let attempt = attempt_at(world, &broken).await;
        assert_failed(&attempt, Some(500), "the receiver answered 500");
        assert_eq!(attempt["answer"], "oops");

        let elsewhere = TcpListener::bind("127.0.0.1:0").unwrap();
        elsewhere.set_nonblocking(true).unwrap();
        let target = elsewhere.local_addr().unwrap();
        for location in ["169.254.169.254".to_owned(), target.to_string()] {
            let moved = answering(format!(
                "HTTP/1.1 301 X\r\nLocation: http://{location}/\r\nContent-Length: 0\r\n\r\n"
            ));
            let attempt = attempt_at(world, &moved).await;
            assert_failed(&attempt, Some(301), "the receiver answered 301");
            assert!(moved.contains(attempt["address"].as_str().unwrap()), "{attempt}");
        }
        assert!(elsewhere.accept().is_err(), "somebody followed");
    })
    .await;
}

#[tokio::test]
async fn a_flood_behind_a_200_is_not_read_to_its_end() {
    scenario(async |world| {
        let (tell, told) = oneshot::channel();
        let flood = receiver(move |mut stream| {
            hear(&mut stream);
            let head = ok(&format!("Content-Length: {}", 100 * MEGABYTE), b"");
            stream.write_all(&head).unwrap();
            let megabyte = vec![b'a'; MEGABYTE];
            let sent = (0..100).take_while(|_| stream.write_all(&megabyte).is_ok()).count();
            tell.send(sent * MEGABYTE).unwrap();
        });
        assert_delivered(&attempt_at(world, &flood).await, Some(&"a".repeat(1024)));
        let sent = told.await.unwrap();
        assert!(sent < IN_BUFFERS_MAX, "{sent} bytes could be sent");
    })
    .await;
}

#[tokio::test]
async fn a_gzip_bomb_stays_packed() {
    scenario(async |world| {
        let bomb = [hex::decode(GZIP_OF_ZEROS).unwrap(), vec![0; 60_000]].concat();
        let headers = format!("Content-Encoding: gzip\r\nContent-Length: {}", bomb.len());
        let attempt = attempt_at(world, &answering(ok(&headers, &bomb))).await;
        // The bytes as they came, made fit for a text: what is none is replaced.
        let kept = attempt["answer"].as_str().unwrap().to_owned();
        assert!(kept.starts_with('\u{FFFD}'), "{kept:?}");
        assert_delivered(&attempt, Some(&kept));
    })
    .await;
}

#[tokio::test]
async fn a_broken_body_behind_a_200_takes_nothing_back() {
    scenario(async |world| {
        let short = attempt_at(world, &answering(ok("Content-Length: 100", b"thanks"))).await;
        assert_delivered(&short, Some("thanks"));

        let chunked = "Transfer-Encoding: chunked";
        let garbage = attempt_at(world, &answering(ok(chunked, b"zz\r\nno chunk\r\n"))).await;
        assert_delivered(&garbage, None);

        let begun = b"6\r\nthanks\r\nzz\r\nno chunk\r\n";
        let then_garbage = attempt_at(world, &answering(ok(chunked, begun))).await;
        assert_delivered(&then_garbage, Some("thanks"));
    })
    .await;
}

#[tokio::test]
async fn an_answer_that_repeats_secrets_is_kept_without_them() {
    scenario(async |world| {
        let said = format!("key={} pan=4444555566661111", world.ready.control_key);
        let length = format!("Content-Length: {}", said.len());
        let attempt = attempt_at(world, &answering(ok(&length, said.as_bytes()))).await;
        assert_delivered(&attempt, Some("key=[hidden] pan=[hidden]"));
    })
    .await;
}

#[tokio::test]
async fn an_answer_that_repeats_the_signature_is_kept_without_it() {
    scenario(async |world| {
        let endpoint = "/admin/v1/endpoints/1111";
        let key = serde_json::json!({ "overlap_seconds": 3600 });
        for _ in 0..2 {
            let made =
                call(world, "sandbox", &format!("POST {endpoint}/webhook-key"), key.clone()).await;
            assert_eq!(made.0, 201, "{}", made.1);
        }
        let modes = serde_json::json!({ "webhooks": "get" });
        call(world, "sandbox", &format!("PUT {endpoint}/webhooks"), modes).await;
        a_moment(world).await;
        let (tell, told) = oneshot::channel();
        let echo = receiver(move |mut stream| {
            let heard = hear(&mut stream);
            let of = |name: &str| heard.lines().find_map(|line| line.strip_prefix(name)).unwrap();
            let said = format!("{} by {}", of("webhook-id: "), of("webhook-signature: "));
            stream.write_all(&ok("", said.as_bytes())).unwrap();
            tell.send(said).unwrap();
        });
        let attempt = attempt_at(world, &echo).await;
        let said = told.await.unwrap();
        let (id, signatures) = said.split_once(" by ").unwrap();
        assert_eq!(signatures.matches("v1,").count(), 2, "one by each key: {said}");
        assert_delivered(&attempt, Some(&format!("{id} by v1,[hidden] v1,[hidden]")));
    })
    .await;
}

#[tokio::test]
async fn no_receiver_counts_as_a_fault_of_ours_and_the_healthy_one_is_told_in_the_end() {
    let recorder = PrometheusBuilder::new().build_recorder();
    let counted = recorder.handle();
    // The steps are taken on this thread.
    let _here = metrics::set_default_local_recorder(&recorder);
    scenario(async |world| {
        let evil = [
            answering(""),
            answering("HTTP/1.1 500 X\r\nContent-Length: 0\r\n\r\n"),
            answering("SSH-2.0-OpenSSH_9.9\r\n\r\n"),
            answering(ok(&format!("X-Flood: {}", "a".repeat(MEGABYTE)), b"")),
            answering(ok("Content-Length: 100", b"")),
            answering("HTTP/1.1 301 X\r\nLocation: http://169.254.169.254/\r\n\r\n"),
            "https://nothing.invalid/".to_owned(),
        ];
        for url in &evil {
            attempt_at(world, url).await;
        }
        let healthy = Receiver::start(vec![Answering::with(200).saying("thanks")]);
        assert_delivered(&attempt_at(world, &healthy.url).await, Some("thanks"));
        assert_eq!(healthy.received().len(), 1);
    })
    .await;
    let counts = counted.render();
    for outcome in ["retried", "delivered"] {
        let row =
            format!("tillgate_callback_attempts_total{{endpoint=\"1111\",outcome=\"{outcome}\"");
        assert!(counts.contains(&row), "{counts}");
    }
    assert!(!counts.contains("own_fault"), "{counts}");
}
