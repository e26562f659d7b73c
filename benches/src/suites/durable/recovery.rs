//! How long a batch that was killed half way takes to go on: from the start of the program to the first start of a job.
//!
//! The second half of the jobs tells the world when it runs: a process writes into a pipe. At first these processes stay, so
//! that nothing of that half ends, and the batch is killed when all of the first half is recorded, however long that takes on
//! a busy machine. What it left is kept; each round goes on from a copy of it, and is killed when the first job has told.

use std::{
    fs::{self, File},
    io::{ErrorKind, Read},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    fs::{Mode, OFlags},
};

use crate::{
    measure::{Bound, Case, Kind, Sample, Unit},
    sides::{
        program::{Running, Stand, at},
        sqlite,
    },
    tools::{Need, Tools},
};

const JOBS: u32 = 1_000_000;
const SECONDS_MAX: f64 = 3.0;

const FIRST_START: &str = "batchmill run, to the first start";

/// How often it is looked whether the program still runs.
const LOOK: Timespec = Timespec { tv_sec: 0, tv_nsec: 100_000_000 };

/// Nothing takes so long, on any machine.
const RECORDED_WITHIN: Duration = Duration::from_secs(300);

/// A file: while it is there, no job of the second half ends.
const HOLD: &str = "hold";

const FLOW: &str = "
version: 1
name: recovery
nodes:
  first_half:
    set: '{}'
    next:
      - {when: .tells, to: second_half}
      - {to: END}
  second_half:
    run: [sh, -c, 'echo > started; while test -e hold; do sleep 0.05; done']
";

pub(super) fn case(tools: &Tools) -> Case {
    let host = tools.path(Need::Host);
    let mut killed: Option<Killed> = None;
    let side = move |jobs: u32| {
        if killed.as_ref().is_none_or(|killed| killed.jobs != jobs) {
            killed = Some(Killed::half_way(&host, jobs)?);
        }
        killed.as_ref().expect("it was put there").recover()
    };
    Case::new("a batch of a million jobs, killed half way", Unit::Seconds)
        .side(Kind::Batchmill, FIRST_START, JOBS, side)
        .goal_of(FIRST_START, Bound::AtMost(SECONDS_MAX))
        .without_warm_up()
}

/// A batch whose host was killed.
struct Killed {
    stand: Stand,
    pipe: Pipe,
    jobs: u32,
    /// What it left.
    left: PathBuf,
}

impl Killed {
    fn half_way(host: &Result<PathBuf, String>, jobs: u32) -> Result<Self, String> {
        let half = jobs / 2;
        let line = |job| match job {
            job if job < half => format!("{{\"n\":{job}}}\n"),
            job => format!("{{\"n\":{job},\"tells\":true}}\n"),
        };
        let stand = Stand::new(host, FLOW, jobs, line)?;
        let pipe = Pipe::new(&stand.path("started"))?;
        let hold = stand.path(HOLD);
        fs::write(&hold, "").map_err(at(&hold))?;
        let (_, running) = first_start(&stand, &pipe)?;
        all_recorded(&stand, half)?;
        drop(running);
        // Whoever outlived the program ends by itself.
        fs::remove_file(&hold).map_err(at(&hold))?;
        let left = stand.path("left");
        fs::rename(stand.state(), &left).map_err(at(&left))?;
        Ok(Self { stand, pipe, jobs, left })
    }

    fn recover(&self) -> Result<Sample, String> {
        let state = self.stand.state();
        if state.exists() {
            fs::remove_dir_all(&state).map_err(at(&state))?;
        }
        copy(&self.left, &state)?;
        // The program must not wait for what the copy has written.
        rustix::fs::sync();
        let (seconds, running) = first_start(&self.stand, &self.pipe)?;
        drop(running);
        Ok(Sample::of(seconds))
    }
}

