//! The options of `tillgate serve`: defaults, then the file, then the environment. All problems
//! are reported at once.

use crate::crypto::key_ring::KeyRing;
use crate::crypto::seal::SealingKey;
use crate::gateway::AllowList;
use crate::store::Location;
use figment::Figment;
use figment::providers::{Env, Format, Toml};
use serde::Deserialize;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// Every option with its default and a sentence about it.
pub const DEFAULTS: &str = include_str!("settings.toml");

/// A cardholder waits at the till meanwhile.
const ACQUIRER_TIMEOUT_MAX_MS: u64 = 45_000;

/// Shorter tokens could be guessed.
const ADMIN_TOKEN_MIN: usize = 32;
/// In `tillgate dev`, which only this machine reaches.
pub(crate) const DEV_ADMIN_TOKEN: &str = "sandbox";

/// The options as they are written.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    listen: String,
    database: String,
    master_key: String,
    master_key_file: String,
    public_base_urls: Vec<String>,
    sandbox: bool,
    sandbox_host_delay_ms: u64,
    acquirer_timeout_ms: u64,
    callback_allow: Vec<String>,
    /// What stood in the place of `callback_allow` before.
    allow_private_callbacks: Option<bool>,
    test_cards_only: bool,
    jobs_at_once: usize,
    callbacks_at_once: usize,
    callback_days: u32,
    admin_token: String,
    log: String,
    log_format: String,
}

/// The options, checked.
#[derive(Clone)]
pub struct Settings {
    pub listen: SocketAddr,
    pub location: Location,
    /// The keys that seal all other keys, the present one first.
    pub master_keys: Arc<KeyRing>,
    pub public_base_urls: Vec<String>,
    pub sandbox: bool,
    pub sandbox_host_delay: Duration,
    pub acquirer_timeout: Duration,
    /// Where callbacks may go beside public hosts.
    pub callback_allow: AllowList,
    pub test_cards_only: bool,
    pub jobs_at_once: usize,
    pub callbacks_at_once: usize,
    /// How many days a callback is kept that has ended.
    pub callback_days: u32,
    /// What operators prove themselves with; none shuts their door.
    pub admin_token: Option<String>,
    pub log: LogSettings,
}

/// How to log.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LogSettings {
    pub filter: String,
    pub json: bool,
}

impl Default for LogSettings {
    fn default() -> Self {
        Self { filter: "info".to_owned(), json: false }
    }
}

/// Everything that is wrong with the settings, a sentence each.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("the settings cannot be used:\n{}", .0.iter().map(|p| format!("  - {p}")).collect::<Vec<_>>().join("\n"))]
pub struct SettingsError(pub Vec<String>);

impl Settings {
    /// Reads the settings: defaults, then `file` if given, then the environment, then the
    /// database of the command line.
    ///
    /// # Errors
    /// All problems at once.
    pub fn load(file: Option<&Path>, database: Option<&str>) -> Result<Self, SettingsError> {
        let mut figment = Figment::from(Toml::string(DEFAULTS));
        if let Some(file) = file {
            figment = figment.merge(Toml::file_exact(file));
        }
        figment = figment.merge(environment());
        if let Some(key) = environment()
            .iter()
            .find_map(|(name, key)| (name.as_str() == "master_key").then_some(key))
        {
            // As it is written: a key such as 000…01 would be read as a number.
            figment = figment.merge(("master_key", key));
        }
        if let Some(database) = database {
            figment = figment.merge(("database", database));
        }
        let written: Written = figment.extract().map_err(|error| {
            SettingsError(error.into_iter().map(|problem| problem.to_string()).collect())
        })?;
        written.check()
    }

    /// The settings of `tillgate dev`: nothing to configure, everything allowed that a developer
    /// needs on one machine.
    #[must_use]
    pub fn for_dev(listen: SocketAddr, location: Location, master_key: SealingKey) -> Self {
        Self {
            listen,
            location,
            master_keys: Arc::new(KeyRing::of(master_key)),
            public_base_urls: Vec::new(),
            sandbox: true,
            sandbox_host_delay: Duration::ZERO,
            acquirer_timeout: Duration::from_secs(20),
            callback_allow: AllowList::loopback(),
            test_cards_only: true,
            jobs_at_once: 1024,
            callbacks_at_once: 4096,
            callback_days: 90,
            admin_token: Some(DEV_ADMIN_TOKEN.to_owned()),
            log: LogSettings::default(),
        }
    }
}

/// The environment's options. A misspelt one is refused; some that begin alike are not ours: the
/// control key is for `tillgate sale`, and clusters set `TILLGATE_PORT`, `TILLGATE_SERVICE_HOST`
/// and more where a service has this name.
fn environment() -> Env {
    Env::prefixed("TILLGATE_").filter(|name| {
        let name = name.as_str().to_ascii_lowercase();
        name != "control_key" && !name.starts_with("port") && !name.starts_with("service_")
    })
}

