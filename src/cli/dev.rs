//! `tillgate dev`: gateway and sandbox in seconds, nothing to configure, nothing to install.

use super::sandbox_terminals::{
    ReadyTerminal, enrol_terminals, is_inside_a_terminal, ready_terminals,
};
use super::{StopSignal, forbid_core_dumps};
use crate::app::{App, Start};
use crate::clock::{Clock, Entropy};
use crate::crypto::seal::SealingKey;
use crate::doors::docs::DOCS_PATH;
use crate::doors::sandbox::INBOX_PATH;
use crate::gateway::{AllowList, Failure, Gateway, NewKeySet, RegistryError};
use crate::payment::ids::{EndpointId, GroupId, KeySetId, MerchantId, ReaderId};
use crate::payment::key_set::{AesLength, Cipher, DataVariant};
use crate::payment::ksn::Ksn;
use crate::payment::limits::Limits;
use crate::payment::merchant::{Endpoint, Terms};
use crate::payment::money::Currency;
use crate::payment::pin_format::PinFormat;
use crate::payment::reader::{Reader, ReaderKind, ReaderState};
use crate::sandbox::scenario::ENDINGS;
use crate::settings::{LogSettings, Settings};
use crate::store::Location;
use crate::telemetry;
use anyhow::Context;
use clap::Args;
use serde::Serialize;
use std::io::Write;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

/// The merchant of the sandbox.
pub(super) const LOGIN: &str = "sandbox";
const MERCHANT: MerchantId = MerchantId(1);
const GROUP: GroupId = GroupId(11);
/// The endpoints of the group; the first is the one that examples use.
const ENDPOINTS: [(EndpointId, &str); 5] = [
    (EndpointId(1111), "RUB"),
    (EndpointId(1112), "EUR"),
    (EndpointId(1113), "USD"),
    (EndpointId(1114), "SEK"),
    (EndpointId(1115), "MYR"),
];
/// The key sets: number, what opens their KSNs, how they encrypt.
const KEY_SETS: [(KeySetId, &[u8], Cipher); 4] = [
    (KeySetId(1), &[0xFF, 0xFF, 0x01], Cipher::AesGcm),
    (KeySetId(2), &[0xFF, 0xFF, 0x02], Cipher::TdesDukpt(DataVariant::DataRequest)),
    (KeySetId(3), &[0xFF, 0xFF, 0x03], Cipher::TdesDukpt(DataVariant::Pin)),
    (KeySetId(4), &[0xFF, 0xFF, 0x04, 0x01], Cipher::AesDukpt(AesLength::Aes128)),
];
/// The virtual readers: serial, kind, and the place of their key set.
const READERS: [(&str, ReaderKind, usize); 8] = [
    ("10000462", ReaderKind::Sim, 0),
    ("10000463", ReaderKind::Sim, 0),
    ("10000464", ReaderKind::Sim, 0),
    ("20000001", ReaderKind::Spire, 1),
    ("20000002", ReaderKind::Spire, 3),
    ("30000001", ReaderKind::Miura, 2),
    ("30000002", ReaderKind::Miura, 1),
    ("40000001", ReaderKind::QrCode, 0),
];

/// The least and the most that a sandbox sale may be, in minor units.
const AMOUNT_LIMITS_MINOR: (i64, i64) = (1, 9_999_999_999);

#[derive(Args)]
pub(super) struct DevArguments {
    /// The port on 127.0.0.1; 0 takes any free one
    #[arg(long, default_value_t = 8080)]
    port: u16,
    /// The database: `sqlite:PATH` or `postgres://USER:PASSWORD@HOST/NAME`
    #[arg(long, default_value = "sqlite:tillgate.db", conflicts_with = "ephemeral")]
    db: String,
    /// Use a temporary database and forget it at the end
    #[arg(long)]
    ephemeral: bool,
    /// Print one line of JSON when ready, and nothing else, to standard output
    #[arg(long)]
    json: bool,
    /// How long the sandbox's acquirer host thinks before it answers, in milliseconds
    #[arg(long, default_value_t = 0)]
    host_delay_ms: u64,
    /// Take any card number, not published test cards only. Never hold a real card to the sandbox
    #[arg(long)]
    any_card: bool,
    /// Let callbacks go there, too: a name, an address, or a network as ADDRESS/BITS, beside public
    /// hosts and this machine. May be given several times
    #[arg(long, value_name = "HOST")]
    callback_allow: Vec<String>,
    /// How much to log to standard error: error, warn, info, debug
    #[arg(long, default_value = "info")]
    log: String,
}

