//! The Dockerfile, held against the program; no container engine is needed.

use crate::process::{Folder, repository_file, subcommands};
use std::path::Path;

/// The instructions, continued lines joined, comments left out.
fn instructions() -> Vec<(String, String)> {
    let text = repository_file("Dockerfile");
    let lines: Vec<_> = text.lines().filter(|line| !line.starts_with('#')).collect();
    let joined = lines.join("\n").replace("\\\n", " ");
    let lines = joined.lines().filter(|line| !line.trim().is_empty());
    lines
        .map(|line| line.split_once(' ').unwrap())
        .map(|(name, rest)| (name.to_owned(), rest.trim().to_owned()))
        .collect()
}

fn all(name: &str) -> Vec<String> {
    let found = instructions().into_iter().filter(|(known, _)| known == name);
    found.map(|(_, rest)| rest).collect()
}

fn only(name: &str) -> String {
    let found = all(name);
    assert_eq!(found.len(), 1, "{name} should stand there once: {found:?}");
    found[0].clone()
}

fn variables() -> Vec<(String, String)> {
    let pairs = all("ENV").join(" ");
    let pairs = pairs.split_whitespace().map(|pair| pair.split_once('=').unwrap());
    pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

fn variable(name: &str) -> String {
    let found = variables().into_iter().find(|(known, _)| known == name);
    found.unwrap_or_else(|| panic!("no {name}")).1
}

#[test]
fn what_the_image_runs_are_commands_and_flags_of_the_program() {
    let known = subcommands();
    let entry: Vec<String> = serde_json::from_str(&only("ENTRYPOINT")).unwrap();
    assert_eq!(entry, ["tillgate"]);
    let health = only("HEALTHCHECK");
    let health: Vec<String> = serde_json::from_str(health.split_once("CMD").unwrap().1).unwrap();
    assert_eq!(health[0], "tillgate");
    let default: Vec<String> =
        serde_json::from_str(all("CMD").last().expect("there is no CMD")).unwrap();
    for arguments in [&health[1..], &default[..]] {
        assert!(known.contains(&arguments[0]), "{} is no command", arguments[0]);
        let help = Folder::make().run(&[&arguments[0], "--help"], &[]);
        for flag in arguments.iter().filter(|argument| argument.starts_with("--")) {
            assert!(help.out.contains(&format!("{flag} ")), "{flag} is no flag of {arguments:?}");
        }
    }
}

#[test]
fn the_image_listens_where_it_says_and_where_its_health_is_asked() {
    let listen = variable("TILLGATE_LISTEN");
    let port = listen.strip_prefix("0.0.0.0:").expect("not reachable from outside the container");
    assert_eq!(only("EXPOSE"), port);
    assert!(only("HEALTHCHECK").contains(&format!("http://127.0.0.1:{port}\"")));
}

#[test]
fn every_setting_of_the_image_is_an_option_of_the_program() {
    let options = tillgate::settings::DEFAULTS;
    for (name, _) in variables() {
        let option = name.strip_prefix("TILLGATE_").unwrap().to_lowercase();
        let known = options.lines().any(|line| line.starts_with(&format!("{option} = ")));
        assert!(known, "{name}: src/settings.toml has no {option}");
    }
}

#[test]
fn the_image_does_not_run_as_root_and_its_user_owns_the_data() {
    let user = only("USER");
    let number: u32 = user.split(':').next().unwrap().parse().expect("use a number");
    assert_ne!(number, 0);
    let volume = only("VOLUME");
    assert_eq!(variable("TILLGATE_DATABASE"), format!("sqlite:{volume}/tillgate.db"));
    let owned = format!("install -d -o {number} -g {number} {volume}");
    assert!(all("RUN").iter().any(|run| run.contains(&owned)), "{volume} is not {number}'s");
    assert_eq!(all("WORKDIR").last(), Some(&volume));
}

#[test]
fn what_the_build_copies_is_in_the_repository_and_let_through() {
    let ignore = repository_file(".dockerignore");
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let copies = all("COPY").into_iter().filter(|copy| !copy.starts_with("--from="));
    for copy in copies {
        let words: Vec<_> = copy.split_whitespace().collect();
        let (_target, sources) = words.split_last().unwrap();
        for source in sources {
            assert!(root.join(source).exists(), "COPY {source}: there is none");
            assert!(ignore.contains(&format!("!{source}\n")), ".dockerignore hides {source}");
        }
    }
}

#[test]
fn the_image_is_built_with_the_rust_that_the_program_asks_for() {
    let manifest = repository_file("Cargo.toml");
    let line = manifest.lines().find(|line| line.starts_with("rust-version")).unwrap();
    let version = line.split('"').nth(1).unwrap();
    let from = all("FROM");
    assert!(from[0].starts_with(&format!("rust:{version}-slim-bookworm ")), "{from:?}");
    // The runtime's C library must be the builder's.
    assert_eq!(from[1], "debian:bookworm-slim");
    assert!(all("RUN").iter().all(|run| !run.contains("cargo build") || run.contains("--locked")));
}
