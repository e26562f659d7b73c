//! Where a value or a problem comes from.

use std::{fmt, path::PathBuf};

/// A place in a text; both count from 1, columns in characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The line.
    pub line: usize,
    /// The column, in characters.
    pub column: usize,
}

impl Place {
    /// The place of a byte of `text`.
    pub(crate) fn of(text: &str, offset: usize) -> Self {
        let before = &text[..text.floor_char_boundary(offset)];
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        Self { line: before.matches('\n').count() + 1, column: before[line_start..].chars().count() + 1 }
    }
}

/// Which layer a value or a problem comes from, and where in it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Origin {
    /// Built in: `config/default.toml`.
    Default,
    /// A file; without a place where the file as a whole is meant.
    File {
        /// As it was given.
        path: PathBuf,
        /// Where in it.
        place: Option<Place>,
    },
    /// An environment variable `BATCHMILL_SECTION__KEY`.
    Environment {
        /// Its name.
        name: String,
    },
    /// A flag of the command line.
    Flag {
        /// As the user writes it, for example `--timeout`.
        name: String,
    },
    /// `--set KEY=VALUE`.
    Set {
        /// The key, or the whole argument where it has none.
        key: String,
    },
}

impl fmt::Display for Origin {
    /// Never shows a value: it might be one that does not belong on a screen.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File { path, place: None } => write!(f, "{}", path.display()),
            Self::File { path, place: Some(Place { line, column }) } => write!(f, "{}:{line}:{column}", path.display()),
            Self::Environment { name } => write!(f, "{name} (environment)"),
            Self::Flag { name } => f.write_str(name),
            Self::Set { key } => write!(f, "--set {key}=…"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_count_lines_and_characters_from_one() {
        let text = "a = 1\nü = [2]\n";
        let place = |needle: &str| Place::of(text, text.find(needle).unwrap());
        assert_eq!(place("a"), Place { line: 1, column: 1 });
        assert_eq!(place("1"), Place { line: 1, column: 5 });
        assert_eq!(place("2"), Place { line: 2, column: 6 });
        assert_eq!(Place::of(text, text.len()), Place { line: 3, column: 1 });
    }
}
