//! What the jobs wrote down, outside of everything that the program under test writes.

use std::{
    collections::BTreeMap,
    fs::{self, OpenOptions},
    io::Write,
    path::PathBuf,
};

/// A file that only grows.
pub(crate) struct Ledger {
    path: PathBuf,
}

/// A line of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Line {
    /// A process of a job started or ended.
    Process(Process),
    /// A host has ended, by itself or not: what follows belongs to the next.
    HostEnded,
}

/// What a process of a job wrote.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Process {
    pub(crate) starts: bool,
    pub(crate) pid: u32,
    pub(crate) node: String,
    pub(crate) job: u64,
    pub(crate) key: String,
}

impl Line {
    fn process(&self) -> Option<&Process> {
        match self {
            Self::Process(process) => Some(process),
            Self::HostEnded => None,
        }
    }
}

impl Ledger {
    pub(crate) fn at(path: PathBuf) -> Self {
        Self { path }
    }

    /// Notes that a host has ended.
    pub(crate) fn host_ended(&self, starts: u64) -> Result<(), String> {
        let opened = OpenOptions::new().append(true).create(true).open(&self.path);
        let noted = opened.and_then(|mut file| file.write_all(format!("host-ended {starts}\n").as_bytes()));
        noted.map_err(|error| format!("the ledger: {error}"))
    }

    /// Every line so far.
    pub(crate) fn lines(&self) -> Result<Vec<Line>, String> {
        let text = fs::read_to_string(&self.path).map_err(|error| format!("the ledger: {error}"))?;
        text.lines().map(|line| parse(line).ok_or_else(|| format!("the ledger has an odd line: {line}"))).collect()
    }
}

/// The lines of each host, oldest first; what comes after the last one has ended is its own group.
pub(crate) fn by_host(lines: &[Line]) -> Vec<Vec<&Process>> {
    lines.split(|line| *line == Line::HostEnded).map(|lines| lines.iter().filter_map(Line::process).collect()).collect()
}

/// The lines of each job, in order.
pub(crate) fn by_job(lines: &[Line]) -> BTreeMap<u64, Vec<&Process>> {
    let mut jobs: BTreeMap<u64, Vec<&Process>> = BTreeMap::new();
    for process in lines.iter().filter_map(Line::process) {
        jobs.entry(process.job).or_default().push(process);
    }
    jobs
}

fn parse(line: &str) -> Option<Line> {
    let mut words = line.split(' ');
    let starts = match words.next()? {
        "host-ended" => return Some(Line::HostEnded),
        "start" => true,
        "end" => false,
        _ => return None,
    };
    let pid = words.next()?.parse().ok()?;
    let node = words.next()?.to_owned();
    let job = words.next()?.parse().ok()?;
    let key = words.nth(1)?.to_owned();
    Some(Line::Process(Process { starts, pid, node, job, key }))
}
