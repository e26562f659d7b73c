//! `glob:PATTERN`: the files that a pattern names, as a shell would find them.
//!
//! Not the `glob` crate: it leaves out names that are not UTF-8 without a word, and changes how paths are written. Here every
//! match is told, and a path stays as the pattern gives it (`./a/*` finds `./a/b`).

mod pattern;

use std::{
    ffi::{OsStr, OsString},
    fs,
    io::{self, ErrorKind},
    os::unix::ffi::{OsStrExt, OsStringExt},
    path::Path,
};

use self::pattern::{Part, Pattern};

/// A folder that could not be looked into.
#[derive(Debug)]
pub(crate) struct Unreadable {
    pub(crate) folder: OsString,
    pub(crate) error: io::Error,
}

/// What a pattern found.
#[derive(Debug, Default)]
pub(crate) struct Found {
    /// Sorted by bytes, each once.
    pub(crate) paths: Vec<OsString>,
    pub(crate) unreadable: Vec<Unreadable>,
}

/// Finds what `pattern` names; what is wrong with the pattern.
pub(crate) fn find(pattern: &str) -> Result<Found, String> {
    let pattern = Pattern::parse(pattern)?;
    let mut found = Found::default();
    let mut open = vec![(pattern.root().into_bytes(), 0)];
    while let Some((path, depth)) = open.pop() {
        match pattern.parts.get(depth) {
            None => found.paths.push(OsString::from_vec(path)),
            Some(part) => found.walk(path, part, depth, &mut open),
        }
    }
    found.paths.sort_unstable_by(|a, b| a.as_bytes().cmp(b.as_bytes()));
    found.paths.dedup();
    Ok(found)
}

impl Found {
    /// One part of the pattern below `path`: adds what is to be looked at next.
    fn walk(&mut self, path: Vec<u8>, part: &Part, depth: usize, open: &mut Vec<(Vec<u8>, usize)>) {
        let join = |name: &[u8]| [&path, name, part.separator.as_bytes()].concat();
        if let Some(name) = &part.literal {
            let next = join(name.as_bytes());
            if exists(&next, part.is_folder()) {
                open.push((next, depth + 1));
            }
            return;
        }
        if part.is_any_depth() {
            // No folder at all; at the end of a pattern that would be the folder itself.
            open.push((path.clone(), depth + 1));
        }
        let entries = match entries(&path) {
            Ok(entries) => entries,
            Err(error) => {
                let gone = matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory);
                if !gone {
                    self.unreadable.push(Unreadable { folder: OsString::from_vec(path), error });
                }
                return;
            }
        };
        for (name, is_folder) in entries {
            if !part.matches(&name.to_string_lossy()) {
                continue;
            }
            let next = join(name.as_bytes());
            if part.is_any_depth() {
                if is_folder {
                    open.push((next, depth));
                }
            } else if !part.is_folder() || exists(&next, true) {
                open.push((next, depth + 1));
            }
        }
    }
}

/// The names in a folder, and which of them are folders themselves, links aside.
fn entries(path: &[u8]) -> io::Result<Vec<(OsString, bool)>> {
    let folder = if path.is_empty() { Path::new(".") } else { Path::new(OsStr::from_bytes(path)) };
    let entry = |entry: io::Result<fs::DirEntry>| {
        let entry = entry?;
        Ok((entry.file_name(), entry.file_type()?.is_dir()))
    };
    fs::read_dir(folder)?.map(entry).collect()
}

/// A link that leads nowhere is there too, but it is no folder.
fn exists(path: &[u8], as_folder: bool) -> bool {
    let path = Path::new(OsStr::from_bytes(path));
    if as_folder { path.is_dir() } else { path.symlink_metadata().is_ok() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paths(pattern: &str) -> Vec<String> {
        let found = find(pattern).unwrap();
        found.paths.iter().map(|path| path.to_string_lossy().into_owned()).collect()
    }

    #[test]
    fn links_are_found_but_not_followed_into_any_depth() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().display().to_string();
        fs::create_dir(folder.path().join("a")).unwrap();
        fs::write(folder.path().join("a/file"), "").unwrap();
        std::os::unix::fs::symlink(".", folder.path().join("a/loop")).unwrap();
        std::os::unix::fs::symlink("nowhere", folder.path().join("a/dangling")).unwrap();
        let under = |names: &[&str]| names.iter().map(|name| format!("{root}/{name}")).collect::<Vec<_>>();
        assert_eq!(paths(&format!("{root}/**/f*")), under(&["a/file"]));
        assert_eq!(paths(&format!("{root}/a/*")), under(&["a/dangling", "a/file", "a/loop"]));
        assert_eq!(paths(&format!("{root}/a/*/")), under(&["a/loop/"]));
        assert_eq!(paths(&format!("{root}/a/loop/f*")), under(&["a/loop/file"]), "where the pattern names it");
        assert_eq!(paths(&format!("{root}/**/**/**/file")), under(&["a/file"]), "each once");
        assert_eq!(paths(&format!("{root}/a/file/*")), under(&[]), "a file is no folder");
    }
}
