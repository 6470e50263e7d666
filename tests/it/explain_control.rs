//! `explain control` and `explain callback`: the mistake that makes a control is named, over HTTP
//! and on the command line, and neither the key nor the right control is told.

use crate::process::{Folder, PROGRAM, repository_file};
use crate::registry::{call, operator};
use crate::world::{Answer, Fields, World, scenario, with};
use serde_json::{Value, json};
use std::io::Write;
use std::process::{Command, Stdio};
use tillgate::crypto::control_diagnosis::Finding;
use tillgate::crypto::sign::{callback_control, control, status_control};
use tillgate::payment::{HOUR, SECOND};

const KEY: &str = "5F0C3A9E-1B2D-4C6F-8A7B-0D1E2F3A4B5C";

fn encoded(form: &[(String, String)]) -> String {
    form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish()
}

async fn explain(world: &World, asked: &Value) -> Value {
    let url = world.url("/admin/explain/control");
    let request = world.http.post(url).header("Authorization", "Bearer sandbox").json(asked);
    let answer = Answer::of(request).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let key = world.ready.control_key.to_lowercase();
    assert!(!answer.body.to_lowercase().contains(&key), "the key is told");
    let found: Value = serde_json::from_str(&answer.body).unwrap();
    assert_eq!(found["well"], found["finding"] == "all-is-well");
    found
}

/// What is found about a form of a command.
async fn finding(world: &World, command: &str, form: &Fields) -> String {
    let asked = json!({ "login": "sandbox", "command": command, "form": encoded(form) });
    explain(world, &asked).await["finding"].as_str().unwrap().to_owned()
}

/// The form with a control over other parts.
fn signed(form: &Fields, parts: &[&str]) -> Fields {
    with(form, "control", Some(&control(parts)))
}

#[tokio::test]
async fn what_the_gateway_accepts_is_not_blamed_and_what_it_refuses_is_named() {
    scenario(async |world| {
        let order = world.hold("C-1", "10.42").await;
        let key = world.ready.control_key.as_str();
        let status = world.status_form("C-1", &order);
        assert_eq!(world.post("/api/v2/status/1111", &status).await.status, 200);
        assert_eq!(finding(world, "status", &status).await, "all-is-well");
        let part = world.amend_form("capture", "C-1", &order, Some("5.00"));
        assert_eq!(finding(world, "capture", &part).await, "all-is-well");
        assert_eq!(finding(world, "void", &part).await, "other-formula");
        let id = order.as_str();
        for (command, form, parts, expected) in [
            ("status", &status, vec!["sandbox", "C-1", id, "another key"], "nothing-fits"),
            ("status", &status, vec!["C-1", "sandbox", id, key], "order"),
            ("status", &status, vec!["sandbox", "C-1", id], "key-missing"),
            ("status", &status, vec!["11", "C-1", id, key], "endpoint-instead-of-login"),
            (
                "capture",
                &part,
                vec!["sandbox", "C-1", id, "5.00", "RUB", key],
                "amount-in-highest-units",
            ),
            ("capture", &part, vec!["1111", "C-1", "500", "", key], "sale-formula"),
            (
                "return",
                &part,
                vec!["sandbox", "C-1", id, "500", "RUB", key, "\n"],
                "trailing-newline",
            ),
        ] {
            let wrong = signed(form, &parts);
            let refused = world.post(&format!("/api/v2/{command}/1111"), &wrong).await;
            assert!(refused.body.contains("INVALID_CONTROL_CODE"), "{refused:?}");
            assert_eq!(finding(world, command, &wrong).await, expected);
        }
        assert_eq!(world.amend("capture", "C-1", &order, Some("5.00")).await.status, 200);
    })
    .await;
}

