//! Mistakes with what is hashed: a field too few or too many, or the formula of another command.

use super::Finding;
use super::formula::{Command, MINOR_UNITS, signed_amount};
use super::recipe::{Part, Recipe};
use super::search::{Known, Mistake};

/// A longer value is not tried as one too many.
const EXTRA_MAX: usize = 256;

/// A field left out, or another command's formula.
pub(super) fn mistakes(recipe: &Recipe, known: &Known<'_>) -> Vec<Mistake> {
    let mut found: Vec<_> = other_formulas(recipe, known);
    for (place, part) in recipe.parts.iter().enumerate() {
        if part.is_key || part.is_empty() {
            continue;
        }
        let mut parts = recipe.parts.clone();
        parts.remove(place);
        found.push(Mistake {
            finding: Finding::LeftOut,
            wrong: format!("{} was not hashed", part.name),
            change: format!("hash {}", known.right().names()),
            recipe: recipe.of(parts),
        });
    }
    found
}

/// The id of an end point or a group, which the address has and the formula has not.
pub(super) fn endpoints(recipe: &Recipe, known: &Known<'_>) -> Vec<Mistake> {
    let ids = known.case.endpoints.iter();
    ids.flat_map(|id| with_endpoint(recipe, known, *id)).collect()
}

/// A field that was sent and does not belong to the formula, at any place.
pub(super) fn extra(recipe: &Recipe, known: &Known<'_>) -> Vec<Mistake> {
    let belongs = |name: &str| recipe.parts.iter().any(|part| part.name == name);
    let others = known.sent.fields().iter().filter(|field| {
        let value = field.value.trim();
        field.name != "control"
            && !belongs(&field.name)
            && !value.is_empty()
            && value.len() <= EXTRA_MAX
    });
    let mut found = Vec::new();
    for field in others {
        for place in 0..=recipe.parts.len() {
            let mut parts = recipe.parts.clone();
            parts.insert(place, Part::value(&field.name, field.value.trim()));
            found.push(Mistake {
                finding: Finding::ExtraField,
                wrong: format!("{} was hashed, too", field.name),
                change: format!("hash {} and nothing else", known.right().names()),
                recipe: recipe.of(parts),
            });
        }
    }
    found
}

fn other_formulas(recipe: &Recipe, known: &Known<'_>) -> Vec<Mistake> {
    let right = known.right();
    let Some(key) = recipe.parts.iter().find(|part| part.is_key) else {
        return Vec::new();
    };
    let of_command = |command: Command| {
        let amount = signed_amount(command, known.sent).ok().flatten();
        let made = command.recipe(known.sent, amount, "");
        let made = made.map(|part| part.is_key.then(|| key.clone()));
        Mistake {
            finding: Finding::OtherFormula,
            wrong: format!("the control is made as for the command {}", command.name()),
            change: format!("hash {}", right.names()),
            recipe: recipe.of(made.parts),
        }
    };
    let others = Command::ALL.into_iter().filter(|command| *command != known.case.command);
    others.map(of_command).filter(|mistake| !mistake.recipe.is_like(recipe)).collect()
}

fn with_endpoint(recipe: &Recipe, known: &Known<'_>, id: i64) -> Vec<Mistake> {
    let endpoint = Part::value("end point id", &id.to_string());
    let change = format!("hash {}, without the end point", known.right().names());
    let mistake = |finding, wrong: &str, parts| Mistake {
        finding,
        wrong: format!("{wrong} ({id})"),
        change: change.clone(),
        recipe: recipe.of(parts),
    };
    let mut first = recipe.parts.clone();
    first.insert(0, endpoint.clone());
    let mut found = vec![mistake(
        Finding::EndpointFirst,
        "the id of the end point or group was hashed first",
        first,
    )];
    if recipe.parts.first().is_some_and(|part| part.name == "login") {
        let mut instead = recipe.parts.clone();
        instead[0] = endpoint.clone();
        let wrong = "the id of the end point or group was hashed where the login belongs";
        found.push(mistake(Finding::EndpointInsteadOfLogin, wrong, instead));
    }
    let field = |name: &str| Part::value(name, known.sent.value(name));
    let amount = signed_amount(Command::Return, known.sent).ok().flatten();
    let minor = amount.map(|amount| amount.minor().to_string()).unwrap_or_default();
    let mut sale = vec![endpoint, field("client_orderid")];
    sale.extend([Part::value(MINOR_UNITS, &minor), field("email")]);
    sale.extend(recipe.parts.iter().find(|part| part.is_key).cloned());
    found.push(mistake(Finding::SaleFormula, "the control is made as for a sale form", sale));
    found
}
