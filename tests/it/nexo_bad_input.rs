//! Everything that can be wrong with a message at the second door: what is told, and nothing done.

use crate::till::{LIGHT, Till, change, quick, rejection, result, transaction};
use crate::world::{Answer, World, scenario};

const XML_DOOR: &str = "/EPASSaleToPOI/3.1";
const XML: &str = "application/xml";
const JSON: &str = "application/json";

/// Nothing of a refused message may stay behind.
async fn nothing_is_stored(world: &World) {
    for table in ["orders", "jobs", "notices", "terminal_services"] {
        assert_eq!(world.database.count(table).await, 0, "{table}");
    }
}

/// A till that is logged in, so that nothing but the message can be wrong.
async fn ready<'a>(world: &'a World, poi_id: &str) -> Till<'a> {
    quick(world, poi_id).await;
    let till = Till::at(world, poi_id);
    if poi_id.contains("XML") {
        assert_eq!(result(&till.login(LIGHT).await), "Success");
    }
    till
}

/// What is said of a message that was rejected.
fn why(answer: &Answer) -> String {
    rejection(answer).body.text("EventDetails").unwrap().to_owned()
}

#[tokio::test]
async fn what_is_not_xml_is_said_to_be_none() {
    scenario(async |world| {
        let till = ready(world, "SIM-XML-1").await;
        let payment = till.xml(&till.payment("10.00"));
        let deep = format!("{}{}", "<a>".repeat(10_000), "</a>".repeat(10_000));
        let bomb = format!(
            "<!DOCTYPE SaleToPOIRequest [<!ENTITY a \"aaaa\"><!ENTITY b \"&a;&a;&a;\">]>{}",
            payment.replace("R-112002", "&b;")
        );
        let outside = format!(
            "<!DOCTYPE x [<!ENTITY f SYSTEM \"file:///etc/passwd\">]>{}",
            payment.replace("R-112002", "&f;")
        );
        let cut = payment[..payment.len() - 20].to_owned();
        for text in ["", " ", "hello", "<", "{}", "\u{0}", &deep, &bomb, &outside, &cut] {
            let refused = till.post(XML_DOOR, XML, text.to_owned()).await;
            assert_eq!(refused.status, 400, "{text:.60}: {refused:?}");
            assert!(refused.body.starts_with("not a nexo message: "), "{refused:?}");
            assert!(!refused.body.contains("root:"), "{refused:?}");
        }
        nothing_is_stored(world).await;
    })
    .await;
}

#[tokio::test]
async fn a_message_without_a_header_is_rejected_as_a_whole() {
    scenario(async |world| {
        let till = ready(world, "SIM-XML-1").await;
        let payment = till.xml(&till.payment("10.00"));
        let from = payment.find("<MessageHeader").unwrap();
        let to = from + payment[from..].find("/>").unwrap() + 2;
        for (text, expected) in [
            (format!("{}{}", &payment[..from], &payment[to..]), "MessageHeader: missing"),
            (payment.replace(" POIID=\"SIM-XML-1\"", ""), "MessageHeader/POIID: missing"),
            (payment.replace(" MessageType=\"Request\"", ""), "MessageHeader/MessageType: missing"),
            (
                payment.replace("MessageClass=\"Service\"", "MessageClass=\"Servant\""),
                "MessageHeader/MessageClass: unexpected value",
            ),
        ] {
            let refused = till.post(XML_DOOR, XML, text.clone()).await;
            let rejected = rejection(&refused);
            let told = rejected.body.text("EventDetails").unwrap();
            assert!(told.contains(expected), "{told}");
            let given_back = rejected.body.text("RejectedMessage").unwrap();
            assert!(!given_back.is_empty(), "it is given back");
        }
        nothing_is_stored(world).await;
    })
    .await;
}

