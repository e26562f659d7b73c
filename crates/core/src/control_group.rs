//! Where processes that nodes start belong.

use std::{
    path::{Path, PathBuf},
    sync::{Arc, OnceLock},
};

/// The folder of the kernel's control group that processes are put into before they run.
///
/// Nodes are built, also to be looked at only, before there is one: who starts a process asks at that moment. Copies are of
/// one and the same, and what was once [`set`](Self::set) stays.
#[derive(Debug, Clone, Default)]
pub struct ControlGroup(Arc<OnceLock<PathBuf>>);

impl ControlGroup {
    /// From now on processes start in the group of `folder`. False, and nothing changes, where they have one already.
    pub fn set(&self, folder: PathBuf) -> bool {
        self.0.set(folder).is_ok()
    }

    /// `None`: processes stay in the group of the host.
    pub fn folder(&self) -> Option<&Path> {
        self.0.get().map(PathBuf::as_path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_was_told_before_there_was_a_group_finds_it_later() {
        let group = ControlGroup::default();
        let node = group.clone();
        assert_eq!(node.folder(), None);
        assert!(group.set("/a".into()));
        assert!(!group.set("/b".into()), "processes of one host have one group");
        assert_eq!(node.folder(), Some(Path::new("/a")));
    }
}
