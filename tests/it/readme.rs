//! The README is true: its tour runs as it stands, and prints what it shows.

use crate::process::{Folder, PROGRAM, repository_file, subcommands};
use std::fmt::Write;
use std::path::Path;
use std::process::{Command, Stdio};

/// A fenced block: its language and its lines.
struct Block {
    language: String,
    text: String,
}

fn blocks() -> Vec<Block> {
    let readme = repository_file("README.md");
    let mut blocks = Vec::new();
    let mut lines = readme.lines();
    while let Some(line) = lines.next() {
        let Some(language) = line.strip_prefix("```") else { continue };
        let inside: Vec<_> = lines.by_ref().take_while(|line| *line != "```").collect();
        blocks.push(Block { language: language.to_owned(), text: inside.join("\n") });
    }
    blocks
}

/// Each step of the tour with what the README says it prints.
fn tour() -> Vec<(String, Option<String>)> {
    let mut tour: Vec<(String, Option<String>)> = Vec::new();
    for block in blocks() {
        match block.language.as_str() {
            "sh" => tour.push((block.text, None)),
            "text" => tour.last_mut().expect("output without a command").1 = Some(block.text),
            _ => {}
        }
    }
    tour
}

/// Whether a line is as shown; `...` stands for anything.
fn is_as_shown(shown: &str, real: &str) -> bool {
    let mut parts = shown.split("...");
    let Some(mut rest) = real.strip_prefix(parts.next().unwrap_or_default()) else { return false };
    let parts: Vec<_> = parts.collect();
    let Some((last, middle)) = parts.split_last() else { return rest.is_empty() };
    for part in middle {
        let Some((_, after)) = rest.split_once(part) else { return false };
        rest = after;
    }
    rest.ends_with(last)
}

const END_OF_STEP: &str = "=== end of step ===";

#[test]
fn the_tour_runs_as_it_stands_and_prints_what_it_shows() {
    let tour = tour();
    // Whatever happens, the sandbox that the tour starts ends with its shell.
    let mut script = "set -euo pipefail\ntrap 'kill $(jobs -p) 2>/dev/null || true' EXIT\n\
                      trap 'echo \"failed: $BASH_COMMAND\"' ERR\n"
        .to_owned();
    for (commands, _) in &tour {
        writeln!(script, "{commands}\nprintf '\\n{END_OF_STEP}\\n'").unwrap();
    }
    let folder = Folder::make();
    std::fs::write(folder.path().join("tour.sh"), format!("exec 2>&1\n{script}")).unwrap();
    let programs = Path::new(PROGRAM).parent().unwrap().display();
    let output = Command::new("bash")
        .arg("tour.sh")
        .current_dir(folder.path())
        .env_clear()
        .env("PATH", format!("{programs}:/usr/local/bin:/usr/bin:/bin"))
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let printed = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "the tour broke off:\n{printed}");
    let mut steps = printed.split(END_OF_STEP);
    for (commands, shown) in tour {
        let real = steps.next().unwrap().trim();
        let shown = shown.unwrap_or_default();
        let same = real.lines().count() == shown.lines().count()
            && shown.lines().zip(real.lines()).all(|(shown, real)| is_as_shown(shown, real));
        assert!(same, "{commands}\nREADME.md shows:\n{shown}\nit printed:\n{real}");
    }
}

#[test]
fn the_tour_shows_every_kind_of_ending_and_the_callback() {
    let shown: String = tour().into_iter().filter_map(|(_, shown)| shown).collect();
    for word in ["approved", "declined", "filtered", " 116 ", "\"status\":\"approved\"", "ready"] {
        assert!(shown.contains(word), "the tour does not show {word}");
    }
}

#[test]
fn two_commands_run_the_main_job_and_pass_all_tests() {
    let consoles: Vec<_> =
        blocks().into_iter().filter(|block| block.language == "console").collect();
    assert_eq!(consoles[0].text, "cargo run --release -- dev");
    assert_eq!(consoles[1].text, "cargo test");
}

#[test]
fn what_it_is_and_for_whom_takes_ten_lines_at_most() {
    let readme = repository_file("README.md");
    let introduction = readme.split("\n## ").next().unwrap();
    let lines = introduction.lines().skip(1).filter(|line| !line.is_empty()).count();
    assert!(lines <= 10, "{lines} lines");
}

#[test]
fn every_command_is_mentioned() {
    let readme = repository_file("README.md");
    for name in subcommands() {
        assert!(readme.contains(&format!("tillgate {name}")), "README.md lacks tillgate {name}");
    }
}

#[test]
fn every_magic_amount_is_listed_with_its_ending() {
    let readme = repository_file("README.md");
    for (ending, meaning) in tillgate::sandbox::scenario::ENDINGS {
        let row = format!("| {}.{:02} | {meaning} |", ending / 100, ending % 100);
        assert!(readme.contains(&row), "README.md lacks {row}");
    }
}

#[test]
fn every_magic_amount_at_a_terminal_is_listed_on_its_page() {
    let page = repository_file("docs/terminals.md");
    let rows: Vec<_> = page.lines().filter_map(|line| line.strip_prefix("| ")).collect();
    for (ending, meaning) in tillgate::sandbox::terminal::ENDINGS {
        let amount = format!("{}.{:02}", ending / 100, ending % 100);
        let told = rows
            .iter()
            .any(|row| row.split(" |").next().unwrap().split(", ").any(|listed| listed == amount));
        assert!(told, "docs/terminals.md lacks {amount}: {meaning}");
    }
}

#[test]
fn every_file_that_it_points_to_is_there() {
    let readme = repository_file("README.md");
    for link in readme.split("](").skip(1) {
        repository_file(link.split(')').next().unwrap());
    }
}
