//! Why a `control` does not agree: what is hashed, in which order, and the first difference.
//!
//! The control is made anew with each known mistake, and with two of the commonest at once; the
//! mistake that makes the control that was given is the one that was made.
//!
//! Whoever asks must not learn how to sign. So the key is masked, and no digest that holds the key
//! is told unless it was given. No trial asks for a part of the key or of the control: "the key
//! without its last character" would tell whether a guess of one character is right.

mod finding;
mod formula;
mod mask;
mod of_amount;
mod of_digest;
mod of_fields;
mod of_key;
mod of_order;
mod of_text;
mod of_values;
mod recipe;
mod search;
mod sent;
#[cfg(test)]
mod tests;
mod written;

pub use finding::Finding;
pub use formula::Command;

use super::sign::{control_matches, secrets_match};
use formula::{check, signed_amount};
use mask::{hidden, masked};
use search::Known;
use sent::Sent;
use zeroize::Zeroizing;

/// What is to be explained, and all that is known about whose it is.
pub struct Case<'a> {
    pub command: Command,
    /// The form, or the callback's address or query, exactly as it was sent.
    pub text: &'a str,
    /// Of a callback: the control that the merchant computed.
    pub computed: Option<&'a str>,
    /// Whose key it is, if it is known.
    pub login: Option<&'a str>,
    /// The merchant's control key.
    pub key: &'a str,
    pub previous: Option<PreviousKey<'a>>,
    /// Ids of the merchant's end points and groups, as they stand in addresses; some, if there are
    /// many, since each is tried with everything else.
    pub endpoints: &'a [i64],
}

/// The control key before the present one.
#[derive(Clone, Copy)]
pub struct PreviousKey<'a> {
    pub key: &'a str,
    /// Whether it still proves who calls.
    pub is_good: bool,
}

/// What was found.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Diagnosis {
    pub finding: Finding,
    /// What is hashed.
    pub says: String,
    /// What is wrong with the control.
    pub wrong: String,
    /// What to change.
    pub change: String,
    /// What else there is to know.
    pub facts: Vec<String>,
}

/// What is wrong, as soon as it is found.
#[derive(Debug)]
struct Fault {
    finding: Finding,
    wrong: String,
    change: String,
}

impl Fault {
    fn new(finding: Finding, wrong: impl Into<String>, change: impl Into<String>) -> Self {
        Self { finding, wrong: wrong.into(), change: change.into() }
    }

    /// We sign callbacks rightly: what came is not what was sent, or somebody else sent it.
    fn of_callback(self) -> Self {
        let wrong = format!("of the control that came: {}", self.wrong);
        let change = "do not trust this callback, but ask for the order's status; see whether a \
                      proxy or the log changed the address, and whether the login is the right one";
        Self::new(self.finding, wrong, change)
    }
}

impl Diagnosis {
    /// What is told of a login that nobody registered.
    #[must_use]
    pub fn of_unknown_login(login: &str) -> Self {
        Self {
            finding: Finding::LoginUnknown,
            says: "a control of a merchant that is not known".to_owned(),
            wrong: format!("no merchant has the login {login:?}"),
            change: "give the login as the merchant was given it; letters' case counts".to_owned(),
            facts: Vec::new(),
        }
    }
}

/// Looks for what is wrong with a control.
#[must_use]
pub fn diagnose(case: &Case<'_>) -> Diagnosis {
    let mut facts = Vec::new();
    let well = || Fault::new(Finding::AllIsWell, "nothing", "nothing, as far as the control goes");
    let fault = examine(case, &mut facts).err().unwrap_or_else(well);
    // Somebody may have sent the key in a field, so it is looked for in all that is told.
    let told = |text: String| {
        let text = hidden(&text, case.key);
        case.previous.map_or(text.clone(), |previous| hidden(&text, previous.key))
    };
    Diagnosis {
        finding: fault.finding,
        says: told(what_it_is(case)),
        wrong: told(fault.wrong),
        change: told(fault.change),
        facts: facts.into_iter().map(told).collect(),
    }
}

/// The control that belongs to the form: for whoever holds the key anyway, and for nobody else.
/// `None` if the form is refused before its control is looked at.
#[must_use]
pub fn right_control(case: &Case<'_>) -> Option<Zeroizing<String>> {
    let sent = Sent::read(case.text).ok()?;
    let amount = signed_amount(case.command, &sent).ok()?;
    let recipe = case.command.recipe(&sent, amount, case.key);
    Some(Zeroizing::new(hex::encode(recipe.made())))
}

fn what_it_is(case: &Case<'_>) -> String {
    match case.command {
        Command::Callback => "the control of a callback, made with SHA-1".to_owned(),
        command => format!("the control of the command {}, made with SHA-1", command.name()),
    }
}

fn examine(case: &Case<'_>, facts: &mut Vec<String>) -> Result<(), Fault> {
    let sent = Sent::read(case.text)?;
    check(case.command, &sent)?;
    check_login(case, &sent)?;
    let amount = signed_amount(case.command, &sent)?;
    let known = Known { case, sent: &sent, amount };
    tell_right(&known, facts);
    let control = sent.value("control");
    match case.command {
        Command::Callback => callback(&known, control, facts),
        _ => judge(&known, control, facts),
    }
}

