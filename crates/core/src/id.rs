//! Names of things: jobs, batches, tenants.

use std::{fmt, sync::Arc};

use serde::{Deserialize, Serialize};
use smol_str::SmolStr;

/// Why a text is not an id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum IdError {
    /// Ids have at least one byte.
    #[error("an id must not be empty")]
    Empty,
    /// Ids have at most 256 bytes.
    #[error("an id has at most 256 bytes, this one has {0}")]
    TooLong(usize),
    /// Control characters would break terminals and logs.
    #[error("an id has no control characters, this one has U+{0:04X}")]
    Control(u32),
}

pub(crate) fn check(text: &str) -> Result<(), IdError> {
    match text.len() {
        0 => Err(IdError::Empty),
        1..=256 => text.chars().find(|c| c.is_control()).map_or(Ok(()), |c| Err(IdError::Control(c.into()))),
        length => Err(IdError::TooLong(length)),
    }
}

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        ///
        /// 1–256 bytes of UTF-8 without control characters, compared byte by byte, never normalised, never a path. Up to 23
        /// bytes are kept in place: there are millions of these, and a clone of a short one touches no shared counter.
        #[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(SmolStr);

        impl $name {
            /// Checks and wraps `text`.
            pub fn new(text: impl AsRef<str>) -> Result<Self, IdError> {
                let text = text.as_ref();
                check(text)?;
                Ok(Self(SmolStr::new(text)))
            }

            /// The id as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(self.as_str(), f)
            }
        }

        impl TryFrom<String> for $name {
            type Error = IdError;
            fn try_from(text: String) -> Result<Self, IdError> {
                Self::new(text)
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> String {
                id.as_str().to_owned()
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }
    };
}

id! {
    /// Names a job within its batch.
    JobId
}
id! {
    /// Names a batch within its state directory.
    BatchId
}

impl From<u64> for JobId {
    /// The default id of a job: its physical line (or record) number.
    fn from(number: u64) -> Self {
        // No formatting machinery and no allocation: there are millions of these.
        Self(SmolStr::new_inline(itoa::Buffer::new().format(number)))
    }
}

/// Who a job belongs to; `default` unless the job says otherwise.
///
/// The default tenant is the common case and carries no text, so that cloning it touches no shared counter.
#[derive(Clone, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Tenant(Option<Arc<str>>);

impl Tenant {
    /// Checks and wraps `name`; the rules are those of ids.
    pub fn new(name: &str) -> Result<Self, IdError> {
        check(name)?;
        Ok(if name == Self::DEFAULT { Self(None) } else { Self(Some(name.into())) })
    }

    /// The name of the default tenant.
    pub const DEFAULT: &'static str = "default";

    /// The tenant's name.
    pub fn as_str(&self) -> &str {
        self.0.as_deref().unwrap_or(Self::DEFAULT)
    }
}

impl TryFrom<String> for Tenant {
    type Error = IdError;
    fn try_from(name: String) -> Result<Self, IdError> {
        Self::new(&name)
    }
}

impl From<Tenant> for String {
    fn from(tenant: Tenant) -> String {
        tenant.as_str().to_owned()
    }
}

impl fmt::Display for Tenant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for Tenant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_bytes_with_bounds_and_no_control_characters() {
        assert!(JobId::new("a/b ü").is_ok());
        assert_eq!(JobId::new(""), Err(IdError::Empty));
        assert_eq!(JobId::new("x".repeat(257)), Err(IdError::TooLong(257)));
        assert_eq!(JobId::new("a\nb"), Err(IdError::Control(10)));
        assert_ne!(JobId::new("é").unwrap(), JobId::new("e\u{301}").unwrap(), "never normalised");
    }

    #[test]
    fn a_default_id_is_the_number_in_digits() {
        for number in (0..=1_001).chain([9_999, 10_000, 99_999, 1_000_000, 12_345_678, u64::MAX - 1, u64::MAX]) {
            assert_eq!(JobId::from(number).as_str(), number.to_string());
        }
    }

    #[test]
    fn the_default_tenant_is_one_value_however_it_is_made() {
        assert_eq!(Tenant::new("default").unwrap(), Tenant::default());
        assert_eq!(Tenant::default().as_str(), "default");
    }
}