#[tokio::test]
async fn a_merchant_that_nobody_knows_and_a_question_without_sense_are_told_so() {
    scenario(async |world| {
        let form = encoded(&world.status_form("C-1", "1"));
        let asked = json!({ "login": "nobody", "command": "status", "form": form });
        let found = explain(world, &asked).await;
        assert_eq!(found["finding"], "login-unknown");
        assert!(found["wrong"].as_str().unwrap().contains("nobody"), "{found}");
        let other = form.replace("sandbox", "somebody");
        let asked = json!({ "login": "sandbox", "command": "status", "form": other });
        assert_eq!(explain(world, &asked).await["finding"], "login-differs");
        let url = world.url("/admin/explain/control");
        for (asked, told) in [
            (json!({ "login": "sandbox", "command": "sale", "form": form }), "status, capture"),
            (
                json!({ "login": "sandbox", "command": "void", "form": form, "computed": "1" }),
                "computed",
            ),
            (json!({ "login": "sandbox" }), "command"),
        ] {
            let request = world.http.post(&url).header("Authorization", "Bearer sandbox");
            let answer = Answer::of(request.json(&asked)).await;
            assert_eq!(answer.status, 400, "{answer:?}");
            assert!(answer.body.contains(told), "{answer:?}");
        }
    })
    .await;
}

#[tokio::test]
async fn only_operators_who_may_act_ask() {
    scenario(async |world| {
        let form = encoded(&world.status_form("C-1", "1"));
        let asked = json!({ "login": "sandbox", "command": "status", "form": form });
        let path = "POST /admin/explain/control";
        for token in ["", "wrong"] {
            assert_eq!(call(world, token, path, asked.clone()).await.0, 401);
        }
        for (role, expected) in [("viewer", 403), ("custodian", 403), ("operator", 200)] {
            let token = operator(world, &format!("the-{role}"), role).await;
            assert_eq!(call(world, &token, path, asked.clone()).await.0, expected, "{role}");
        }
    })
    .await;
}

#[tokio::test]
async fn of_a_callback_that_came_it_is_told_which_control_is_right() {
    scenario(async |world| {
        let inbox = format!("{}?shop=7", world.ready.callback_inbox_url);
        let form = world.sale_form("C 1+é", "10.42").await;
        let form = with(&form, "server_callback_url", Some(&inbox));
        let order = world.sale(&form).await.order();
        world.settle().await;
        let came = world.callbacks().await.remove(0);
        let query: Fields = came.clone().into_iter().collect();
        let query = encoded(&query);
        let key = world.ready.control_key.as_str();
        let right = callback_control("approved", &order, "C 1+é", key);
        assert_eq!(came["control"], right);
        let explain = async |form: &str, computed: &str| {
            let asked = json!({
                "login": "sandbox", "command": "callback", "form": form, "computed": computed,
            });
            explain(world, &asked).await
        };
        assert_eq!(explain(&query, &right).await["finding"], "all-is-well");
        let address = format!("https://shop.example/cb?{query}");
        let shouted = explain(&address, &right.to_uppercase()).await;
        assert_eq!(shouted["finding"], "upper-case");
        let swapped = control(&["approved", "C 1+é", &order, key]);
        let swapped = explain(&query, &swapped).await;
        assert_eq!(swapped["finding"], "order");
        assert!(swapped["facts"].to_string().contains("the control that came is right"));
        assert!(!swapped.to_string().contains(&right), "the right control is told");
        let plus = callback_control("approved", &order, "C+1+é", key);
        assert_eq!(explain(&query, &plus).await["finding"], "plus-for-blank");
        let altered = query.replace("status=approved", "status=declined");
        let altered = explain(&altered, &right).await;
        assert_eq!(altered["finding"], "nothing-fits");
        assert!(altered["change"].as_str().unwrap().contains("do not trust"), "{altered}");
    })
    .await;
}