#[tokio::test]
async fn a_body_that_is_wrong_is_a_failure_that_names_the_place() {
    scenario(async |world| {
        let till = ready(world, "SIM-XML-1").await;
        let payment = till.payment("10.00");
        let changed = |from: &str, to: &str| {
            assert!(payment.body.contains(from), "{from}");
            payment.body.replace(from, to)
        };
        for (body, told) in [
            (changed(" RequestedAmount=\"10.00\"", ""), "AmountsReq/RequestedAmount: missing"),
            (changed("\"10.00\"", "\"-10.00\""), "RequestedAmount: unexpected value"),
            (changed("\"10.00\"", "\"10.001\""), "RequestedAmount: unexpected value"),
            (changed("\"10.00\"", "\"0.00\""), "RequestedAmount: unexpected value"),
            (changed("\"10.00\"", "\"10,00\""), "RequestedAmount: unexpected value"),
            (changed("\"10.00\"", "\"99999999999999999999\""), "RequestedAmount: unexpected value"),
            (changed(" Currency=\"SEK\"", ""), "Currency: missing"),
            (
                changed("<PaymentTransaction>", "<PaymentAction>")
                    .replace("</PaymentTransaction>", "</PaymentAction>"),
                "PaymentTransaction: missing",
            ),
        ] {
            let mut request = till.request("Payment", "");
            request.body.clone_from(&body);
            let refused = till.ask(&request).await;
            let failure = result(&refused);
            assert!(failure.starts_with("Failure MessageFormat "), "{body}: {failure}");
            assert!(failure.contains(told), "{told}: {failure}");
            assert_eq!(transaction(&refused), "4120010000", "it names no transaction");
        }
        let mut unknown = till.request("Payment", "");
        unknown.body = changed("\"SEK\"", "\"XTS\"");
        assert_eq!(
            result(&till.ask(&unknown).await),
            "Failure NotAllowed Currency XTS not configured"
        );
        let mut strange = till.request("Payment", "");
        strange.body = changed("\"Normal\"", "\"Abnormal\"");
        assert_eq!(
            result(&till.ask(&strange).await),
            "Failure UnavailableService PaymentType Abnormal not supported",
            "values may be added to a list"
        );
        let mut long = till.payment("10.00");
        long.service_id = "12345678901".to_owned();
        let told = "Failure MessageFormat MessageHeader/ServiceID: unexpected value";
        assert_eq!(result(&till.ask(&long).await), told);
        let unnumbered = till.xml(&payment).replace(" ServiceID=\"112002\"", "");
        let told = "Failure MessageFormat MessageHeader/ServiceID: missing";
        assert_eq!(result(&till.post(XML_DOOR, XML, unnumbered).await), told);
        nothing_is_stored(world).await;
    })
    .await;
}

#[tokio::test]
async fn what_a_terminal_does_not_do_is_said_with_all_that_its_answer_must_have() {
    scenario(async |world| {
        let till = ready(world, "SIM-XML-1").await;
        let balance = till.request("BalanceInquiry", "<BalanceInquiryRequest/>");
        let refused = till.ask(&balance).await;
        assert_eq!(result(&refused), "Failure UnavailableService BalanceInquiry not supported");
        let nonsense = till.request("Nonsense", "<NonsenseRequest/>");
        let told = why(&till.ask(&nonsense).await);
        assert_eq!(told, "Nonsense not supported");
        let old = till.xml(&till.payment("10.00")).replace("\"3.1\"", "\"2.0\"");
        let refused = till.post(XML_DOOR, XML, old).await;
        assert_eq!(
            result(&refused),
            "Failure UnavailableService ProtocolVersion 2.0 not supported"
        );

        let stranger = Till::at(world, "NOBODY");
        assert_eq!(stranger.abort(&balance).await.status, 204, "there is no answer to an abort");
        let refused = stranger.pay("10.00").await;
        assert_eq!(result(&refused), "Failure UnavailableDevice POIID not configured");
        assert_eq!(transaction(&refused), "0");
        assert!(refused.body.contains("TransactionID=\"R-112002\""), "{refused:?}");
        let wrong_path = till.xml(&till.payment("10.00"));
        let path = "/t/SIM-XML-2/EPASSaleToPOI/3.1/";
        let refused = till.post(path, XML, wrong_path).await;
        assert_eq!(result(&refused), "Failure UnavailableDevice POIID not configured");

        let response = till.xml(&till.payment("10.00")).replace("\"Request\"", "\"Response\"");
        let response = response.replace("PaymentRequest", "PaymentResponse");
        let silent = till.post(XML_DOOR, XML, response).await;
        assert!([200, 204].contains(&silent.status), "{silent:?}");
        nothing_is_stored(world).await;
    })
    .await;
}

#[tokio::test]
async fn where_a_terminal_stands_is_told_before_what_is_wrong_with_a_body() {
    scenario(async |world| {
        quick(world, "SIM-XML-1").await;
        let till = Till::at(world, "SIM-XML-1");
        let mut broken = till.payment("10.00");
        broken.body = broken.body.replace(" RequestedAmount=\"10.00\"", "");
        assert_eq!(result(&till.ask(&broken).await), "Failure NotAllowed Login required");
        till.login(LIGHT).await;
        assert!(result(&till.ask(&broken).await).starts_with("Failure MessageFormat "));
        let unfounded = till.request("Abort", "<AbortRequest/>");
        assert_eq!(till.ask(&unfounded).await.status, 204);
        change(world, "SIM-XML-1", |terminal| terminal.profile.online = false).await;
        let off = "Failure UnavailableDevice Terminal not reachable";
        assert_eq!(result(&till.ask(&broken).await), off);
        assert_eq!(till.ask(&unfounded).await.status, 204);
        nothing_is_stored(world).await;
    })
    .await;
}

