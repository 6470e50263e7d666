//! `tillgate scan-pan`: it finds what is planted, and an order's whole life plants nothing.

use crate::database::{Database, Engine, engines};
use crate::leavings::logged;
use crate::process::{Ended, Folder, PROGRAM};
use crate::world::{World, contains, form_with};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sqlx::Executor;
use std::path::Path;
use std::process::Command;
use tillgate::store::Location;

const PAN: &str = "4444555566661111";
const TRACK: &str = "4444555566661111=2912201000000000";

/// How many cards are sold to.
const CARDS: u32 = 1000;

/// A status of the program, and what it printed.
fn scan(folder: &Folder, arguments: &[&str]) -> (Option<i32>, Ended) {
    let output = Command::new(PROGRAM)
        .arg("scan-pan")
        .args(arguments)
        .current_dir(folder.path())
        .env_clear()
        .output()
        .unwrap();
    let ended = Ended {
        success: output.status.success(),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    };
    (output.status.code(), ended)
}

fn write(folder: &Folder, name: &str, bytes: impl AsRef<[u8]>) {
    let path = folder.path().join(name);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, bytes).unwrap();
}

/// Test cards that differ in all but their prefix; the last digit makes each pass Luhn.
fn cards(count: u32) -> Vec<String> {
    (0..count)
        .map(|number| {
            let front = format!("444455{:09}", u64::from(number) * 7_654_321 % 1_000_000_000);
            let sum: u32 = front
                .bytes()
                .rev()
                .enumerate()
                .map(|(place, digit)| {
                    let value = u32::from(digit - b'0') * if place % 2 == 0 { 2 } else { 1 };
                    value / 10 + value % 10
                })
                .sum();
            format!("{front}{}", (10 - sum % 10) % 10)
        })
        .collect()
}

#[test]
fn a_planted_card_is_found_in_each_encoding_and_named_without_its_digits() {
    let folder = Folder::make();
    let packed = hex::decode(TRACK.replace('=', "D"))
        .unwrap_or_else(|_| hex::decode(format!("{}F", TRACK.replace('=', "D"))).unwrap());
    let utf16: Vec<u8> = TRACK.encode_utf16().flat_map(u16::to_le_bytes).collect();
    for (name, bytes) in [
        ("plain", TRACK.as_bytes().to_vec()),
        ("below/hex", hex::encode(TRACK).into_bytes()),
        ("below/base64", STANDARD.encode(TRACK).into_bytes()),
        ("packed", packed),
        ("utf-16", utf16),
    ] {
        write(&folder, &format!("data/{name}"), [b"#\xFE", &bytes[..], b"\xFE#"].concat());
    }
    write(&folder, "data/grouped", "card 4444 5555 6666 1111, thank you");
    write(&folder, "data/clean", "order 1795262400000, 6d9f0c1e-0f3b-4a51-9a3e-0c6c2c9a1b11");
    let (code, ended) = scan(&folder, &["data"]);
    assert_eq!(code, Some(1), "{ended:?}");
    let found: Vec<_> = ended.out.lines().collect();
    assert_eq!(
        found,
        [
            "data/below/base64:2: track2 base64 444455******1111",
            "data/below/hex:2: track2 hex 444455******1111",
            "data/grouped:5: pan grouped 444455******1111",
            "data/packed:2: track2 packed 444455******1111",
            "data/plain:2: track2 plain 444455******1111",
            "data/utf-16:2: track2 utf-16 444455******1111",
            "6 findings",
        ]
    );
    assert!(ended.err.contains("6 findings") && ended.err.contains("--ignore"), "{ended:?}");

    write(&folder, "cards.txt", format!("{PAN},{TRACK}\n"));
    let (code, ended) = scan(&folder, &["--known", "cards.txt", "--json", "."]);
    assert_eq!(code, Some(1), "{ended:?}");
    for name in ["plain", "hex", "base64", "packed", "utf-16", "grouped"] {
        let line = ended.out.lines().find(|line| line.contains(&format!("{name}\",\"kind")));
        let line: serde_json::Value = serde_json::from_str(line.unwrap()).unwrap();
        assert_eq!(line["masked"], "444455******1111", "{line}");
        assert_eq!(line["encoding"], name, "{line}");
    }
    assert!(!ended.out.contains("cards.txt") && ended.err.contains("left out"), "{ended:?}");
    assert!(!format!("{ended:?}").contains("5566661111"), "a card number was printed");

    let (code, ended) = scan(&folder, &["data", "--ignore", "444455"]);
    assert_eq!((code, ended.out.as_str()), (Some(0), "0 findings\n"), "{ended:?}");
}

