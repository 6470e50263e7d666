//! The program as people start it: its commands as child processes.

use crate::process::{Folder, Running, ask};

/// A key as people choose it to try things; an environment reader may take it for the number 1.
const KEY: &str = "0000000000000000000000000000000000000000000000000000000000000001";

fn serve(folder: &Folder) -> (Running, String) {
    let settings = [("TILLGATE_MASTER_KEY", KEY), ("TILLGATE_LISTEN", "127.0.0.1:0")];
    let mut running = folder.start(&["serve"], &settings);
    let line = running.log_line("ready address=");
    let address = line.trim().rsplit('=').next().unwrap().to_owned();
    (running, address)
}

#[test]
fn without_a_master_key_serve_refuses_and_says_how_to_make_one() {
    let ended = Folder::make().run(&["serve"], &[]);
    assert!(!ended.success);
    assert!(ended.err.contains("openssl rand -hex 32"), "{ended:?}");
}

#[test]
fn a_misspelt_option_is_refused_by_name() {
    let settings = [("TILLGATE_MASTER_KEY", KEY), ("TILLGATE_LISSEN", "127.0.0.1:0")];
    let ended = Folder::make().run(&["serve"], &settings);
    assert!(!ended.success);
    assert!(ended.err.contains("lissen"), "{ended:?}");
}

#[test]
fn a_control_key_left_in_the_shell_is_no_option_of_serve() {
    let settings = [("TILLGATE_CONTROL_KEY", "x"), ("TILLGATE_MASTER_KEY", "short")];
    let ended = Folder::make().run(&["serve"], &settings);
    assert!(ended.err.contains("64 hex digits"), "{ended:?}");
    assert!(!ended.err.contains("control_key"), "{ended:?}");
}

#[test]
fn with_a_key_serve_is_ready_shows_metrics_and_ends_well_when_asked_to() {
    let folder = Folder::make();
    let (running, address) = serve(&folder);
    assert_eq!(ask(&address, "GET", "/health/ready"), (200, "ready\n".to_owned()));
    assert_eq!(ask(&address, "GET", "/health/live").0, 200);
    let (status, metrics) = ask(&address, "GET", "/metrics");
    assert_eq!(status, 200);
    assert!(metrics.contains("tillgate_http_requests_total"), "{metrics}");
    let health = folder.run(&["health", "--url", &format!("http://{address}")], &[]);
    assert!(health.success, "{health:?}");
    let (ended, out) = running.stop();
    assert_eq!((ended.code(), out.as_str()), (Some(0), ""));
    let health = folder.run(&["health", "--url", &format!("http://{address}")], &[]);
    assert!(!health.success, "{health:?}");
}

#[test]
fn a_crash_writes_no_memory_to_disk() {
    let folder = Folder::make();
    let (running, _) = serve(&folder);
    let limits = std::fs::read_to_string(format!("/proc/{}/limits", running.id())).unwrap();
    let line = limits.lines().find(|line| line.starts_with("Max core file size")).unwrap();
    let words: Vec<_> = line.split_whitespace().collect();
    assert_eq!(words[4..6], ["0", "0"], "{line}");
}

#[test]
fn serve_has_no_sandbox_doors() {
    let folder = Folder::make();
    let (_running, address) = serve(&folder);
    assert_eq!(ask(&address, "POST", "/sandbox/readers/10000462/swipe").0, 404);
    assert_eq!(ask(&address, "GET", "/sandbox/callbacks").0, 404);
    assert_eq!(ask(&address, "GET", "/sandbox/clock").0, 404);
    assert_eq!(ask(&address, "POST", "/sandbox/clock").0, 404);
    assert_eq!(ask(&address, "POST", "/sandbox/sign?url=http://x/").0, 404);
}

