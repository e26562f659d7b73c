//! Processes: `/bin/true`, over and over.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    process::Command,
    rc::Rc,
};

use tempfile::TempDir;

use super::Suite;
use crate::{
    measure::{Bound, Case, Kind, Sample, Unit},
    sides::{Peer, command, library},
    tools::{Need, Tools},
};

pub(super) const SUITE: Suite = Suite {
    name: "spawn",
    about: "`/bin/true` by `run` nodes with captured output, against the system's own ways",
    needs: &[Need::Peers, Need::Parallel],
    cases,
    only_by_name: false,
};

const JOBS: u32 = 5000;
/// The limit is what two threads reach, on two cores.
const SPAWN_THREADS: u32 = 2;

const POSIX_SPAWN: &str = "posix_spawn from two threads, no output";
const XARGS: &str = "xargs -P2 -n1";
const PARALLEL: &str = "GNU parallel -j2 --joblog";
const TWO_SLOTS: &str = "batchmill, 2 slots";
const TEN_SLOTS: &str = "batchmill, 10 slots";

fn cases(tools: &Tools) -> Vec<Case> {
    let peer = Peer::new(tools.path(Need::Peers).map(Command::new));
    let parallel = tools.path(Need::Parallel);
    let scratch = Rc::new(tempfile::tempdir().expect("a folder for temporary files"));
    let (for_xargs, for_parallel) = (scratch.clone(), scratch);
    let spawn = move |jobs| peer.ask("posix-spawn", jobs, SPAWN_THREADS);
    let case = Case::new("5,000 processes", Unit::JobsPerSecond)
        .side(Kind::Outside, POSIX_SPAWN, JOBS, spawn)
        .side(Kind::Outside, XARGS, JOBS, move |jobs| xargs(jobs, &for_xargs))
        .side(Kind::Outside, PARALLEL, JOBS, move |jobs| gnu_parallel(jobs, parallel.as_deref(), &for_parallel))
        .side(Kind::Batchmill, TWO_SLOTS, JOBS, slots(2))
        .side(Kind::Batchmill, TEN_SLOTS, JOBS, slots(10))
        .goal(TWO_SLOTS, POSIX_SPAWN, Bound::AtLeast(0.7))
        .goal(TEN_SLOTS, POSIX_SPAWN, Bound::AtLeast(0.8))
        .goal(TWO_SLOTS, XARGS, Bound::AtLeast(1.2))
        .goal(TWO_SLOTS, PARALLEL, Bound::AtLeast(5.0));
    vec![case]
}

fn slots(slots: u32) -> impl Fn(u32) -> Result<Sample, String> {
    let graph = library::one_process();
    // Its exit code.
    move |jobs| library::run(&graph, jobs, slots, |_| 0)
}

fn xargs(jobs: u32, scratch: &TempDir) -> Result<Sample, String> {
    let numbers: String = (0..jobs).map(|number| format!("{number}\n")).collect();
    let input = written(scratch, "numbers", &numbers)?;
    command::run(Command::new("xargs").args(["-P2", "-n1", "/bin/true"]).stdin(open(&input)?), jobs)
}

fn gnu_parallel(jobs: u32, parallel: Result<&Path, &String>, scratch: &TempDir) -> Result<Sample, String> {
    let program = parallel.map_err(Clone::clone)?;
    let (commands, log) =
        (written(scratch, "commands", &"/bin/true\n".repeat(jobs as usize))?, file(scratch, "joblog"));
    let mut command = Command::new(program);
    command.args(["-j2", "--joblog"]).arg(&log).stdin(open(&commands)?);
    // Its quickest shell, and nothing left in the home folder.
    command.env("PARALLEL_SHELL", "/bin/sh").env("PARALLEL_HOME", scratch.path());
    let sample = command::run(&mut command, jobs)?;
    let logged = fs::read_to_string(&log).map_err(|error| format!("the job log: {error}"))?.lines().count();
    match logged == jobs as usize + 1 {
        true => Ok(sample),
        false => Err(format!("the job log has {logged} lines after {jobs} jobs")),
    }
}

fn written(scratch: &TempDir, name: &str, text: &str) -> Result<PathBuf, String> {
    let path = file(scratch, name);
    fs::write(&path, text).map_err(|error| format!("{}: {error}", path.display()))?;
    Ok(path)
}

fn open(path: &Path) -> Result<File, String> {
    File::open(path).map_err(|error| format!("{}: {error}", path.display()))
}

fn file(scratch: &TempDir, name: &str) -> PathBuf {
    scratch.path().join(name)
}
