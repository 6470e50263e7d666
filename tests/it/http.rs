//! HTTP itself: paths, methods, sizes, kinds of answers.

use crate::world::{Answer, World, scenario, with};
use std::io::{Read, Write};
use std::net::TcpStream;

#[tokio::test]
async fn everything_lives_under_paynet_too() {
    scenario(async |world| {
        let form = world.sale_form("H-1", "10.42").await;
        let answer = world.post_signed("/paynet/mapi/v1/sale/1111", &form).await;
        let order = answer.order();
        let form = world.status_form("H-1", &order);
        let answer = world.post("/paynet/api/v2/status/1111", &form).await;
        assert_eq!(answer.get("paynet-order-id"), order);
        let answer = world.post("/paynet/api/v2/status/group/11", &form).await;
        assert_eq!(answer.get("paynet-order-id"), order);
    })
    .await;
}

#[tokio::test]
async fn answers_are_pairs_with_a_line_feed_after_each_value() {
    scenario(async |world| {
        let form = world.sale_form("H-2", "10.42").await;
        let answer = world.sale(&form).await;
        assert_eq!(answer.headers["content-type"], "text/html;charset=utf-8");
        let (serial, order) = (answer.get("serial-number"), answer.order());
        assert_eq!(
            answer.body,
            format!(
                "type=async-response\n&serial-number={serial}\n\
                 &merchant-order-id=H-2\n&paynet-order-id={order}\n"
            )
        );
    })
    .await;
}

#[tokio::test]
async fn who_asks_for_json_gets_the_same_fields_as_json() {
    scenario(async |world| {
        let order = world.sell("H-3", "10.42").await;
        let form = world.status_form("H-3", &order);
        let request = world.http.post(world.url("/api/v2/status/1111"));
        let request = request.header("Accept", "application/vnd.pay+json").form(&form);
        let answer = Answer::of(request).await;
        assert_eq!(answer.headers["content-type"], "application/vnd.pay+json");
        let json: serde_json::Value = serde_json::from_str(&answer.body).unwrap();
        assert_eq!(json["type"], "status-response");
        assert_eq!(json["paynet-order-id"], order.as_str());
    })
    .await;
}

#[tokio::test]
async fn a_signature_holds_with_the_port_and_without() {
    scenario(async |world| {
        for (name, url) in [
            ("P-1", world.url("/mapi/v1/sale/1111")),
            ("P-2", "http://127.0.0.1/mapi/v1/sale/1111".to_owned()),
            ("P-3", "https://127.0.0.1/mapi/v1/sale/1111".to_owned()),
        ] {
            let form = world.sale_form(name, "10.42").await;
            let header = world.authorization(&url, &form);
            let answer = world.post_with("/mapi/v1/sale/1111", &form, &header).await;
            assert_eq!(answer.get("type"), "async-response", "{url}");
        }
    })
    .await;
}

#[tokio::test]
async fn behind_a_proxy_each_of_the_configured_addresses_may_be_signed_and_no_other() {
    for engine in crate::database::engines() {
        let bases = ["https://gate.example.com", "https://pay.example.com:8443"];
        let world = World::start_with(engine, |settings| {
            settings.public_base_urls = bases.map(str::to_owned).to_vec();
        })
        .await;
        for (name, base, status) in [
            ("B-1", "https://gate.example.com", 200),
            ("B-2", "https://pay.example.com:8443", 200),
            ("B-3", "https://pay.example.com", 200),
            ("B-4", "https://elsewhere.example.com", 403),
            ("B-5", "http://gate.example.com", 403),
            ("B-6", world.ready.base_url.as_str(), 403),
        ] {
            let form = world.sale_form(name, "10.42").await;
            let header = world.authorization(&format!("{base}/mapi/v1/sale/1111"), &form);
            let answer = world.post_with("/mapi/v1/sale/1111", &form, &header).await;
            assert_eq!(answer.status, status, "{base}");
        }
        world.end().await;
    }
}

#[tokio::test]
async fn other_methods_and_unknown_paths_are_told_apart() {
    scenario(async |world| {
        for (path, status) in [
            ("/mapi/v1/sale/1111", 405),
            ("/mapi/v1/preauth/1111", 405),
            ("/api/v2/status/1111", 405),
            ("/paynet/api/v2/status/group/11", 405),
            ("/mapi/v1/sale/", 404),
            ("/mapi/v1/refund/1111", 404),
            ("/nowhere", 404),
        ] {
            let answer = Answer::of(world.http.get(world.url(path))).await;
            assert_eq!(answer.status, status, "GET {path}");
        }
        let form = world.sale_form("M-1", "10.42").await;
        for path in ["/mapi/v1/sale/abc", "/mapi/v1/sale/99999999999999999999"] {
            assert_eq!(world.post_signed(path, &form).await.status, 404, "POST {path}");
        }
    })
    .await;
}

