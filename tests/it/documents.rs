//! The OpenAPI document: kept in the repository, complete, and true.

use crate::process::repository_file;
use crate::world::{Answer, scenario};
use serde_json::Value;

/// Each operation as method, path and description.
fn operations() -> Vec<(String, String, Value)> {
    let document: Value = serde_json::from_str(&tillgate::doors::docs::document()).unwrap();
    let mut operations = Vec::new();
    for (path, methods) in document["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            operations.push((method.to_uppercase(), path.clone(), operation.clone()));
        }
    }
    assert!(!operations.is_empty());
    operations
}

#[test]
fn the_kept_document_is_the_one_that_the_program_makes() {
    assert!(
        repository_file("openapi/openapi.json") == tillgate::doors::docs::document(),
        "openapi/openapi.json is old; renew it: cargo run -- openapi > openapi/openapi.json"
    );
}

#[test]
fn every_operation_says_what_it_does_and_what_it_answers() {
    for (method, path, operation) in operations() {
        let summary = operation["summary"].as_str().unwrap_or_default();
        assert!(!summary.is_empty(), "{method} {path} has no summary");
        let tags = operation["tags"].as_array().map_or(0, Vec::len);
        assert_eq!(tags, 1, "{method} {path} needs one tag");
        let responses = operation["responses"].as_object().unwrap();
        assert!(!responses.is_empty(), "{method} {path} documents no response");
        for (status, response) in responses {
            let description = response["description"].as_str().unwrap_or_default();
            assert!(!description.is_empty(), "{method} {path}: {status} is not described");
        }
    }
}

#[tokio::test]
async fn every_documented_route_is_there() {
    scenario(async |world| {
        for (method, path, _) in operations() {
            let real = path
                .replace("{serial}", world.reader())
                .replace("{login}", &world.ready.login)
                .replace("{endpoint}", &world.ready.endpoint_id)
                .replace("{endpoint_id}", &world.ready.endpoint_id)
                .replace("{group}", &world.ready.group_id)
                .replace("{group_id}", &world.ready.group_id)
                .replace("{order}", "1")
                .replace("{batch}", "1")
                .replace("{name}", "nobody")
                .replace("{login}", &world.ready.login)
                .replace("{ceremony}", "1")
                .replace("{key_set}", "1")
                .replace("{transport_key}", "1")
                .replace("{callback}", "1")
                .replace("{poi_id}", "SIM-XML-1")
                .replace("{merchant}", &world.ready.login)
                .replace("{device}", "SIM-JSON-1")
                .replace("{digest}", &"0".repeat(40));
            assert!(!real.contains('{'), "this scenario does not know how to fill in {path}");
            let method = reqwest::Method::from_bytes(method.as_bytes()).unwrap();
            let answer = Answer::of(world.http.request(method.clone(), world.url(&real))).await;
            assert!(!matches!(answer.status, 404 | 405), "{method} {real}: {answer:?}");
        }
    })
    .await;
}
