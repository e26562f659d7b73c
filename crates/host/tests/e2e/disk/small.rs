//! A small disk that can be filled: memory, mounted in a namespace of its own, so that nothing is left of it and no privilege
//! is needed where the system allows that.

use std::{
    fs::{self, File},
    io::{BufRead, BufReader, Write},
    path::PathBuf,
    process::{Child, Command, Stdio},
};

use crate::stage::{Stage, skipped};

/// Takes what is left.
const BALLAST: &str = "ballast";

/// The disk, at `small` on its stage: only programs that were started through it see it there.
pub(super) struct SmallDisk<'a> {
    stage: &'a Stage,
    /// Keeps the namespace.
    keeper: Child,
}

impl<'a> SmallDisk<'a> {
    /// Mounts it; `None` where that is not allowed, which is said.
    pub(super) fn mount(stage: &'a Stage, test: &str) -> Option<Self> {
        fs::create_dir(stage.path("small")).expect("a folder of the test");
        let script = "mount -t tmpfs -o size=8m none small && echo mounted && exec cat";
        let mut command = stage.prepared("unshare", &["-Urm", "sh", "-c", script]);
        command.stdin(Stdio::piped()).stderr(Stdio::null());
        let Ok(mut keeper) = command.spawn() else {
            skipped(test, "unavailable: there is no `unshare`");
            return None;
        };
        let mut said = String::new();
        let stdout = keeper.stdout.take().expect("it is piped");
        BufReader::new(stdout).read_line(&mut said).expect("the keeper writes a line or ends");
        let disk = Self { stage, keeper };
        if said == "mounted\n" {
            return Some(disk);
        }
        skipped(test, "unavailable: nobody may mount a file system here");
        None
    }

    /// `batchmill ARGS` where the disk is.
    pub(super) fn command(&self, args: &[&str]) -> Command {
        let folder = self.stage.path("").to_string_lossy().into_owned();
        let keeper = self.keeper.id().to_string();
        let enter =
            ["-t", &keeper, "-U", "-m", "--preserve-credentials", "sh", "-c", "cd \"$0\" && exec \"$@\"", &folder];
        self.stage.prepared("nsenter", &[&enter[..], &[env!("CARGO_BIN_EXE_batchmill")], args].concat())
    }

    /// A path on the disk, from here.
    pub(super) fn path(&self, name: &str) -> PathBuf {
        let inside = self.stage.path("small").join(name);
        PathBuf::from(format!("/proc/{}/root{}", self.keeper.id(), inside.display()))
    }

    /// Leaves no room.
    pub(super) fn fill(&self) {
        let mut ballast = File::create(self.path(BALLAST)).expect("a file on the small disk");
        while ballast.write_all(&[0; 4096]).is_ok() {}
    }

    /// Gives the room back.
    pub(super) fn empty(&self) {
        fs::remove_file(self.path(BALLAST)).expect("it was filled");
    }
}

impl Drop for SmallDisk<'_> {
    fn drop(&mut self) {
        // Its input ends, and with it the namespace.
        drop(self.keeper.stdin.take());
        let _ = self.keeper.wait();
    }
}