#[tokio::test]
async fn what_is_no_message_of_the_json_family_is_rejected_by_an_event() {
    scenario(async |world| {
        let till = ready(world, "SIM-JSON-1").await;
        let header = "\"MessageHeader\":{\"ProtocolVersion\":\"3.0\",\"MessageClass\":\"Service\",\
                      \"MessageCategory\":\"Payment\",\"MessageType\":\"Request\",\
                      \"ServiceID\":\"1\",\"SaleID\":\"TILL\",\"POIID\":\"SIM-JSON-1\"}";
        let deep = format!("{}{}", "[".repeat(20_000), "]".repeat(20_000));
        let unnamed = header.replace(",\"POIID\":\"SIM-JSON-1\"", "");
        let unknown = header.replace("SIM-JSON-1", "NOBODY");
        for (text, told) in [
            (String::new(), "Input%20is%20not%20a%20JSONObject"),
            ("hello".to_owned(), "Input%20is%20not%20a%20JSONObject"),
            ("[]".to_owned(), "Input%20is%20not%20a%20JSONObject"),
            (deep, "Input%20is%20not%20a%20JSONObject"),
            (format!("{{\"SaleToPOIRequest\":{{{unnamed}}}}}"), "POIID"),
            (
                format!("{{\"SaleToPOIRequest\":{{{unknown},\"PaymentRequest\":{{}}}}}}"),
                "Failed%20to%20send%20message%20to%20POI",
            ),
        ] {
            for path in ["/sync", "/nexo"] {
                let refused = till.post(path, JSON, text.clone()).await;
                let why = why(&refused);
                assert!(why.contains(told), "{text:.40}: {why}");
            }
        }
        for body in [
            "",
            ",\"PaymentRequest\":{}",
            ",\"PaymentRequest\":7",
            ",\"PaymentRequest\":{\"PaymentTransaction\":{\"AmountsReq\":{\"Currency\":\"EUR\"}}}",
            ",\"PaymentRequest\":{\"PaymentTransaction\":{\"AmountsReq\":{\"Currency\":\"EUR\",\
             \"RequestedAmount\":\"ten\"}}}",
        ] {
            let text = format!("{{\"SaleToPOIRequest\":{{{header}{body}}}}}");
            let refused = till.post("/sync", JSON, text).await;
            let told = result(&refused);
            assert!(told.starts_with("Failure MessageFormat message="), "{body}: {told}");
        }
        nothing_is_stored(world).await;
    })
    .await;
}

#[tokio::test]
async fn size_method_and_kind_are_looked_at_first() {
    scenario(async |world| {
        let till = ready(world, "SIM-XML-1").await;
        for (path, kind) in [(XML_DOOR, XML), ("/sync", JSON), ("/async", JSON), ("/nexo/", JSON)] {
            let large = till.post(path, kind, " ".repeat(10 * 1024 * 1024)).await;
            assert_eq!(large.status, 413, "{path}: {large:?}");
            let other = till.post(path, "text/plain", "{}".to_owned()).await;
            assert_eq!(other.status, 415, "{path}: {other:?}");
            let got = Answer::of(world.http.get(world.url(path))).await;
            assert_eq!(got.status, 405, "{path}: {got:?}");
        }
        let slash =
            till.post("/EPASSaleToPOI/3.1/", "text/xml", till.xml(&till.payment("1"))).await;
        assert_eq!(result(&slash), "Success", "as small clients write it");
    })
    .await;
}

#[tokio::test]
async fn no_broken_message_is_ever_our_own_fault() {
    scenario(async |world| {
        let xml = ready(world, "SIM-XML-1").await;
        let json = ready(world, "SIM-JSON-1").await;
        let texts = [
            (XML_DOOR, XML, xml.xml(&xml.payment("11.21"))),
            ("/sync", JSON, crate::nexo_json::payment(&json, "11.21")),
        ];
        for (path, kind, text) in texts {
            let bytes = text.as_bytes();
            for at in (0..bytes.len()).step_by(3) {
                let mut cut = bytes.to_vec();
                cut.truncate(at);
                let mut flipped = bytes.to_vec();
                flipped[at] ^= 0x15;
                let mut doubled = bytes.to_vec();
                doubled.extend_from_within(at..);
                for broken in [cut, flipped, doubled] {
                    let mut request = world.http.post(world.url(path)).body(broken);
                    request = request.header("Content-Type", kind).header("X-API-Key", "sandbox");
                    let answer = Answer::of(request).await;
                    assert!(answer.status < 500, "{at}: {answer:?}");
                }
            }
        }
        // The customer of this amount cancels, however much of the message came through.
        assert_eq!(world.database.count("orders").await, 0);
    })
    .await;
}
