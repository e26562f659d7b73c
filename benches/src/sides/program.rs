//! The program `batchmill`, as people run it: on a flow and a file of jobs, in a folder of its own.

use std::{
    fmt::Display,
    fs::{self, File},
    io::{self, BufWriter, Read, Write},
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
};

use tempfile::TempDir;

use super::scratch;
use crate::measure::{Sample, Stopwatch};

/// The folder that the program keeps its batches in, unless it is told another one.
const STATE: &str = ".batchmill";

/// A folder with a flow and a file of jobs. No batch finds the state of another one there.
#[derive(Debug)]
pub(crate) struct Stand {
    program: PathBuf,
    folder: TempDir,
}

impl Stand {
    /// Writes the files.
    pub(crate) fn new(
        program: &Result<PathBuf, String>,
        flow: &str,
        jobs: u32,
        line: impl Fn(u32) -> String,
    ) -> Result<Self, String> {
        let stand = Self { program: program.clone()?, folder: scratch()? };
        stand.write("flow.yaml", |file| file.write_all(flow.as_bytes()))?;
        stand.write("batchmill.toml", |_| Ok(()))?;
        stand.write("jobs.jsonl", |file| (0..jobs).try_for_each(|job| file.write_all(line(job).as_bytes())))?;
        Ok(stand)
    }

    /// Synced, so that no batch waits for the disk because of it.
    fn write(&self, name: &str, content: impl Fn(&mut BufWriter<File>) -> io::Result<()>) -> Result<(), String> {
        let path = self.path(name);
        let write = || {
            let mut file = BufWriter::new(File::create(&path)?);
            content(&mut file)?;
            file.into_inner()?.sync_all()
        };
        write().map_err(at(&path))
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The folder of all batches.
    pub(crate) fn state(&self) -> PathBuf {
        self.path(STATE)
    }

    /// The folder of the only batch.
    pub(crate) fn batch(&self) -> Result<PathBuf, String> {
        let batches = self.state().join("batches");
        let entries = fs::read_dir(&batches).map_err(at(&batches))?;
        let mut folders: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
        match (folders.pop(), folders.len()) {
            (Some(batch), 0) => Ok(batch),
            (_, others) => Err(format!("{}: {} batches instead of one", batches.display(), others)),
        }
    }

    /// `batchmill run` on these files: with its defaults, but that it tells no progress. Results go to stdout, nobody reads
    /// them.
    pub(crate) fn run(&self) -> Result<Command, String> {
        let mut command = Command::new(&self.program);
        command.env_remove(crate::RETURNS);
        command.args(["run", "flow.yaml", "jobs.jsonl", "--config", "batchmill.toml", "--progress", "none"]);
        let errors = self.path("stderr");
        let stderr = File::create(&errors).map_err(at(&errors))?;
        command.current_dir(self.folder.path()).stdin(Stdio::null()).stdout(Stdio::null()).stderr(stderr);
        Ok(command)
    }

    /// Starts a command of [`run`](Self::run).
    pub(crate) fn start(&self, command: &mut Command) -> Result<Running, String> {
        command.spawn().map(Running).map_err(at(&self.program))
    }

    /// Runs it to its end, from the start of the process to its exit, as `jobs` jobs.
    pub(crate) fn timed(&self, command: &mut Command, jobs: u32) -> Result<Sample, String> {
        let stopwatch = Stopwatch::start();
        let status = self.start(command)?.wait()?;
        let sample = stopwatch.rate(jobs, jobs.into())?;
        if status.success() { Ok(sample) } else { Err(self.complaint(status)) }
    }

    /// What the program said when it did not do what it should have done.
    pub(crate) fn complaint(&self, what: impl Display) -> String {
        let said = fs::read_to_string(self.path("stderr")).unwrap_or_default();
        format!("batchmill run: {what}: {}", said.lines().next().unwrap_or_default())
    }
}

/// A run that is killed when nobody waits for it any more.
#[derive(Debug)]
pub(crate) struct Running(pub(crate) Child);

impl Running {
    pub(crate) fn wait(mut self) -> Result<ExitStatus, String> {
        self.0.wait().map_err(|error| error.to_string())
    }

