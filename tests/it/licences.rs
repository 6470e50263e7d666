//! The rules of deny.toml, held without cargo-deny: what Cargo knows of every dependency of this
//! platform. It asks nothing of the network.

use crate::process::repository_file;
use figment::Figment;
use figment::providers::{Format, Toml};
use serde_json::Value;
use std::process::Command;

/// The packages of the build, ours left out.
fn packages() -> Vec<Value> {
    let version = Command::new("rustc").arg("-vV").output().unwrap();
    let version = String::from_utf8(version.stdout).unwrap();
    let platform = version.lines().find_map(|line| line.strip_prefix("host: ")).unwrap();
    // Without the platform Cargo would want packages that were never downloaded.
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--offline", "--locked"])
        .args(["--filter-platform", platform])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let mut metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    let Value::Array(mut packages) = metadata["packages"].take() else { panic!("no packages") };
    packages.retain(|package| package["name"] != "tillgate");
    assert!(packages.len() > 100, "only {} dependencies?", packages.len());
    packages
}

fn rules() -> Value {
    Figment::from(Toml::string(&repository_file("deny.toml"))).extract().unwrap()
}

/// Whether a licence expression can be met with the allowed licences. `AND` binds tighter than
/// `OR`; the old `/` means `OR`.
fn is_met(expression: &str, allowed: &[&str]) -> bool {
    let spaced = expression.replace('(', " ( ").replace(')', " ) ").replace('/', " OR ");
    let words: Vec<_> = spaced.split_whitespace().collect();
    let mut rest = &words[..];
    let met = any_of(&mut rest, allowed);
    met && rest.is_empty()
}

fn any_of(words: &mut &[&str], allowed: &[&str]) -> bool {
    let mut met = all_of(words, allowed);
    while words.first() == Some(&"OR") {
        *words = &words[1..];
        met |= all_of(words, allowed);
    }
    met
}

fn all_of(words: &mut &[&str], allowed: &[&str]) -> bool {
    let mut met = one(words, allowed);
    while words.first() == Some(&"AND") {
        *words = &words[1..];
        met &= one(words, allowed);
    }
    met
}

fn one(words: &mut &[&str], allowed: &[&str]) -> bool {
    let Some((first, rest)) = words.split_first() else { return false };
    *words = rest;
    if *first == "(" {
        let met = any_of(words, allowed);
        let closed = words.first() == Some(&")");
        *words = words.get(1..).unwrap_or_default();
        return met && closed;
    }
    // An exception only adds permissions.
    if words.first() == Some(&"WITH") {
        *words = words.get(2..).unwrap_or_default();
    }
    allowed.contains(first)
}

#[test]
fn licence_expressions_are_understood() {
    let allowed = ["MIT", "ISC"];
    for met in ["MIT", "GPL-3.0 OR MIT", "GPL-3.0/MIT", "MIT AND ISC", "(GPL-3.0 OR ISC) AND MIT"] {
        assert!(is_met(met, &allowed), "{met}");
    }
    let unmet = ["", "GPL-3.0", "MIT AND GPL-3.0", "(MIT OR ISC) AND GPL-3.0", "MIT ISC", "(MIT"];
    for unmet in unmet {
        assert!(!is_met(unmet, &allowed), "{unmet}");
    }
}

#[test]
fn every_dependency_has_an_allowed_licence() {
    let rules = rules();
    let allowed: Vec<_> = rules["licenses"]["allow"].as_array().unwrap().iter().collect();
    let allowed: Vec<_> = allowed.into_iter().map(|name| name.as_str().unwrap()).collect();
    for package in packages() {
        let expression = package["license"].as_str().unwrap_or_default();
        let name = &package["name"];
        assert!(is_met(expression, &allowed), "{name}: {expression:?} is not in deny.toml");
    }
}

#[test]
fn no_banned_crate_is_in_the_tree_and_what_must_be_single_is() {
    let packages = packages();
    for ban in rules()["bans"]["deny"].as_array().unwrap() {
        let versions = packages.iter().filter(|package| package["name"] == ban["crate"]).count();
        let most = usize::from(ban["deny-multiple-versions"] == true);
        assert!(versions <= most, "{}: {versions} of it; {}", ban["crate"], ban["reason"]);
    }
}

#[test]
fn every_dependency_comes_from_crates_io() {
    for package in packages() {
        let source = package["source"].as_str().unwrap_or("a folder");
        let index = "registry+https://github.com/rust-lang/crates.io-index";
        assert_eq!(source, index, "{}", package["name"]);
    }
}