#[tokio::test]
async fn what_is_no_form_gets_a_400_with_the_reason_in_a_header() {
    scenario(async |world| {
        let post = |kind: &'static str, body: &'static [u8]| {
            let request = world.http.post(world.url("/api/v2/status/1111"));
            Answer::of(request.header("Content-Type", kind).body(body))
        };
        let form = "application/x-www-form-urlencoded";
        for (kind, body, reason) in [
            (form, b"a=%zz".as_slice(), "a percent escape is broken"),
            (form, b"a=\xff", "the body is not UTF-8"),
            (form, b"=1", "a parameter name is empty, too long or has control characters"),
            (
                "application/json",
                b"{}",
                "the Content-Type must be application/x-www-form-urlencoded",
            ),
        ] {
            let answer = post(kind, body).await;
            assert_eq!((answer.status, answer.headers["error-message"].as_str()), (400, reason));
        }
        let with_charset = post("application/x-www-form-urlencoded; charset=UTF-8", b"a=1").await;
        assert_eq!(with_charset.get("error-code"), "2");
    })
    .await;
}

#[tokio::test]
async fn a_body_over_the_limit_is_refused_before_it_is_read() {
    scenario(async |world| {
        let address = world.app().address();
        let announced = tokio::task::spawn_blocking(move || {
            let mut stream = TcpStream::connect(address).unwrap();
            let head = "POST /mapi/v1/sale/1111 HTTP/1.1\r\nHost: x\r\n\
                        Content-Type: application/x-www-form-urlencoded\r\n\
                        Content-Length: 10000000\r\n\r\n";
            stream.write_all(head.as_bytes()).unwrap();
            let mut answer = [0; 12];
            stream.read_exact(&mut answer).unwrap();
            String::from_utf8(answer.to_vec()).unwrap()
        });
        assert_eq!(announced.await.unwrap(), "HTTP/1.1 413");

        let form = world.sale_form("S-1", "10.42").await;
        let large = with(&form, "order_desc", Some(&"x".repeat(600_000)));
        assert_eq!(world.sale(&large).await.status, 413);
        assert_eq!(world.database.count("orders").await, 0);
    })
    .await;
}

#[tokio::test]
async fn a_request_keeps_its_id_and_gets_one_if_it_has_none() {
    scenario(async |world| {
        let ask = |id: &'static str| {
            Answer::of(world.http.get(world.url("/health/live")).header("X-Request-Id", id))
        };
        assert_eq!(ask("till-7.42").await.headers["x-request-id"], "till-7.42");
        for forged in ["", "a b", "x=1;"] {
            let given = &ask(forged).await.headers["x-request-id"];
            assert_eq!(given.len(), 36, "{given}");
        }
    })
    .await;
}

#[tokio::test]
async fn operators_see_life_readiness_and_metrics() {
    scenario(async |world| {
        let get = |path: &'static str| Answer::of(world.http.get(world.url(path)));
        assert_eq!(
            (get("/health/live").await.status, get("/health/ready").await.status),
            (200, 200)
        );
        world.status("O-1", "").await;
        let metrics = get("/metrics").await.body;
        assert!(metrics.contains("tillgate_http_requests_total"), "{metrics}");
        assert!(metrics.contains("route=\"/api/v2/status/{endpoint"), "{metrics}");
    })
    .await;
}

#[tokio::test]
async fn the_docs_page_fetches_nothing_from_elsewhere() {
    scenario(async |world| {
        let page = Answer::of(world.http.get(world.url("/docs/"))).await;
        assert_eq!(page.status, 200);
        for word in ["http://", "https://"] {
            assert!(!page.body.contains(word), "the page names {word}");
        }
        for file in ["swagger-ui-bundle.js", "swagger-ui.css", "swagger-initializer.js"] {
            assert!(page.body.contains(file), "{file}");
            let answer = Answer::of(world.http.get(world.url(&format!("/docs/{file}")))).await;
            assert_eq!(answer.status, 200, "{file}");
        }
        let redirect = Answer::of(world.http.get(world.url("/"))).await;
        assert_eq!((redirect.status, redirect.headers["location"].as_str()), (302, "/docs/"));
    })
    .await;
}
