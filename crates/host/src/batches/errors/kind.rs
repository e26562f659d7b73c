//! In which way a job failed.

use std::{fmt, str::FromStr, sync::Arc};

use batchmill_core::{ErrorClass, JobResult, Status};
use serde::{Serialize, Serializer};
use xxhash_rust::xxh3::xxh3_64;

use super::alike;
use crate::summary::{clipped, one_line};

/// The longest message that is looked at, in characters.
pub(super) const MESSAGE_MAX: usize = 1_000;

/// Jobs of one kind failed alike.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Kind {
    pub(super) class: ErrorClass,
    pub(super) code: String,
    pub(super) node: Option<Arc<str>>,
    /// What the messages have in common.
    pub(super) message: String,
}

impl Kind {
    /// Of a job that ended by an error of its own; jobs that were stopped by others did not fail.
    pub(super) fn of(result: &JobResult) -> Option<Self> {
        let own = matches!(result.status, Status::Failed | Status::TimedOut | Status::Quarantined);
        let error = result.error.as_ref().filter(|_| own)?;
        let message = alike::common(&clipped(&one_line(&error.message), MESSAGE_MAX));
        Some(Self { class: error.class, code: error.code.to_string(), node: error.node.clone(), message })
    }

    /// The same in every batch, so that a script may name it.
    pub(super) fn id(&self) -> GroupId {
        let node = self.node.as_deref().map_or("-".to_owned(), |node| format!("+{node}"));
        // No part has the end of a line in it.
        GroupId(
            xxh3_64(format!("{}\n{}\n{node}\n{}", self.class, self.code, self.message).as_bytes()) >> GroupId::DROPPED,
        )
    }
}

/// The group of the jobs that failed alike: ten hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct GroupId(u64);

impl GroupId {
    const DIGITS: usize = 10;
    /// Bits of the hash that are left out.
    const DROPPED: usize = 64 - 4 * Self::DIGITS;

    /// Whether the job is one of the group.
    pub(crate) fn has(self, result: &JobResult) -> bool {
        Kind::of(result).is_some_and(|kind| kind.id() == self)
    }
}

impl fmt::Display for GroupId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:0width$x}", self.0, width = Self::DIGITS)
    }
}

impl FromStr for GroupId {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let digits = text.len() == Self::DIGITS && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        let number = u64::from_str_radix(text, 16).ok().filter(|_| digits);
        number.map(Self).ok_or_else(|| "a group is ten hexadecimal digits, as `batchmill errors` shows them".to_owned())
    }
}

impl Serialize for GroupId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(node: Option<&str>, message: &str) -> Kind {
        let code = "exit_status".to_owned();
        Kind { class: ErrorClass::Transient, code, node: node.map(Into::into), message: message.to_owned() }
    }

    #[test]
    fn an_id_is_the_same_today_and_tomorrow_and_reads_back() {
        let id = kind(Some("fetch"), "exited with status #").id();
        assert_eq!(id.to_string().parse(), Ok(id));
        assert_eq!(id.to_string(), "58be3e2826", "scripts keep it");
        assert_eq!(GroupId(7).to_string(), "0000000007");
    }

    #[test]
    fn kinds_that_differ_in_anything_have_other_ids() {
        let kinds = [kind(None, "x"), kind(Some("-"), "x"), kind(Some("a"), "x"), kind(Some("a"), "y")];
        let ids: std::collections::HashSet<_> = kinds.iter().map(Kind::id).collect();
        assert_eq!(ids.len(), kinds.len());
    }

    #[test]
    fn what_is_no_id_is_refused() {
        for text in ["", "7", "123456789", "12345678901", "+123456789", "g234567890"] {
            assert!(text.parse::<GroupId>().is_err(), "{text}");
        }
    }
}
