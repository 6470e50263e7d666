//! The arguments: our own, and those of the ordinary test harness, which `cargo test` passes to
//! every test program.

use crate::child::Role;

/// How thorough a run is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Length {
    Short,
    Long,
}

impl Length {
    pub fn count(self, short: usize, long: usize) -> usize {
        match self {
            Self::Short => short,
            Self::Long => long,
        }
    }
}

/// Flags of the ordinary harness that take a value, and mean nothing here.
const IGNORED_WITH_VALUE: [&str; 5] = ["--test-threads", "--format", "--color", "--logfile", "-Z"];

pub struct Arguments {
    pub length: Length,
    pub list: bool,
    /// The part of a child, and its orders.
    pub role: Option<(Role, String)>,
    exact: bool,
    /// Only the ignored ones are wanted, and there are none.
    only_ignored: bool,
    names: Vec<String>,
    skipped: Vec<String>,
}

impl Arguments {
    pub fn read(mut arguments: impl Iterator<Item = String>) -> Self {
        let mut read = Self {
            length: Length::Short,
            list: false,
            role: None,
            exact: false,
            only_ignored: false,
            names: Vec::new(),
            skipped: Vec::new(),
        };
        while let Some(argument) = arguments.next() {
            match argument.as_str() {
                "--long" => read.length = Length::Long,
                "--list" => read.list = true,
                "--exact" => read.exact = true,
                "--ignored" => read.only_ignored = true,
                "--skip" => read.skipped.extend(arguments.next()),
                flag if IGNORED_WITH_VALUE.contains(&flag) => drop(arguments.next()),
                flag if flag.starts_with('-') => {
                    let role = Role::from_name(flag);
                    read.role = read.role.or_else(|| role.zip(arguments.next()));
                }
                _ => read.names.push(argument),
            }
        }
        read
    }

    /// Whether a fault is to be played.
    pub fn choose(&self, fault: &str) -> bool {
        let fits = |name: &String| match self.exact {
            true => fault == name,
            false => fault.contains(name.as_str()),
        };
        let named = self.names.is_empty() || self.names.iter().any(fits);
        named && !self.only_ignored && !self.skipped.iter().any(fits)
    }
}
