//! What this process and its descendants hold.
//!
//! The sum of their own pages (`RssAnon` and `RssShmem`): pages of files go first when memory runs short, and those of
//! libraries are there once for all. Memory that processes share is counted with each of them: rather too much than too
//! little. Descendants that have left the tree (daemons) are not seen.

use std::{fs, path::Path};

use super::{Reading, Unavailable, text};

/// Processes that are looked at.
const MEMBERS_MAX: usize = 10_000;

/// In bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Tree {
    /// What this process holds.
    pub(super) own: u64,
    /// With all its descendants.
    pub(super) all: u64,
}

pub(super) fn read(root: &Path) -> Reading<Tree> {
    let own =
        held(&text::file(root, "proc/self/status")?).ok_or_else(|| text::missing("proc/self/status", "RssAnon"))?;
    let mut waiting = children(&root.join("proc/self"));
    let Some(waiting) = &mut waiting else {
        return Err(Unavailable::new("/proc/self/task/*/children: the kernel does not list the children of a process"));
    };
    let (mut all, mut seen) = (own, 0);
    while let Some(pid) = waiting.pop() {
        let folder = root.join("proc").join(pid.to_string());
        // Gone since it was listed: it holds nothing.
        all += fs::read_to_string(folder.join("status")).ok().and_then(|text| held(&text)).unwrap_or_default();
        seen += 1;
        if seen < MEMBERS_MAX {
            waiting.extend(children(&folder).unwrap_or_default());
        }
    }
    Ok(Tree { own, all })
}

/// The children of all threads of a process; `None` where the kernel lists none at all.
fn children(folder: &Path) -> Option<Vec<u32>> {
    let (mut found, mut is_listed) = (Vec::new(), false);
    for thread in fs::read_dir(folder.join("task")).ok()?.flatten() {
        if let Ok(list) = fs::read_to_string(thread.path().join("children")) {
            is_listed = true;
            found.extend(list.split_whitespace().filter_map(|pid| pid.parse::<u32>().ok()));
        }
    }
    is_listed.then_some(found)
}

/// `None` of a text that is no status; a zombie holds nothing.
fn held(status: &str) -> Option<u64> {
    status.starts_with("Name:").then(|| {
        let of = |name| text::kib(status, name).unwrap_or_default();
        of("RssAnon:") + of("RssShmem:")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A process with so many kB of its own, the threads of which have these children.
    fn process(root: &Path, name: &str, kib: u64, threads: &[&str]) {
        for (number, children) in threads.iter().enumerate() {
            let thread = root.join(format!("proc/{name}/task/{number}"));
            fs::create_dir_all(&thread).unwrap();
            fs::write(thread.join("children"), children).unwrap();
        }
        let status = format!("Name:\tx\nVmRSS:\t99999 kB\nRssAnon:\t{kib} kB\nRssFile:\t500 kB\nRssShmem:\t1 kB\n");
        fs::write(root.join(format!("proc/{name}/status")), status).unwrap();
    }

    #[test]
    fn descendants_count_through_all_threads_and_what_is_gone_does_not() {
        let root = tempfile::tempdir().unwrap();
        process(root.path(), "self", 10, &["", "7 8 "]);
        process(root.path(), "7", 100, &["9 "]);
        process(root.path(), "9", 1000, &[""]);
        process(root.path(), "77", 5000, &[""]);
        let tree = read(root.path()).unwrap();
        assert_eq!(tree, Tree { own: 11 << 10, all: (11 + 101 + 1001) << 10 });
    }

    #[test]
    fn a_kernel_that_lists_no_children_says_so() {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir_all(root.path().join("proc/self/task/1")).unwrap();
        process(root.path(), "self", 10, &[]);
        let reason = read(root.path()).map(|_| ()).unwrap_err().to_string();
        assert!(reason.contains("/proc/self/task/*/children"), "{reason}");
    }

    #[test]
    fn a_zombie_holds_nothing_and_another_text_is_no_status() {
        assert_eq!(held("Name:\tsh\nState:\tZ (zombie)\n"), Some(0));
        assert_eq!(held(""), None);
    }
}