fn check_login(case: &Case<'_>, sent: &Sent) -> Result<(), Fault> {
    let asked = case.login.filter(|_| case.command != Command::Callback);
    match (asked, sent.value("login")) {
        (Some(asked), named) if asked != named => Err(Fault::new(
            Finding::LoginDiffers,
            format!("the form names the login {named:?}; you asked about {asked:?}"),
            format!("ask about {named:?}, or send the login {asked:?}"),
        )),
        _ => Ok(()),
    }
}

fn tell_right(known: &Known<'_>, facts: &mut Vec<String>) {
    let (case, right) = (known.case, known.right());
    facts.push(format!("to be hashed: {}", right.names()));
    facts.push(format!("with the key masked: {}", right.told()));
    for part in right.parts.iter().filter(|part| !part.is_key) {
        facts.push(match part.is_empty() {
            true => format!("{}: not sent, so it adds nothing", part.name),
            false => format!("{}: {:?}", part.name, part.text()),
        });
    }
    let count = case.key.chars().count();
    facts.push(format!("control key: {:?}, {count} characters", masked(case.key)));
}

/// A callback has a control of ours; the merchant may have computed another.
fn callback(known: &Known<'_>, came: &str, facts: &mut Vec<String>) -> Result<(), Fault> {
    let right = Zeroizing::new(hex::encode(known.right().made()));
    let computed = known.case.computed.map(str::trim);
    for (whose, control) in [("came", Some(came)), ("was computed", computed)] {
        let judged = control.map(|control| control_matches(&right, control));
        let told = judged.map(|is_right| if is_right { "right" } else { "wrong" });
        facts.extend(told.map(|told| format!("the control that {whose} is {told}")));
    }
    judge(known, came, facts).map_err(Fault::of_callback)?;
    let Some(computed) = computed else {
        return Ok(());
    };
    judge(known, computed, facts)?;
    if secrets_match(&right, computed) {
        return Ok(());
    }
    Err(Fault::new(
        Finding::UpperCase,
        "the control that was computed is right, but in upper-case digits; ours are lower-case",
        "compare the two without regard to case",
    ))
}

/// Whether the control is right, and if not, by which mistake it was made.
fn judge(known: &Known<'_>, control: &str, facts: &mut Vec<String>) -> Result<(), Fault> {
    let (case, right) = (known.case, known.right());
    if control_matches(&hex::encode(right.made()), control) {
        return Ok(());
    }
    // Callbacks are signed with the present key, whichever others still prove who calls.
    let previous = case.previous.filter(|key| key.is_good && case.command != Command::Callback);
    if let Some(previous) = previous {
        let made = case.command.recipe(known.sent, known.amount, previous.key).made();
        if control_matches(&hex::encode(made), control) {
            facts.push("it is made with the previous key, which is still good".to_owned());
            return Ok(());
        }
    }
    unhashed(known, control)?;
    Err(match search::search(known, &right, control) {
        Some(found) => found.told(facts),
        None => nothing_fits(known, control, facts),
    })
}

fn unhashed(known: &Known<'_>, control: &str) -> Result<(), Fault> {
    let fault = |finding, wrong: &str| {
        Err(Fault::new(finding, wrong, "send the SHA-1 of the text, as 40 hexadecimal digits"))
    };
    let right = known.right();
    let text: String = right.parts.iter().map(recipe::Part::text).collect();
    if control_matches(known.case.key, control) {
        return fault(Finding::ControlIsKey, "the control is the control key itself");
    }
    match secrets_match(&Zeroizing::new(text), control) {
        true => fault(Finding::ControlIsText, "the control is the text, not its digest"),
        false => Ok(()),
    }
}

fn nothing_fits(known: &Known<'_>, control: &str, facts: &mut Vec<String>) -> Fault {
    let (digest, bytes) = known.right().without_key();
    facts.push(format!("without the key it is {bytes} bytes, whose SHA-1 is {digest}"));
    let length = control.chars().count();
    let is_hex = control.bytes().all(|byte| byte.is_ascii_hexdigit());
    match length {
        32 if is_hex => Fault::new(
            Finding::Md5,
            "the control has 32 digits, as MD5 has",
            "use SHA-1, which has 40 digits",
        ),
        40 if is_hex => Fault::new(
            Finding::NothingFits,
            "no known mistake makes this control: it was made with another key, or over other \
             values than those sent",
            "print the text just before it is hashed, and compare it with the facts, value by \
             value, then the ends and the length of the key; or hash it without the key, and \
             compare with the SHA-1 among the facts",
        ),
        _ => Fault::new(
            Finding::ControlLength,
            format!("the control has {length} characters; SHA-1 in hexadecimal digits has 40"),
            "send the whole SHA-1 as 40 hexadecimal digits",
        ),
    }
}
