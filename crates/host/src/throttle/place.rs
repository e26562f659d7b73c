//! The control group of the host, by which CPU time is shared out.

use std::{
    fs,
    path::{Path, PathBuf},
};

use super::{NotMade, write};

/// Below it groups are made.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) folder: PathBuf,
    pub(super) version: Version,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Version {
    One,
    Two {
        /// The place has processes, the host at least. The root of all groups is the only one for which that is nothing special.
        below_processes: bool,
    },
}

const CONTROLLER: &str = "cpu";
const HANDED_DOWN: &str = "cgroup.subtree_control";

impl Place {
    /// That of the host, by `proc/self/cgroup`: lines of `number:controllers:path`.
    pub(super) fn find(root: &Path) -> Result<Self, NotMade> {
        let text = fs::read_to_string(root.join("proc/self/cgroup")).unwrap_or_default();
        let groups: Vec<(&str, &str)> =
            text.lines().filter_map(|line| line.split_once(':')?.1.split_once(':')).collect();
        // A controller belongs to one hierarchy only.
        let first = groups.iter().find(|(controllers, _)| has(controllers, ',')).and_then(|(controllers, path)| {
            let mounts = [*controllers, CONTROLLER].map(|mount| root.join("sys/fs/cgroup").join(mount));
            folder(&mounts, path).map(|folder| Self { folder, version: Version::One })
        });
        let second = groups.iter().find(|(controllers, _)| controllers.is_empty()).and_then(|(_, path)| {
            let mounts = ["sys/fs/cgroup", "sys/fs/cgroup/unified"].map(|mount| root.join(mount));
            folder(&mounts, path)
        });
        match (first, second) {
            (Some(place), _) => Ok(place),
            (None, Some(folder)) => {
                let given = fs::read_to_string(folder.join("cgroup.controllers")).unwrap_or_default();
                if !has(&given, ' ') {
                    return Err(NotMade::NoController(folder.display().to_string()));
                }
                let below_processes = folder.join("cgroup.type").exists();
                Ok(Self { folder, version: Version::Two { below_processes } })
            }
            (None, None) => Err(NotMade::NoGroup),
        }
    }

    /// Lets groups below it have the controller; true if they could not before.
    pub(super) fn hand_down(&self) -> Result<bool, NotMade> {
        let file = self.folder.join(HANDED_DOWN);
        let is_done = || has(&fs::read_to_string(&file).unwrap_or_default(), ' ');
        if self.version == Version::One || is_done() {
            return Ok(false);
        }
        write(&file, "+cpu").map(|()| true)
    }

    /// Leaves it as it was found, unless somebody else has made groups below it.
    pub(super) fn take_back(&self) {
        let is_folder = |entry: fs::DirEntry| entry.file_type().is_ok_and(|kind| kind.is_dir());
        let others =
            fs::read_dir(&self.folder).is_ok_and(|mut entries| entries.any(|entry| entry.is_ok_and(is_folder)));
        if !others {
            // Nothing depends on it.
            let _ = fs::write(self.folder.join(HANDED_DOWN), "-cpu");
        }
    }
}

/// Whether a list of controllers has ours.
fn has(list: &str, separator: char) -> bool {
    list.trim().split(separator).any(|name| name == CONTROLLER)
}

/// The group of `path` where one of these is mounted. In a container the path may be that of the machine: its own group is then
/// the top of what it sees.
fn folder(mounts: &[PathBuf; 2], path: &str) -> Option<PathBuf> {
    let path = path.trim_start_matches('/');
    let places = mounts.iter().flat_map(|mount| [mount.join(path), mount.clone()]);
    places.into_iter().find(|folder| folder.join("cgroup.procs").is_file())
}