impl Written {
    fn check(self) -> Result<Settings, SettingsError> {
        let mut problems = Vec::new();
        let mut note = |problem: String| problems.push(problem);
        let listen = self.listen.parse();
        if listen.is_err() {
            note(format!("listen: {:?} is not ADDRESS:PORT", self.listen));
        }
        let location = Location::parse(&self.database);
        if location.is_none() {
            note("database: use sqlite:PATH or postgres://USER:PASSWORD@HOST/NAME".to_owned());
        }
        let master_keys = self.master_keys();
        if let Err(problem) = &master_keys {
            note(problem.clone());
        }
        if !(1..=ACQUIRER_TIMEOUT_MAX_MS).contains(&self.acquirer_timeout_ms) {
            note(format!("acquirer_timeout_ms: 1 to {ACQUIRER_TIMEOUT_MAX_MS}"));
        }
        if self.jobs_at_once == 0 || self.callbacks_at_once == 0 {
            note("jobs_at_once, callbacks_at_once: at least 1".to_owned());
        }
        if !(15..=3650).contains(&self.callback_days) {
            note("callback_days: 15 to 3650; attempts take up to 14".to_owned());
        }
        if (1..ADMIN_TOKEN_MIN).contains(&self.admin_token.len()) {
            note(format!(
                "admin_token: at least {ADMIN_TOKEN_MIN} characters (`openssl rand -hex 32`)"
            ));
        }
        let callback_allow = AllowList::parse(&self.callback_allow);
        if let Err(problem) = &callback_allow {
            note(format!("callback_allow: {problem}"));
        }
        if self.allow_private_callbacks.is_some() {
            note(
                "allow_private_callbacks: it is called callback_allow now, and names what is \
                 allowed: [] stands for false, [\"localhost\", \"127.0.0.0/8\", \"::1\"] lets \
                 callbacks go to this machine"
                    .to_owned(),
            );
        }
        if !matches!(self.log_format.as_str(), "text" | "json") {
            note("log_format: text or json".to_owned());
        }
        for url in &self.public_base_urls {
            let parsed = url::Url::parse(url);
            if !parsed.is_ok_and(|url| matches!(url.scheme(), "http" | "https")) {
                note(format!("public_base_urls: {url:?} is not https://HOST or http://HOST"));
            }
        }
        let (Ok(listen), Some(location), Ok(master_keys), Ok(callback_allow), true) =
            (listen, location, master_keys, callback_allow, problems.is_empty())
        else {
            return Err(SettingsError(problems));
        };
        Ok(Settings {
            listen,
            location,
            master_keys: Arc::new(master_keys),
            public_base_urls: self.public_base_urls,
            sandbox: self.sandbox,
            sandbox_host_delay: Duration::from_millis(self.sandbox_host_delay_ms),
            acquirer_timeout: Duration::from_millis(self.acquirer_timeout_ms),
            callback_allow,
            test_cards_only: self.test_cards_only,
            jobs_at_once: self.jobs_at_once,
            callbacks_at_once: self.callbacks_at_once,
            callback_days: self.callback_days,
            admin_token: Some(self.admin_token).filter(|token| !token.is_empty()),
            log: LogSettings { filter: self.log, json: self.log_format == "json" },
        })
    }

    fn master_keys(&self) -> Result<KeyRing, String> {
        let text = if self.master_key.is_empty() && !self.master_key_file.is_empty() {
            std::fs::read_to_string(&self.master_key_file)
                .map_err(|error| format!("master_key_file: {}: {error}", self.master_key_file))?
        } else {
            self.master_key.clone()
        };
        if text.is_empty() {
            return Err(
                "master_key: there is none. Make one with `openssl rand -hex 32` and give \
                        it as TILLGATE_MASTER_KEY, or name a file that holds it as \
                        TILLGATE_MASTER_KEY_FILE. Keep it: without it nothing sealed in the \
                        database can be opened"
                    .to_owned(),
            );
        }
        KeyRing::from_lines(&text).map_err(|_| {
            "master_key: use 64 hex digits (`openssl rand -hex 32`), in a file one key in a line"
                .to_owned()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(text: &str) -> Result<Settings, SettingsError> {
        let figment = Figment::from(Toml::string(DEFAULTS)).merge(Toml::string(text));
        figment.extract::<Written>().expect("the settings can be read").check()
    }

    #[test]
    fn without_a_master_key_the_settings_say_how_to_make_one() {
        let Err(SettingsError(problems)) = load("") else { panic!("no key was needed") };
        assert_eq!(problems.len(), 1);
        assert!(problems[0].contains("openssl rand -hex 32"), "{problems:?}");
    }

    #[test]
    fn all_problems_are_reported_at_once() {
        let Err(SettingsError(problems)) =
            load("listen = 'x'\ndatabase = 'y'\nlog_format = 'z'\njobs_at_once = 0")
        else {
            panic!("nothing was wrong")
        };
        assert_eq!(problems.len(), 5, "{problems:?}");
    }

    #[test]
    fn who_still_writes_allow_private_callbacks_is_told_what_to_write() {
        for before in ["true", "false"] {
            let text =
                format!("allow_private_callbacks = {before}\ncallback_allow = ['10.0.0.1/8']");
            let Err(SettingsError(problems)) = load(&text) else { panic!("it was taken") };
            let named = |name: &str| problems.iter().any(|problem| problem.starts_with(name));
            assert!(named("allow_private_callbacks: "), "{problems:?}");
            assert!(named("callback_allow: \"10.0.0.1/8\" is no host"), "{problems:?}");
        }
    }

    #[test]
    fn a_key_is_all_that_the_defaults_lack() {
        let key = "00".repeat(32);
        let settings = load(&format!("master_key = '{key}'")).unwrap_or_else(|e| panic!("{e}"));
        assert!(!settings.sandbox && settings.callback_allow == AllowList::default());
        assert_eq!(settings.listen.port(), 8080);
    }
}
