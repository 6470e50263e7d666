//! The rules of the house, kept by a test: who may use whom, where outside crates live, how long
//! files are, what never stands in the tree.

use std::fs;
use std::path::{Path, PathBuf};

/// Which parts of the crate a part may use. `src/ARCHITECTURE.md` explains the picture.
const DIRECTIONS: &[(&str, &[&str])] = &[
    ("payment", &[]),
    ("clock", &["payment"]),
    ("crypto", &["payment"]),
    ("acquirer", &["payment"]),
    ("store", &["payment"]),
    ("gateway", &["payment", "crypto", "acquirer", "store", "clock"]),
    ("doors/http.rs", &["clock"]),
    ("doors/csv.rs", &[]),
    ("doors/form.rs", &["payment", "doors"]),
    ("doors/oauth.rs", &["payment", "crypto", "gateway", "doors"]),
    ("doors/limits.rs", &["payment"]),
    ("doors/span.rs", &["payment"]),
    ("doors/mapi", &["payment", "crypto", "gateway", "clock", "doors"]),
    ("doors/rki", &["payment", "crypto", "gateway", "doors"]),
    ("doors/ops.rs", &["gateway", "doors"]),
    ("doors/admin", &["payment", "crypto", "gateway", "doors"]),
    ("doors/docs", &["doors"]),
    ("doors/nexo", &["payment", "crypto", "gateway", "clock", "doors", "sandbox"]),
    ("doors/sandbox", &["payment", "crypto", "gateway", "sandbox", "clock", "doors"]),
    ("sandbox", &["payment", "crypto", "acquirer", "clock"]),
    ("work", &["gateway", "clock"]),
    ("settings.rs", &["crypto", "store", "gateway"]),
    ("telemetry.rs", &["settings"]),
];

/// Doors share HTTP, forms and signatures; the docs page lists them all; otherwise no door knows
/// another.
const BETWEEN_DOORS: &[(&str, &[&str])] = &[
    ("doors/oauth.rs", &["form"]),
    ("doors/mapi", &["http", "form", "oauth", "csv", "mapi"]),
    ("doors/rki", &["http", "form", "oauth", "rki"]),
    ("doors/ops.rs", &["http"]),
    ("doors/admin", &["http", "csv", "limits", "admin"]),
    ("doors/sandbox", &["http", "limits", "span", "sandbox"]),
    ("doors/nexo", &["http", "nexo"]),
];

/// Where an outside crate may be named; everywhere else its words stay unknown.
const HOMES: &[(&str, &[&str])] = &[
    ("sqlx", &["store/", "cli/bench/engine.rs", "cli/bench/driver.rs"]),
    ("rusqlite", &["store/sqlite/", "cli/bench/driver.rs"]),
    ("actix_web", &["doors/", "app.rs", "cli/bench/gateway.rs", "cli/pos/ear.rs"]),
    ("utoipa", &["doors/", "sandbox/inbox.rs"]),
    ("validator", &["doors/"]),
    ("quick_xml", &["doors/nexo/wire/"]),
    ("reqwest", &["gateway/guarded_client.rs", "cli/"]),
    ("aes_gcm", &["crypto/"]),
    ("aes", &["crypto/"]),
    ("des", &["crypto/"]),
    ("cbc", &["crypto/"]),
    ("cmac", &["crypto/"]),
    ("hmac", &["crypto/"]),
    ("pbkdf2", &["crypto/"]),
    ("sha1", &["crypto/"]),
    ("sha2", &["crypto/"]),
    ("tokio_cron_scheduler", &["work/", "app.rs"]),
    ("figment", &["settings.rs"]),
    ("clap", &["cli/"]),
    ("tracing_subscriber", &["telemetry.rs"]),
    ("rand", &["clock.rs"]),
    ("csv", &["cli/"]),
];

const LINES_MAX: usize = 500;
const COLUMNS_MAX: usize = 100;

struct Source {
    /// Relative to `src`.
    name: String,
    text: String,
}

impl Source {
    /// The file without its tests, which stand at the foot.
    fn code(&self) -> &str {
        self.text.split("#[cfg(test)]").next().unwrap()
    }
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn files_below(folder: &Path, ending: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files_below(&path, ending));
        } else if path.to_string_lossy().ends_with(ending) {
            found.push(path);
        }
    }
    found.sort();
    found
}

fn sources() -> Vec<Source> {
    let base = root().join("src");
    let read = |path: PathBuf| Source {
        name: path.strip_prefix(&base).unwrap().to_string_lossy().into_owned(),
        text: fs::read_to_string(&path).unwrap(),
    };
    let sources: Vec<_> = files_below(&base, ".rs").into_iter().map(read).collect();
    assert!(sources.len() > 50, "the sources were not found");
    sources
}

fn words_after<'a>(text: &'a str, mark: &str) -> Vec<&'a str> {
    let rests = text.split(mark).skip(1);
    rests
        .map(|rest| {
            let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_');
            &rest[..end.unwrap_or(rest.len())]
        })
        .collect()
}

#[test]
fn each_part_uses_only_the_parts_below_it() {
    for source in sources() {
        let rule = DIRECTIONS.iter().find(|(part, _)| source.name.starts_with(part));
        let Some((part, allowed)) = rule else { continue };
        let own = part.split('/').next().unwrap().trim_end_matches(".rs");
        for used in words_after(source.code(), "crate::") {
            assert!(
                used == own && !source.name.starts_with("doors") || allowed.contains(&used),
                "{} uses crate::{used}",
                source.name
            );
        }
    }
}

