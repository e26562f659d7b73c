//! The text files of the repository.

use std::{fs, path::Path, process::Command};

use super::code::Code;
use crate::steps::Failed;

/// A text file.
#[derive(Debug, Clone)]
pub(super) struct File {
    /// From the root, with `/`.
    pub(super) path: String,
    pub(super) text: String,
    /// For Rust files, what is code and what is not.
    pub(super) code: Option<Code>,
}

/// All files that are, or could be, committed.
#[derive(Debug, Clone, Default)]
pub(super) struct Tree {
    pub(super) files: Vec<File>,
}

impl File {
    pub(super) fn new(path: impl Into<String>, text: impl Into<String>) -> Self {
        let (path, text) = (path.into(), text.into());
        let code = path.ends_with(".rs").then(|| Code::read(&text, is_test_file(&path)));
        Self { path, text, code }
    }
}

/// Folders of cargo for code that is not shipped, and the customary name of a test module in a file of its own.
fn is_test_file(path: &str) -> bool {
    let mut folders = path.split('/');
    let name = folders.next_back().unwrap_or(path);
    name == "tests.rs" || folders.any(|folder| matches!(folder, "tests" | "benches" | "examples"))
}

impl Tree {
    /// Reads what git knows and does not ignore; without git, everything but the build folders.
    pub(super) fn load(root: &Path) -> Result<Self, Failed> {
        let mut paths = listed_by_git(root).unwrap_or_else(|| walked(root, root));
        paths.sort();
        paths.dedup();
        let mut files = Vec::new();
        for path in paths {
            // Listed but deleted, a folder behind a link, or not text: nothing to read rules from.
            if let Ok(text) = fs::read(root.join(&path)).map_err(drop).and_then(|b| String::from_utf8(b).map_err(drop))
            {
                files.push(File::new(path, text));
            }
        }
        if files.is_empty() { Err(Failed(format!("no files in {}", root.display()))) } else { Ok(Self { files }) }
    }

    pub(super) fn file(&self, path: &str) -> Option<&File> {
        self.files.iter().find(|file| file.path == path)
    }

    /// Whether there is such a file, or a folder with a file in it.
    pub(super) fn has(&self, path: &str) -> bool {
        let folder = format!("{path}/");
        self.files.iter().any(|file| file.path == path || file.path.starts_with(&folder))
    }

    /// The Rust files, each with its lines of code.
    pub(super) fn rust(&self) -> impl Iterator<Item = (&File, &Code)> {
        self.files.iter().filter_map(|file| file.code.as_ref().map(|code| (file, code)))
    }

    #[cfg(test)]
    pub(super) fn of(files: &[(&str, &str)]) -> Self {
        Self { files: files.iter().map(|(path, text)| File::new(*path, *text)).collect() }
    }
}

fn listed_by_git(root: &Path) -> Option<Vec<String>> {
    let arguments = ["ls-files", "-z", "--cached", "--others", "--exclude-standard"];
    let output = Command::new("git").args(arguments).current_dir(root).output().ok().filter(|o| o.status.success())?;
    let paths = output.stdout.split(|byte| *byte == 0).filter(|path| !path.is_empty());
    Some(paths.map(|path| String::from_utf8_lossy(path).into_owned()).collect())
}

fn walked(root: &Path, folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let (path, name) = (entry.path(), entry.file_name());
        if path.is_dir() {
            if name != "target" && name != ".git" && name != ".batchmill" {
                found.extend(walked(root, &path));
            }
        } else if let Ok(inside) = path.strip_prefix(root) {
            found.push(inside.to_string_lossy().replace('\\', "/"));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_git_lists_is_found_without_git_too() {
        let root = crate::root();
        let walked = walked(&root, &root);
        assert!(walked.contains(&"xtask/src/tidy/tree.rs".to_owned()));
        for path in listed_by_git(&root).unwrap_or_default() {
            assert!(walked.contains(&path) || !root.join(&path).is_file(), "{path}");
        }
    }

    #[test]
    fn a_folder_exists_by_what_is_in_it() {
        let tree = Tree::of(&[("crates/core/src/lib.rs", "")]);
        assert!(tree.has("crates/core") && tree.has("crates/core/src/lib.rs"));
        assert!(!tree.has("crates/cor") && !tree.has("crates/core/src/li"));
    }

    #[test]
    fn test_files_are_told_by_their_place() {
        for path in ["crates/core/tests/a.rs", "xtask/benches/a.rs", "crates/flow/src/engine/tests.rs"] {
            assert!(is_test_file(path), "{path}");
        }
        for path in ["crates/core/src/test.rs", "crates/testkit/src/lib.rs"] {
            assert!(!is_test_file(path), "{path}");
        }
    }
}