pub(super) async fn run(arguments: DevArguments) -> anyhow::Result<()> {
    telemetry::start_logs(&LogSettings { filter: arguments.log.clone(), json: false })?;
    let mut stop = StopSignal::listen()?;
    forbid_core_dumps();
    let entropy = Entropy::system()?;
    let temporary = arguments.ephemeral.then(|| TemporaryFolder::make(&entropy)).transpose()?;
    let location = match &temporary {
        Some(folder) => Location::Sqlite(folder.0.join("tillgate.db")),
        None => Location::parse(&arguments.db)
            .context("--db: use sqlite:PATH or postgres://USER:PASSWORD@HOST/NAME")?,
    };
    let master_key = development_key(&location, &entropy)?;
    let listen = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), arguments.port);
    let mut settings = Settings::for_dev(listen, location, master_key);
    settings.sandbox_host_delay = std::time::Duration::from_millis(arguments.host_delay_ms);
    settings.test_cards_only = !arguments.any_card;
    let allowed = AllowList::parse(&arguments.callback_allow).context("--callback-allow")?;
    settings.callback_allow = settings.callback_allow.and(&allowed);
    let start = Start {
        clock: Clock::sandbox(),
        entropy: entropy.clone(),
        workers: true,
        sandbox_login: Some(LOGIN.to_owned()),
        acquirer: None,
        key_store: None,
    };
    let app = App::start(settings, start).await?;
    let base_url = format!("http://{}", app.address());
    let ready = enrol_sandbox(app.gateway(), &entropy, &base_url).await?;
    match arguments.json {
        true => print(&format!("{}\n", serde_json::to_string(&ready)?))?,
        false => print(&welcome(&ready))?,
    }
    stop.received().await;
    app.stop().await;
    Ok(())
}

fn print(text: &str) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()?;
    Ok(())
}

/// What `--json` prints when the sandbox is ready.
#[derive(Clone, Serialize, serde::Deserialize)]
pub struct ReadyLine {
    pub base_url: String,
    pub docs_url: String,
    pub endpoint_id: String,
    pub group_id: String,
    pub login: String,
    pub control_key: String,
    pub readers: Vec<ReadyReader>,
    /// The payment terminals that points of sale can speak to.
    pub terminals: Vec<ReadyTerminal>,
    pub callback_inbox_url: String,
}

/// A virtual reader in the ready line, with all that an outside tool needs to play it. Keys are
/// shown because nothing real is ever sealed with them.
#[derive(Clone, Serialize, serde::Deserialize)]
pub struct ReadyReader {
    pub serial: String,
    /// Its `encrypted-type`.
    #[serde(rename = "type")]
    pub kind: String,
    /// `aes-gcm`, `tdes-dukpt`, `aes128-dukpt`, `aes192-dukpt` or `aes256-dukpt`.
    pub cipher: String,
    /// Which working key seals card data: `data-request` or `pin`; none for `aes-gcm`.
    pub variant: Option<String>,
    /// The base derivation key of its key set, hexadecimal.
    pub bdk: String,
    /// Its KSN with a counter of zero, hexadecimal.
    pub ksn_prefix: String,
    /// The first counter that the gateway has not seen.
    pub next_counter: u32,
}

/// Enrols the sandbox merchant with its endpoints and readers, unless the database has them, and
/// answers what callers need to know.
///
/// # Errors
/// When the database cannot be written, or is another gateway's.
pub async fn enrol_sandbox(
    gateway: &Gateway,
    entropy: &Entropy,
    base_url: &str,
) -> anyhow::Result<ReadyLine> {
    enrol_what_is_missing(gateway, entropy).await.context("cannot enrol the sandbox merchant")?;
    let merchant = gateway.merchant_by_login(LOGIN).await?;
    let merchant = merchant.context("the sandbox merchant cannot be found after enrolling")?;
    let mut readers = Vec::new();
    // The base keys of other sets are somebody's own, and not told.
    let is_ours = |reader: &Reader| {
        KEY_SETS.iter().any(|(id, ..)| *id == reader.key_set) && !is_inside_a_terminal(reader)
    };
    for reader in gateway.readers_of(merchant.id).await?.into_iter().filter(is_ours) {
        readers.push(ready_reader(gateway, reader).await?);
    }
    Ok(ReadyLine {
        base_url: base_url.to_owned(),
        docs_url: format!("{base_url}{DOCS_PATH}"),
        endpoint_id: ENDPOINTS[0].0.to_string(),
        group_id: GROUP.to_string(),
        login: merchant.login.clone(),
        control_key: merchant.control_key.to_string(),
        readers,
        terminals: ready_terminals(),
        callback_inbox_url: format!("{base_url}{INBOX_PATH}"),
    })
}