#[test]
fn no_door_knows_another() {
    for source in sources() {
        let rule = BETWEEN_DOORS.iter().find(|(part, _)| source.name.starts_with(part));
        let Some((_, allowed)) = rule else { continue };
        for used in words_after(source.code(), "crate::doors::") {
            assert!(allowed.contains(&used), "{} uses the door {used}", source.name);
        }
    }
}

#[test]
fn every_part_has_a_direction() {
    for source in sources() {
        let free = ["lib.rs", "main.rs", "app.rs", "doors/mod.rs"].contains(&source.name.as_str())
            || source.name.starts_with("cli/");
        let ruled = DIRECTIONS
            .iter()
            .any(|(part, _)| source.name.starts_with(part) || source.name == format!("{part}.rs"));
        assert!(free || ruled, "{} is in no part that DIRECTIONS knows", source.name);
    }
}

#[test]
fn each_outside_crate_has_one_home() {
    for source in sources() {
        for (outside, homes) in HOMES {
            let at_home = homes.iter().any(|home| source.name.starts_with(home));
            let named = source.code().lines().any(|line| {
                let line = line.trim_start();
                !line.starts_with("//")
                    && (line.contains(&format!(" {outside}::"))
                        || line.contains(&format!("({outside}::"))
                        || line.contains(&format!("<{outside}::")))
            });
            assert!(at_home || !named, "{} names {outside}", source.name);
        }
    }
}

#[test]
fn files_fit_the_reader() {
    let base = root();
    let mut all = files_below(&base.join("src"), ".rs");
    all.extend(files_below(&base.join("tests"), ".rs"));
    for path in all {
        let text = fs::read_to_string(&path).unwrap();
        let lines = text.lines().count();
        assert!(lines <= LINES_MAX, "{} has {lines} lines", path.display());
        for (place, line) in text.lines().enumerate() {
            let literal = line.contains('"');
            let columns = line.chars().count();
            assert!(
                columns <= COLUMNS_MAX || literal,
                "{}:{} has {columns} columns",
                path.display(),
                place + 1
            );
        }
    }
}

#[test]
fn every_file_says_what_it_is_and_every_public_item_is_explained() {
    for source in sources() {
        assert!(
            source.text.starts_with("//!") || source.name == "lib.rs",
            "{} does not say what it is",
            source.name
        );
        let lines: Vec<_> = source.code().lines().collect();
        for (place, line) in lines.iter().enumerate() {
            let generated = line.contains('$');
            let item = !generated
                && ["fn ", "async fn ", "struct ", "enum ", "trait ", "const ", "type "]
                    .iter()
                    .any(|kind| line.trim_start().starts_with(&format!("pub {kind}")));
            // Upwards over the item's attributes, however many lines they take.
            let above = lines[..place].iter().rev().map(|line| line.trim());
            let mut above = above.take_while(|line| !line.is_empty() && *line != "}");
            let explained = above.any(|line| line.starts_with("///"));
            assert!(
                !item || explained || source.name.starts_with("cli/"),
                "{}:{} is public and unexplained: {line}",
                source.name,
                place + 1
            );
        }
    }
}

#[test]
fn no_test_waits_or_is_skipped_and_nothing_is_left_undone() {
    let mut all = files_below(&root().join("src"), ".rs");
    all.extend(files_below(&root().join("tests/it"), ".rs"));
    for path in all {
        if path.ends_with("tidy.rs") {
            continue;
        }
        let text = fs::read_to_string(&path).unwrap();
        for word in ["#[ignore", "todo!(", "unimplemented!(", "FIXME", "XXX:", "TODO"] {
            assert!(!text.contains(word), "{} has {word}", path.display());
        }
        if path.starts_with(root().join("tests")) {
            assert!(!text.contains("sleep("), "{} sleeps", path.display());
        }
    }
}

#[test]
fn the_map_names_every_part() {
    let map = fs::read_to_string(root().join("src/ARCHITECTURE.md")).unwrap();
    for entry in fs::read_dir(root().join("src")).unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name().to_string_lossy().into_owned();
        let told = ["lib.rs", "main.rs", "ARCHITECTURE.md"].contains(&name.as_str());
        assert!(told || map.contains(&format!("`{name}")), "the map does not name src/{name}");
    }
}

#[test]
fn migrations_are_portable() {
    for path in files_below(&root().join("migrations"), ".sql") {
        let text = fs::read_to_string(&path).unwrap();
        let sql: String = text.lines().filter(|line| !line.starts_with("--")).collect();
        for word in [
            "BOOLEAN",
            "TIMESTAMP",
            "JSON",
            "SERIAL",
            "AUTOINCREMENT",
            "now()",
            "UUID",
            "NUMERIC",
            "REAL",
            "FLOAT",
        ] {
            assert!(!sql.contains(word), "{} says {word}", path.display());
        }
    }
}

#[test]
fn what_differs_between_databases_stands_in_two_folders() {
    for source in sources() {
        let name = source.name.as_str();
        let own = ["store/sqlite/", "store/postgres/"].iter().any(|own| name.starts_with(own));
        // Opening and migrating are different things; the last has one statement of SQLite's.
        let known = ["store/opening.rs", "store/migrations.rs", "store/card_keys.rs"];
        if !name.starts_with("store/") || own || known.contains(&name) {
            continue;
        }
        for word in ["rusqlite", "sqlx", "PRAGMA", "UNNEST", "json_each"] {
            assert!(!source.code().contains(word), "{} says {word}", source.name);
        }
    }
}
