//! Operators and what each of them may do.

use super::Millis;

/// The operator whose token stands in the settings.
pub const ROOT: &str = "root";
/// Who a call is from that proves nothing.
pub const NOBODY: &str = "nobody";
/// The longest name of an operator.
const NAME_MAX: usize = 32;

/// What somebody is trusted with.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Role {
    /// Looks at everything that is no secret.
    Viewer,
    /// Runs the shop: readers, gates, orders, callback addresses.
    Operator,
    /// Handles keys, and nothing else. Only custodians give components and move key blocks.
    Custodian,
    /// Everything but to move keys, other operators included.
    Admin,
}

/// What a call does, as far as roles care.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Action {
    /// Changes nothing.
    Read,
    /// Readers, gates, orders, callback addresses.
    Operate,
    /// Makes key sets, begins ceremonies, injects in the clear, rotates control keys.
    HandleKeys,
    /// Gives components, takes in and hands out keys as key blocks.
    MoveKeys,
    /// Merchants, groups, endpoints, operators.
    Govern,
}

impl Role {
    /// Every role there is.
    pub const ALL: [Self; 4] = [Self::Viewer, Self::Operator, Self::Custodian, Self::Admin];

    /// The stored and shown spelling.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Operator => "operator",
            Self::Custodian => "custodian",
            Self::Admin => "admin",
        }
    }

    /// The role of this spelling.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.name() == name)
    }

    /// Whether somebody in this role may do that.
    #[must_use]
    pub fn may(self, action: Action) -> bool {
        match action {
            Action::Read => true,
            Action::Operate => matches!(self, Self::Operator | Self::Admin),
            Action::HandleKeys => matches!(self, Self::Custodian | Self::Admin),
            // An admin who may do this, too, would be both custodians with two tokens at hand, and
            // know a transport key whole. Making somebody a custodian is left, and the log has it.
            Action::MoveKeys => self == Self::Custodian,
            Action::Govern => self == Self::Admin,
        }
    }
}

/// Somebody who may use the operators' door.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Operator {
    pub name: String,
    pub role: Role,
    /// A name stays taken, so that the audit log always means the same person.
    pub enabled: bool,
    pub created_at: Millis,
}

/// Whether an operator may be called so: small letters, digits, and `.`, `-`, `_` after the first
/// character; nobody takes a name that means somebody else.
#[must_use]
pub fn is_operator_name(name: &str) -> bool {
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    let marks = |b: u8| matches!(b, b'.' | b'-' | b'_');
    (1..=NAME_MAX).contains(&name.len())
        && name.bytes().enumerate().all(|(place, b)| plain(b) || (place > 0 && marks(b)))
        && ![ROOT, NOBODY].contains(&name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_role_may_what_it_is_for() {
        let may = |role: Role| {
            let actions = [Action::Read, Action::Operate, Action::HandleKeys, Action::Govern];
            actions.map(|action| role.may(action))
        };
        assert_eq!(may(Role::Viewer), [true, false, false, false]);
        assert_eq!(may(Role::Operator), [true, true, false, false]);
        assert_eq!(may(Role::Custodian), [true, false, true, false]);
        assert_eq!(may(Role::Admin), [true; 4]);
        let movers = Role::ALL.into_iter().filter(|role| role.may(Action::MoveKeys));
        assert_eq!(movers.collect::<Vec<_>>(), [Role::Custodian]);
    }

    #[test]
    fn every_role_is_found_by_its_name() {
        for role in Role::ALL {
            assert_eq!(Role::from_name(role.name()), Some(role));
        }
        assert_eq!(Role::from_name("root"), None);
    }

    #[test]
    fn names_are_plain_and_mean_one_person() {
        for good in ["anna", "a", "anna.b-2_c", "7"] {
            assert!(is_operator_name(good), "{good}");
        }
        for bad in ["", "Anna", ".anna", "an na", "root", "nobody", &"a".repeat(33), "änna"] {
            assert!(!is_operator_name(bad), "{bad}");
        }
    }
}