async fn ready_reader(gateway: &Gateway, reader: Reader) -> Result<ReadyReader, Failure> {
    let last = u32::try_from(reader.last_counter).unwrap_or(u32::MAX);
    Ok(ReadyReader {
        kind: reader.kind.name().to_owned(),
        cipher: reader.cipher.name().to_owned(),
        variant: reader.cipher.variant().map(str::to_owned),
        bdk: gateway.sandbox_base_key(reader.key_set).await?.to_string(),
        ksn_prefix: reader.initial_ksn.to_string(),
        next_counter: reader.cipher.next_counter(last).unwrap_or(last),
        serial: reader.serial,
    })
}

/// Each piece by itself, so that an enrolment that was cut short is completed the next time.
async fn enrol_what_is_missing(gateway: &Gateway, entropy: &Entropy) -> Result<(), RegistryError> {
    if gateway.merchant_by_login(LOGIN).await?.is_none() {
        gateway.enrol_merchant(MERCHANT, LOGIN, &entropy.uuid().to_uppercase()).await?;
    }
    if gateway.group_owner(GROUP).await?.is_none() {
        gateway.enrol_group(GROUP, MERCHANT).await?;
    }
    for (place, (id, currency)) in ENDPOINTS.into_iter().enumerate() {
        if gateway.endpoint(id).await?.is_none() {
            gateway.enrol_endpoint(&sandbox_endpoint(id, currency, place)?).await?;
        }
    }
    for (id, prefix, cipher) in KEY_SETS {
        if !gateway.has_key_set(id).await? {
            let fresh = Zeroizing::new(entropy.bytes::<32>());
            let base_key = fresh.get(..cipher.base_key_len()).unwrap_or_default();
            let pin_formats: Vec<_> =
                PinFormat::ALL.into_iter().filter(|format| cipher.carries(*format)).collect();
            let pin_formats = pin_formats.as_slice();
            gateway.enrol_key_set(NewKeySet { id, prefix, cipher, pin_formats, base_key }).await?;
        }
    }
    for (number, (serial, kind, key_set)) in (1_u32..).zip(READERS) {
        if gateway.reader(serial).await?.is_none() {
            gateway.enrol_reader(&sandbox_reader(number, serial, kind, key_set)?).await?;
        }
    }
    enrol_terminals(gateway).await
}

fn sandbox_endpoint(id: EndpointId, currency: &str, place: usize) -> Result<Endpoint, Failure> {
    let currency = Currency::from_alpha(currency)
        .ok_or_else(|| Failure::Internal(format!("no currency {currency}")))?;
    Ok(Endpoint {
        id,
        merchant: MERCHANT,
        group: Some(GROUP),
        currency,
        enabled: true,
        strict_validation: false,
        callback_url: None,
        amount_limits_minor: AMOUNT_LIMITS_MINOR,
        terminal_id: format!("{:08}", 10_000_462 + place),
        descriptor: "TILLGATE SANDBOX".to_owned(),
        sandbox: true,
        terms: Terms { partial_capture: true, partial_reversal: true, ..Terms::default() },
        limits: Limits::default(),
    })
}

pub(super) fn sandbox_reader(
    number: u32,
    serial: &str,
    kind: ReaderKind,
    key_set: usize,
) -> Result<Reader, Failure> {
    let (key_set, prefix, cipher) = KEY_SETS[key_set];
    let initial_ksn = Ksn::of_device(cipher, prefix, number);
    Ok(Reader {
        id: ReaderId(number.into()),
        serial: serial.to_owned(),
        kind,
        merchant: MERCHANT,
        endpoint: None,
        group: Some(GROUP),
        key_set,
        cipher,
        key_set_prefix: prefix.to_vec(),
        initial_ksn: initial_ksn
            .ok_or_else(|| Failure::Internal(format!("reader {serial} has no KSN")))?,
        state: ReaderState::New,
        last_counter: 0,
        injected_at: None,
    })
}

