//! The audit log: who called the operators' door, and how nobody can take that back.

use super::Millis;

/// The digest before the first row.
pub const FIRST_DIGEST: &str = "";
/// The status of a call that has begun: what it came to stands in a later row with its request id.
pub const BEGUN: u16 = 0;

/// One call, or the beginning of one.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Call {
    pub at: Millis,
    /// The operator's name.
    pub operator: String,
    /// Method and route, for example `POST /admin/v1/readers/{serial}/block`.
    pub action: String,
    /// The path that was asked for.
    pub subject: String,
    /// The HTTP status it was answered with, or [`BEGUN`].
    pub status: u16,
    pub request_id: String,
}

/// A row of the log.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AuditRow {
    /// Counted from 1, without a gap.
    pub id: i64,
    pub call: Call,
    /// Over this row and the digest of the row before.
    pub digest: String,
}

impl Call {
    /// What the digest of this call's row is made of, given its place and the row before.
    #[must_use]
    pub fn digested(&self, id: i64, previous: &str) -> [String; 8] {
        [
            previous.to_owned(),
            id.to_string(),
            self.at.to_string(),
            self.operator.clone(),
            self.action.clone(),
            self.subject.clone(),
            self.status.to_string(),
            self.request_id.clone(),
        ]
    }
}