#[test]
fn what_cannot_be_looked_at_is_trouble_and_not_a_clean_scan() {
    let folder = Folder::make();
    write(&folder, "cards.txt", format!("{PAN}\n44\n"));
    write(&folder, "clean", "nothing");
    for (arguments, reason) in [
        (vec!["nowhere"], "nowhere"),
        (vec!["clean", "nowhere"], "1 could not be read"),
        (vec!["--database", "sqlite:nowhere.db"], "no database"),
        (vec!["--database", "nonsense"], "sqlite:PATH"),
        (vec!["--known", "cards.txt", "clean"], "line 2"),
        (vec!["--known", "no-list", "clean"], "no-list"),
        (vec!["--bin", "44x", "clean"], "prefix"),
        (vec![], "PATHS"),
    ] {
        let (code, ended) = scan(&folder, &arguments);
        assert_eq!(code, Some(2), "{arguments:?}: {ended:?}");
        assert!(ended.err.contains(reason), "{arguments:?}: {ended:?}");
    }
    assert_eq!(scan(&folder, &["clean"]).0, Some(0));
}

#[tokio::test]
async fn each_column_of_each_table_of_postgresql_is_looked_at() {
    for engine in engines().into_iter().filter(|engine| *engine == Engine::Postgres) {
        let database = Database::create(engine).await;
        let Location::Postgres(url) = &database.location else { panic!("no address") };
        let pool = database.look().await;
        for statement in [
            "CREATE TABLE \"Odd name\" (number BIGINT, words TEXT, bytes BYTEA)",
            "INSERT INTO \"Odd name\" SELECT n, 'order ' || n, '\\xC0FFEE' \
             FROM generate_series(1, 5000) AS n",
            "INSERT INTO \"Odd name\" VALUES (4444555500000004, '4444555500000012', \
             '\\x4444555500000020D2912201')",
        ] {
            pool.execute(statement).await.unwrap();
        }
        pool.close().await;
        let folder = Folder::make();
        let (code, ended) = scan(&folder, &["--database", url]);
        assert_eq!(code, Some(1), "{ended:?}");
        for (format, masked) in [
            ("text", "pan plain 444455******0004"),
            ("text", "pan plain 444455******0012"),
            ("binary", "pan plain 444455******0012"),
            ("binary", "track2 packed 444455******0020"),
        ] {
            let told = |line: &str| {
                line.contains(&format!("\"Odd name\" ({format}):")) && line.ends_with(masked)
            };
            assert!(ended.out.lines().any(told), "{format} {masked}: {ended:?}");
        }
        database.remove().await;
    }
}

/// Sells to each card in turn, with chip and stripe, of all endings.
async fn sell_to(world: &World, cards: &[String]) {
    let amounts = ["10.42", "11.16", "12.17", "13.00"];
    for (number, pan) in cards.iter().enumerate() {
        let (name, amount) = (format!("L-{number}"), amounts[number % amounts.len()]);
        let entry = if number % 3 == 0 { "insert" } else { "swipe" };
        let more = serde_json::json!({ "pan": pan, "entry_mode": entry });
        let data = world.swipe(amount, more).await;
        world.sale(&form_with(&name, amount, &data)).await.order();
        if number % 50 == 0 {
            world.settle().await;
        }
    }
}

#[tokio::test]
async fn the_whole_life_of_an_order_leaves_no_card_behind() {
    let folder = Folder::make();
    let cards = cards(CARDS);
    write(&folder, "cards.txt", cards.join("\n"));
    let world = World::start(Engine::Sqlite).await;
    let Location::Sqlite(path) = &world.database.location else { panic!("no file") };
    let address = format!("sqlite:{}", path.display());
    let looks = |log: &str| {
        let arguments = ["--known", "cards.txt", "--database", &address, log];
        scan(&folder, &arguments)
    };
    sell_to(&world, &cards).await;
    // Orders are under way, their cards sealed, and the log of the database is full.
    write(&folder, "under-way.log", logged());
    assert!(Path::new(&format!("{}-wal", path.display())).exists());
    let (code, ended) = looks("under-way.log");
    assert_eq!((code, ended.out.as_str()), (Some(0), "0 findings\n"), "{ended:?}");

    world.settle().await;
    let log = logged();
    assert_eq!(world.database.count("orders").await, i64::from(CARDS));
    assert!(contains(&log, b" DEBUG "), "the log lacks what only debugging shows");
    write(&folder, "final.log", &log);
    let (code, ended) = looks("final.log");
    assert_eq!((code, ended.out.as_str()), (Some(0), "0 findings\n"), "{ended:?}");

    let planted = [&log[..], b"pan=", cards[517].as_bytes(), b" \n"].concat();
    write(&folder, "planted.log", planted);
    let (code, ended) = looks("planted.log");
    assert_eq!(code, Some(1), "{ended:?}");
    let place = format!("planted.log:{}: pan plain 444455******", log.len() + 4);
    assert!(ended.out.starts_with(&place) && ended.out.ends_with("\n1 findings\n"), "{ended:?}");
    world.end().await;
}
