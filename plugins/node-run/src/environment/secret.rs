//! Values that no message, log or result may show.

use std::{
    env,
    ffi::{OsStr, OsString},
    fmt, fs,
    os::unix::ffi::{OsStrExt, OsStringExt},
    path::PathBuf,
};

use batchmill_core::BuildContext;

/// Where a secret is found. The secret itself is never part of options.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Secret {
    /// In a variable of the host.
    Variable(String),
    /// In a file, without the line end at its end.
    File(PathBuf),
}

impl Secret {
    /// The value, or a reason that names only its place.
    pub(super) fn read(&self, context: &BuildContext) -> Result<OsString, String> {
        let value = match self {
            Self::Variable(name) if name.is_empty() || name.contains(['=', '\0']) => {
                return Err(format!("`{name}` cannot be the name of an environment variable"));
            }
            Self::Variable(name) => {
                env::var_os(name).ok_or_else(|| format!("environment variable `{name}` is not set"))?
            }
            Self::File(path) => {
                let path = context.directory.join(path);
                let bytes = fs::read(&path).map_err(|error| format!("cannot read `{}`: {error}", path.display()))?;
                OsString::from_vec(without_line_end(bytes))
            }
        };
        if value.as_bytes().contains(&0) { Err(format!("{self} has a zero byte")) } else { Ok(value) }
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Variable(name) => write!(f, "environment variable `{name}`"),
            Self::File(path) => write!(f, "file `{}`", path.display()),
        }
    }
}

fn without_line_end(mut bytes: Vec<u8>) -> Vec<u8> {
    for end in [b"\n", b"\r"] {
        if bytes.ends_with(end) {
            bytes.pop();
        }
    }
    bytes
}

/// The secrets of a node, to keep them out of messages that quote what a process wrote.
#[derive(Clone, Default)]
pub(crate) struct Redactions(Vec<String>);

impl Redactions {
    pub(super) fn add(&mut self, value: &OsStr) {
        let text = value.to_string_lossy();
        // By lines too: messages quote single lines.
        let parts = text.lines().map(str::trim).chain([&*text]).filter(|part| !part.is_empty());
        self.0.extend(parts.map(str::to_owned));
        // The longest first: a secret may be part of another.
        self.0.sort_by_key(|part| std::cmp::Reverse(part.len()));
        self.0.dedup();
    }

    /// The text with `***` for each secret.
    pub(crate) fn apply(&self, text: String) -> String {
        self.0.iter().fold(text, |text, secret| if text.contains(secret) { text.replace(secret, "***") } else { text })
    }
}

impl fmt::Debug for Redactions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} secrets", self.0.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_do_not_show_secrets_whole_or_by_lines() {
        let mut redactions = Redactions::default();
        redactions.add(OsStr::new("s3cret"));
        redactions.add(OsStr::new("s3cret-longer"));
        redactions.add(OsStr::new("first line\nsecond line"));
        assert_eq!(redactions.apply("a s3cret b s3cret-longer c".into()), "a *** b *** c");
        assert_eq!(redactions.apply("second line: bad".into()), "***: bad");
        assert!(!format!("{redactions:?}").contains("s3cret"));
    }

    #[test]
    fn a_file_is_a_secret_without_its_line_end() {
        assert_eq!(without_line_end(b"a\r\n".into()), b"a");
        assert_eq!(without_line_end(b"a\n\n".into()), b"a\n");
        assert_eq!(without_line_end(b"a".into()), b"a");
    }
}