#[test]
fn dev_prints_one_line_of_json_and_nothing_else() {
    let folder = Folder::make();
    let mut dev = folder.start(&["dev", "--ephemeral", "--port", "0", "--json"], &[]);
    let line = dev.line();
    let ready: serde_json::Value = serde_json::from_str(&line).unwrap();
    let mut keys: Vec<_> = ready.as_object().unwrap().keys().map(String::as_str).collect();
    keys.sort_unstable();
    let documented = [
        "base_url",
        "callback_inbox_url",
        "control_key",
        "docs_url",
        "endpoint_id",
        "group_id",
        "login",
        "readers",
        "terminals",
    ];
    assert_eq!(keys, documented);
    let lists = ["readers", "terminals"];
    for key in documented.iter().filter(|key| !lists.contains(key)) {
        assert!(ready[key].is_string(), "{key} is not a string: {line}");
    }
    let readers = ready["readers"].as_array().unwrap();
    let kinds: Vec<_> = readers.iter().map(|reader| reader["type"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["sim", "sim", "sim", "spire", "spire", "miura", "miura", "mc-qrcode"]);
    for reader in readers {
        assert_eq!(reader.as_object().unwrap().len(), 7, "{line}");
        for name in ["serial", "cipher", "bdk", "ksn_prefix"] {
            assert!(reader[name].is_string(), "{name} is not a string: {line}");
        }
        assert_eq!(reader["variant"].is_null(), reader["cipher"] == "aes-gcm", "{line}");
        assert_eq!(reader["next_counter"], 1, "{line}");
    }
    let terminals = ready["terminals"].as_array().unwrap();
    let told = |terminal: &serde_json::Value| {
        format!("{} {}", terminal["poi_id"].as_str().unwrap(), terminal["dialect"])
    };
    let told: Vec<_> = terminals.iter().map(told).collect();
    let known = ["SIM-XML-1 xml31", "SIM-XML-2 xml31", "SIM-JSON-1 json", "SIM-JSON-2 json"];
    assert_eq!(told.join(" ").replace('"', ""), known.join(" "));
    let base = ready["base_url"].as_str().unwrap();
    let address = base.strip_prefix("http://").unwrap();
    assert!(!address.contains('/'), "the base address has a path: {base}");
    let docs = ready["docs_url"].as_str().unwrap();
    assert_eq!(ask(address, "GET", docs.strip_prefix(base).unwrap()).0, 200);
    let (ended, rest) = dev.stop();
    assert_eq!((ended.code(), rest.as_str()), (Some(0), ""));
    let left = std::fs::read_dir(folder.path()).unwrap().count();
    assert_eq!(left, 0, "--ephemeral left files in the current folder");
}

#[test]
fn without_json_dev_prints_a_line_that_makes_a_sale() {
    let folder = Folder::make();
    let mut dev = folder.start(&["dev", "--ephemeral", "--port", "0"], &[]);
    let line = loop {
        let line = dev.line();
        if line.contains(" sale --url ") {
            break line;
        }
    };
    let output = std::process::Command::new("sh").arg("-c").arg(line.trim()).output().unwrap();
    let out = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success() && out.contains("approved"), "{line}{out}");
}

#[test]
fn a_second_process_on_the_same_file_is_refused() {
    let folder = Folder::make();
    let arguments = ["dev", "--port", "0", "--json"];
    let mut first = folder.start(&arguments, &[]);
    first.ready();
    let second = folder.run(&arguments, &[]);
    assert!(!second.success);
    assert!(second.err.contains("in use by another tillgate"), "{second:?}");
    assert!(second.err.contains("--db"), "{second:?}");
    assert_eq!(second.out, "");
}

#[test]
fn a_database_opens_again_with_the_same_credentials() {
    use std::os::unix::fs::PermissionsExt;
    let folder = Folder::make();
    let open = || {
        let mut dev = folder.start(&["dev", "--port", "0", "--json"], &[]);
        let ready = dev.ready();
        assert!(dev.stop().0.success());
        ready
    };
    let (first, second) = (open(), open());
    assert_eq!(first.control_key, second.control_key);
    assert_eq!(first.login, second.login);
    let serials = |ready: &tillgate::cli::ReadyLine| {
        ready.readers.iter().map(|reader| reader.serial.clone()).collect::<Vec<_>>()
    };
    assert_eq!(serials(&first), serials(&second));
    let key = folder.path().join("tillgate.db-key");
    let mode = std::fs::metadata(key).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600, "others can read the development key");
}

#[test]
fn migrate_makes_the_tables_and_can_be_repeated() {
    let folder = Folder::make();
    for _ in 0..2 {
        let ended = folder.run(&["migrate"], &[]);
        assert!(ended.success && ended.err.contains("up to date"), "{ended:?}");
    }
    assert!(folder.path().join("tillgate.db").exists());
    let ended = folder.run(&["migrate", "--db", "nonsense"], &[]);
    assert!(!ended.success && ended.err.contains("sqlite:PATH"), "{ended:?}");
}

#[test]
fn a_sale_with_a_wrong_control_key_says_what_is_wrong() {
    let folder = Folder::make();
    let mut dev = folder.start(&["dev", "--ephemeral", "--port", "0", "--json"], &[]);
    let url = dev.ready().base_url;
    let sale = ["sale", "--endpoint", "1111", "--login", "sandbox", "--reader", "10000462"];
    let sale = [&sale[..], &["--amount", "10.42", "--control-key", "wrong", "--url", &url]];
    let ended = folder.run(&sale.concat(), &[]);
    assert!(!ended.success);
    assert!(ended.err.contains("403") && ended.err.contains("control key"), "{ended:?}");
}

#[test]
fn a_sale_without_a_sandbox_says_to_start_one() {
    let sale = ["sale", "--endpoint", "1111", "--login", "sandbox", "--reader", "10000462"];
    // Nothing listens on port 1.
    let sale = [&sale[..], &["--amount", "1", "--control-key", "x", "--url", "http://127.0.0.1:1"]];
    let ended = Folder::make().run(&sale.concat(), &[]);
    assert!(!ended.success && ended.err.contains("tillgate dev"), "{ended:?}");
}