#[tokio::test]
async fn a_key_that_was_replaced_is_told_from_one_that_is_still_good() {
    scenario(async |world| {
        let old = world.status_form("C-1", "1");
        world.gateway().rotate_control_key("sandbox", None, 3600).await.unwrap();
        assert_eq!(finding(world, "status", &old).await, "all-is-well");
        world.pass(HOUR + SECOND).await;
        assert_eq!(finding(world, "status", &old).await, "previous-key");
        assert_eq!(
            world.post("/api/v2/status/1111", &old).await.find("error-code").as_deref(),
            Some("3")
        );
    })
    .await;
}

#[tokio::test]
async fn the_commands_ask_a_gateway_and_tell_people() {
    scenario(async |world| {
        let form = encoded(&world.status_form("C-1", "1"));
        let base = world.url("");
        let ask = |arguments: Vec<String>| {
            tokio::task::spawn_blocking(move || {
                let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
                Folder::make().run(&arguments, &[])
            })
        };
        let words = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
        let common = format!("--login sandbox --url {base}");
        let well = format!("explain control --command status --form {form} {common}");
        let well = ask(words(&well)).await.unwrap();
        assert!(well.success, "{well:?}");
        let wrong = control(&["approved", "C-1", "1", &world.ready.control_key]);
        let came = format!("status=approved&orderid=1&client_orderid=C-1&control={wrong}");
        let wrong = format!("explain callback --form {came} {common} --json");
        let wrong = ask(words(&wrong)).await.unwrap();
        assert!(!wrong.success);
        let found: Value = serde_json::from_str(&wrong.out).unwrap();
        assert_eq!(found["finding"], "order");
        assert!(found.get("right_control").is_none(), "{found}");
    })
    .await;
}

#[test]
fn the_page_about_controls_names_findings_that_there_are() {
    let page = repository_file("docs/callbacks.md");
    let rows = page.lines().skip_while(|line| !line.starts_with("| finding ")).skip(2);
    let first = rows.filter_map(|row| row.split(" | ").next());
    let named: Vec<_> = first.flat_map(|cell| cell.split('`').skip(1).step_by(2)).collect();
    assert!(named.len() > 20, "{named:?}");
    for name in named {
        assert!(Finding::ALL.iter().any(|finding| finding.name() == name), "{name} is no finding");
    }
}

#[test]
fn whoever_has_the_key_needs_no_gateway_and_learns_the_right_control() {
    let folder = Folder::make();
    let right = status_control("shop", "C-1", "", KEY);
    let wrong = status_control("shop", "C-1", "", &KEY.to_lowercase());
    let file = folder.path().join("form.txt");
    std::fs::write(&file, format!("login=shop&client_orderid=C-1&control={wrong}\n")).unwrap();
    let form = format!("@{}", file.display());
    let arguments = ["explain", "control", "--command", "status", "--form", &form, "--offline"];
    let told = folder.run(&arguments, &[("TILLGATE_CONTROL_KEY", KEY)]);
    assert!(!told.success && told.out.contains("(key-case)"), "{told:?}");
    assert!(told.out.contains(&format!("the right control: {right}")), "{told:?}");
    assert!(!told.out.contains(KEY) && !told.out.contains(&KEY.to_lowercase()), "{told:?}");
    let piped = with_input(&arguments, &format!("{KEY}\n"));
    assert!(piped.contains("key-case"), "{piped}");
    let mute = folder.run(&arguments, &[]);
    assert!(!mute.success && mute.err.contains("TILLGATE_CONTROL_KEY"), "{mute:?}");
    let both = ["explain", "control", "--command", "status", "--form", "-", "--offline"];
    let both = folder.run(&both, &[]);
    assert!(!both.success && both.err.contains("standard input"), "{both:?}");
    let nobody = ["explain", "callback", "--form", "a=b"];
    assert!(folder.run(&nobody, &[]).err.contains("--login"));
}

fn with_input(arguments: &[&str], input: &str) -> String {
    let mut command = Command::new(PROGRAM);
    command.args(arguments).env_remove("TILLGATE_CONTROL_KEY");
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    String::from_utf8(child.wait_with_output().unwrap().stdout).unwrap()
}
