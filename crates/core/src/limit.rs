//! What the limits of a host make of a job.

use std::{fmt, sync::Arc};

use crate::{IdError, id::check};

/// Stands for a limit of the host: its place in the list of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LimitId(pub u16);

/// The key of a job under one limit: jobs of one key share what the limit admits.
///
/// 1–256 bytes of UTF-8 without control characters, as ids are.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key(Arc<str>);

impl Key {
    /// Checks and wraps `text`.
    pub fn new(text: &str) -> Result<Self, IdError> {
        check(text)?;
        Ok(Self(text.into()))
    }

    /// The key as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

/// What one limit makes of a job.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct LimitKey {
    /// The limit.
    pub limit: LimitId,
    /// The job's key under it; `None` under a limit that has one key for all.
    pub key: Option<Key>,
    /// What each of its starts takes of the limit's rate.
    pub units: u32,
}

/// What the limits make of a job, in the order of the limits; one that is not named does not apply.
///
/// Cheap to clone: millions of jobs share few of these. Most hosts have no limits and most jobs none of these.
#[derive(Clone, Default, PartialEq, Eq, Hash)]
pub struct LimitKeys(Option<Arc<[LimitKey]>>);

impl LimitKeys {
    /// No limit applies, but for those that have one key for all jobs.
    pub const NONE: Self = Self(None);

    /// Whether these were made as one, so that they need no comparison.
    pub fn is_the_same(&self, other: &Self) -> bool {
        match (&self.0, &other.0) {
            (None, None) => true,
            (Some(one), Some(other)) => Arc::ptr_eq(one, other),
            _ => false,
        }
    }

    /// One after the other.
    pub fn iter(&self) -> std::slice::Iter<'_, LimitKey> {
        self.0.as_deref().unwrap_or_default().iter()
    }
}

impl FromIterator<LimitKey> for LimitKeys {
    fn from_iter<I: IntoIterator<Item = LimitKey>>(keys: I) -> Self {
        let keys: Arc<[LimitKey]> = keys.into_iter().collect();
        Self((!keys.is_empty()).then_some(keys))
    }
}

impl<'a> IntoIterator for &'a LimitKeys {
    type Item = &'a LimitKey;
    type IntoIter = std::slice::Iter<'a, LimitKey>;
    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl fmt::Debug for LimitKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self).finish()
    }
}
