//! Whose share of the host a job counts against.

use std::{fmt, sync::Arc};

use crate::{IdError, id::check};

/// A path of shares, the widest first: `org/team/user`.
///
/// 1–256 bytes of UTF-8 without control characters; no part between two slashes is empty.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SharePath(Arc<str>);

/// Why a text is no path of shares.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BadSharePath {
    /// Its rules are those of ids.
    #[error(transparent)]
    Id(#[from] IdError),
    /// A slash with nothing before or behind it.
    #[error("a path of shares has no empty part, as `{0}` has")]
    EmptyPart(String),
}

impl SharePath {
    /// Checks and wraps `path`.
    pub fn new(path: &str) -> Result<Self, BadSharePath> {
        check(path)?;
        if path.split('/').any(str::is_empty) {
            return Err(BadSharePath::EmptyPart(path.to_owned()));
        }
        Ok(Self(path.into()))
    }

    /// The path as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for SharePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for SharePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_part_of_a_path_has_a_name() {
        for good in ["a", "org/team/user", "a b/ü"] {
            assert_eq!(SharePath::new(good).unwrap().as_str(), good);
        }
        for bad in ["", "/", "a/", "/a", "a//b", "a\n"] {
            assert!(SharePath::new(bad).is_err(), "{bad:?}");
        }
    }
}