fn welcome(ready: &ReadyLine) -> String {
    let program = program();
    let endings: Vec<_> =
        ENDINGS.iter().map(|(ending, meaning)| format!("  {ending}  {meaning}")).collect();
    let serials: Vec<_> = ready
        .readers
        .iter()
        .map(|reader| format!("{} ({}, {})", reader.serial, reader.kind, reader.cipher))
        .collect();
    let terminals: Vec<_> = ready
        .terminals
        .iter()
        .map(|terminal| format!("{} ({})", terminal.poi_id, terminal.dialect))
        .collect();
    format!(
        "\n\
         tillgate sandbox is ready at {base}\n\n\
         \x20 docs, try it out   {docs}\n\
         \x20 end point          {endpoint} (RUB), group {group} (RUB, EUR, USD, SEK, MYR)\n\
         \x20 login              {login}\n\
         \x20 control key        {key}\n\
         \x20 virtual readers    {readers}\n\
         \x20 terminals          {terminals}\n\
         \x20 callback inbox     {base}/sandbox/callbacks\n\n\
         A signed sale from here, in another terminal:\n\n\
         \x20 {program} sale --url {base} --endpoint {endpoint} --login {login} \
         --control-key {key} --reader {reader} --amount 10.42 --currency RUB \
         --callback-url {inbox}\n\n\
         A payment at a terminal:\n\n\
         \x20 {program} pos pay --url {base} --terminal {terminal} --amount 149.50\n\n\
         The last three digits of the amount in minor units decide (11.16 ends in 116):\n\n\
         {endings}\n\n\
         Ctrl-C stops.\n",
        base = ready.base_url,
        docs = ready.docs_url,
        endpoint = ready.endpoint_id,
        group = ready.group_id,
        login = ready.login,
        key = ready.control_key,
        readers = serials.join("\n                      "),
        terminals = terminals.join(", "),
        terminal = ready.terminals.first().map_or("?", |terminal| terminal.poi_id.as_str()),
        reader = ready.readers.first().map_or("?", |reader| reader.serial.as_str()),
        inbox = ready.callback_inbox_url,
        endings = endings.join("\n"),
    )
}

/// How the person at the keyboard can call this program again.
fn program() -> String {
    let here = std::env::current_dir().ok();
    let Ok(program) = std::env::current_exe() else {
        return "tillgate".to_owned();
    };
    let near = here.and_then(|here| program.strip_prefix(here).ok().map(Path::to_path_buf));
    match near {
        Some(near) => format!("./{}", near.display()),
        None => program.display().to_string(),
    }
}

/// The master key of a development database lies in a file beside it, made when first needed and
/// readable by its owner only.
fn development_key(location: &Location, entropy: &Entropy) -> anyhow::Result<SealingKey> {
    let path = match location {
        Location::Sqlite(path) => {
            let mut name = path.as_os_str().to_owned();
            name.push("-key");
            PathBuf::from(name)
        }
        Location::Postgres(_) => PathBuf::from("tillgate-dev.key"),
    };
    if !path.exists() {
        write_key(&path, entropy)
            .with_context(|| format!("cannot write the development key {}", path.display()))?;
    }
    let text = Zeroizing::new(
        std::fs::read_to_string(&path)
            .with_context(|| format!("cannot read the development key {}", path.display()))?,
    );
    SealingKey::from_hex(text.trim())
        .map_err(|_| anyhow::anyhow!("{} does not hold 64 hex digits", path.display()))
}

/// Writes a fresh key beside its place and links it there when it is whole, so that a process that
/// dies in between leaves no empty key behind, and of two processes the first one's key counts.
fn write_key(path: &Path, entropy: &Entropy) -> std::io::Result<()> {
    let fresh = Zeroizing::new(hex::encode(Zeroizing::new(entropy.bytes::<32>()).as_slice()));
    let mut aside = path.as_os_str().to_owned();
    aside.push(format!("-{}", entropy.uuid()));
    let aside = PathBuf::from(aside);
    let mut options = std::fs::OpenOptions::new();
    let mut file = options.write(true).create_new(true).mode(0o600).open(&aside)?;
    file.write_all(fresh.as_bytes())?;
    file.sync_all()?;
    let linked = std::fs::hard_link(&aside, path);
    std::fs::remove_file(&aside)?;
    match linked {
        Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => Err(error),
        _ => Ok(()),
    }
}

/// A folder that vanishes with its owner.
pub(super) struct TemporaryFolder(pub PathBuf);

impl TemporaryFolder {
    pub(super) fn make(entropy: &Entropy) -> anyhow::Result<Self> {
        let path = std::env::temp_dir().join(format!("tillgate-{}", entropy.uuid()));
        std::fs::create_dir(&path)
            .with_context(|| format!("cannot make a temporary folder {}", path.display()))?;
        Ok(Self(path))
    }
}

impl Drop for TemporaryFolder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