/// Runs the program until the first job tells that it runs. The seconds until then, and the program, which still runs.
fn first_start(stand: &Stand, pipe: &Pipe) -> Result<(f64, Running), String> {
    pipe.empty()?;
    let started = Instant::now();
    let mut running = stand.start(&mut stand.run()?)?;
    while !pipe.has_more_within(LOOK)? {
        if let Some(status) = running.0.try_wait().map_err(|error| error.to_string())? {
            return Err(stand.complaint(format_args!("no job told that it runs, {status}")));
        }
    }
    Ok((started.elapsed().as_secs_f64(), running))
}

/// Waits until so many ends are recorded: those of all jobs that can end.
fn all_recorded(stand: &Stand, jobs: u32) -> Result<(), String> {
    let (database, started) = (stand.batch()?.join("batch.db"), Instant::now());
    loop {
        match sqlite::ended(&database)? {
            ended if ended == u64::from(jobs) => return Ok(()),
            ended if ended > u64::from(jobs) || started.elapsed() > RECORDED_WITHIN => {
                return Err(format!("{ended} jobs had ended instead of the {jobs} that could"));
            }
            _ => {}
        }
        let waited = poll(&mut [], Some(&LOOK));
        waited.map_err(|error| error.to_string())?;
    }
}

/// What jobs write into.
struct Pipe(File);

impl Pipe {
    fn new(path: &Path) -> Result<Self, String> {
        rustix::fs::mkfifoat(rustix::fs::CWD, path, Mode::RUSR | Mode::WUSR).map_err(at(path))?;
        // For writing too: then jobs that write need not wait for a reader, and the end of one is no end of the pipe.
        let flags = OFlags::NONBLOCK.bits().cast_signed();
        File::options().read(true).write(true).custom_flags(flags).open(path).map(Self).map_err(at(path))
    }

    /// Forgets what was told before.
    fn empty(&self) -> Result<(), String> {
        let mut buffer = [0; 4096];
        loop {
            match (&self.0).read(&mut buffer) {
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(format!("the pipe of the jobs: {error}")),
            }
        }
    }

    fn has_more_within(&self, wait: Timespec) -> Result<bool, String> {
        let ready = poll(&mut [PollFd::new(&self.0, PollFlags::IN)], Some(&wait));
        ready.map(|ready| ready > 0).map_err(|error| format!("the pipe of the jobs: {error}"))
    }
}

/// Files only: sockets of who is gone are of no use.
fn copy(from: &Path, to: &Path) -> Result<(), String> {
    fs::create_dir_all(to).map_err(at(to))?;
    for entry in fs::read_dir(from).map_err(at(from))?.flatten() {
        let (path, to) = (entry.path(), to.join(entry.file_name()));
        let kind = entry.file_type().map_err(at(&path))?;
        if kind.is_dir() {
            copy(&path, &to)?;
        } else if kind.is_file() {
            fs::copy(&path, &to).map_err(at(&path))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_told_after_the_start_counts() {
        const AT_ONCE: Timespec = Timespec { tv_sec: 0, tv_nsec: 0 };
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pipe");
        let pipe = Pipe::new(&path).unwrap();
        fs::write(&path, "from an earlier run\n").unwrap();
        assert_eq!(pipe.has_more_within(AT_ONCE), Ok(true));
        pipe.empty().unwrap();
        assert_eq!(pipe.has_more_within(AT_ONCE), Ok(false));
        fs::write(&path, "now\n").unwrap();
        assert_eq!(pipe.has_more_within(AT_ONCE), Ok(true));
    }

    #[test]
    fn a_copy_has_the_files_of_all_folders_and_no_sockets() {
        let folder = tempfile::tempdir().unwrap();
        let (from, to) = (folder.path().join("from"), folder.path().join("to"));
        fs::create_dir_all(from.join("a/b")).unwrap();
        fs::write(from.join("a/b/file"), "text").unwrap();
        let _socket = std::os::unix::net::UnixListener::bind(from.join("a/socket")).unwrap();
        copy(&from, &to).unwrap();
        assert_eq!(fs::read_to_string(to.join("a/b/file")).unwrap(), "text");
        assert!(!to.join("a/socket").exists());
    }
}