    /// Reads its results, which are piped, and looks at its peak of resident memory each time. A peak never falls, so the
    /// last look has it, but for what the program may still do after its last result.
    pub(crate) fn watch(&mut self) -> Result<Watched, String> {
        let status = PathBuf::from(format!("/proc/{}/status", self.0.id()));
        let mut stdout = self.0.stdout.take().expect("it is piped");
        let (mut watched, mut buffer) = (Watched::default(), vec![0; 256 * 1024]);
        loop {
            let read = stdout.read(&mut buffer).map_err(|error| format!("the results: {error}"))?;
            let now = fs::read_to_string(&status).ok().and_then(|text| high_water_mark(&text)).unwrap_or(0);
            watched.peak_bytes = watched.peak_bytes.max(now);
            if read == 0 {
                return Ok(watched);
            }
            watched.results += buffer[..read].iter().filter(|byte| **byte == b'\n').count() as u64;
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // After its end both do nothing.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// What a run showed.
#[derive(Debug, Default)]
pub(crate) struct Watched {
    pub(crate) results: u64,
    pub(crate) peak_bytes: u64,
}

/// The peak of resident memory of a whole batch, in bytes, intake and results included.
pub(crate) fn peak(
    program: &Result<PathBuf, String>,
    flow: &str,
    jobs: u32,
    line: impl Fn(u32) -> String,
) -> Result<u64, String> {
    let stand = Stand::new(program, flow, jobs, line)?;
    let mut running = stand.start(stand.run()?.stdout(Stdio::piped()))?;
    let watched = running.watch()?;
    let status = running.wait()?;
    match status.success() && watched.results == u64::from(jobs) {
        true => Ok(watched.peak_bytes),
        false => Err(stand.complaint(format_args!("{} results of {jobs} jobs, {status}", watched.results))),
    }
}

/// What this process holds now, in bytes.
pub(crate) fn resident() -> Result<u64, String> {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    bytes_of(&status, "VmRSS:").ok_or_else(|| "/proc/self/status does not say what is resident".to_owned())
}

/// `VmHWM` in bytes.
fn high_water_mark(status: &str) -> Option<u64> {
    bytes_of(status, "VmHWM:")
}

fn bytes_of(status: &str, name: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix(name))?;
    line.trim().strip_suffix(" kB")?.parse::<u64>().ok().map(|kib| kib * 1024)
}

/// Says which file it was.
pub(crate) fn at<E: Display>(path: &Path) -> impl Fn(E) -> String {
    move |error| format!("{}: {error}", path.display())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Behaves like the program as far as it is asked to.
    fn stand(script: &str) -> Stand {
        let stand = Stand::new(&Ok("sh".into()), "", 3, |job| format!("{job}\n")).unwrap();
        let program = stand.path("program");
        fs::write(&program, format!("#!/bin/sh\n{script}\n")).unwrap();
        fs::set_permissions(&program, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
        Stand { program, ..stand }
    }

    #[test]
    fn a_run_that_does_not_succeed_is_no_number() {
        let failing = stand("echo it broke >&2; exit 74");
        let why = failing.timed(&mut failing.run().unwrap(), 3).unwrap_err();
        assert_eq!(why, "batchmill run: exit status: 74: it broke");
        let working = stand("exit 0");
        assert!(working.timed(&mut working.run().unwrap(), 3).is_ok());
    }

    #[test]
    fn results_are_counted_while_they_come() {
        let stand = stand("cat jobs.jsonl");
        let mut running = stand.start(stand.run().unwrap().stdout(Stdio::piped())).unwrap();
        assert_eq!(running.watch().unwrap().results, 3);
    }

    #[test]
    fn there_is_one_batch_or_a_complaint() {
        let stand = stand("");
        assert!(stand.batch().is_err());
        fs::create_dir_all(stand.state().join("batches/a")).unwrap();
        assert_eq!(stand.batch().unwrap(), stand.state().join("batches/a"));
        fs::create_dir_all(stand.state().join("batches/b")).unwrap();
        assert!(stand.batch().is_err());
    }

    #[test]
    fn the_high_water_mark_is_read_in_bytes() {
        assert_eq!(high_water_mark("VmPeak:\t 9 kB\nVmHWM:\t   12 kB\nVmRSS:\t 1 kB\n"), Some(12 * 1024));
        assert_eq!(high_water_mark("Name: gone\n"), None);
        assert!(resident().unwrap() > 0);
    }
}
