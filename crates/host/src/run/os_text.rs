//! Paths in JSON: a text where they are one, else their bytes.

use std::{
    ffi::OsString,
    os::unix::ffi::{OsStrExt, OsStringExt},
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

/// A path that reads back as it was, whatever its bytes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub(crate) enum OsText {
    Text(String),
    Bytes(Vec<u8>),
}

impl OsText {
    pub(super) fn path(&self) -> PathBuf {
        match self {
            Self::Text(text) => text.into(),
            Self::Bytes(bytes) => OsString::from_vec(bytes.clone()).into(),
        }
    }
}

impl From<&Path> for OsText {
    fn from(path: &Path) -> Self {
        match path.to_str() {
            Some(text) => Self::Text(text.to_owned()),
            None => Self::Bytes(path.as_os_str().as_bytes().to_owned()),
        }
    }
}

impl From<&PathBuf> for OsText {
    fn from(path: &PathBuf) -> Self {
        path.as_path().into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_reads_back_whatever_its_bytes() {
        for bytes in [b"a/\xC3\xBC".to_vec(), b"a/\xFF".to_vec()] {
            let path = PathBuf::from(OsString::from_vec(bytes));
            let json = serde_json::to_string(&OsText::from(&path)).unwrap();
            assert_eq!(serde_json::from_str::<OsText>(&json).unwrap().path(), path);
        }
    }
}
