//! What a queued job costs, in the real program: its peak of resident memory over a batch of a million jobs from a file,
//! less that of a small batch, by job.

use std::{
    fs,
    io::Read,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use super::Suite;
use crate::{
    measure::{Bound, Case, Kind, Sample, Unit},
    tools::{Need, Tools},
};

pub(super) const SUITE: Suite = Suite {
    name: "memory",
    about: "resident memory of queued jobs, from a file of 100 bytes a job, in the real program",
    needs: &[Need::Host],
    cases,
};

const JOBS: u32 = 1_000_000;
/// The base: all the same, with few jobs, but so many that every bounded queue of the program has been full.
const FEW: u32 = 10_000;
/// With its line break.
const LINE_BYTES: usize = 100;
const BYTES_MAX: f64 = 100.0;

const FLOW: &str = "version: 1\nname: memory\nnodes:\n  add: {set: '{y: (.n + 1)}'}\noutput: '{y}'\n";

const INPUT_ONLY: &str = "lines that are inputs";
const ALL_KEYS: &str = "lines with id, priority and tenant";

fn cases(tools: &Tools) -> Vec<Case> {
    let host = tools.path(Need::Host);
    let side = |line: fn(u32) -> String| {
        let host = host.clone();
        move |jobs| host.as_ref().map_err(Clone::clone).and_then(|host| bytes_a_job(host, jobs, line))
    };
    let case = Case::new("a million jobs from a file of 100 MB", Unit::BytesPerJob)
        .side(Kind::Batchmill, INPUT_ONLY, JOBS, side(input_only))
        .side(Kind::Batchmill, ALL_KEYS, JOBS, side(all_keys))
        .goal_of(INPUT_ONLY, Bound::AtMost(BYTES_MAX))
        .goal_of(ALL_KEYS, Bound::AtMost(BYTES_MAX))
        .without_warm_up();
    vec![case]
}

fn input_only(job: u32) -> String {
    padded(&format!("{{\"n\":{job},\"text\":\""), "\"}")
}

fn all_keys(job: u32) -> String {
    let (priority, tenant) = (job % 256, job % 10);
    let keys = format!("\"id\":\"job-{job}\",\"priority\":{priority},\"tenant\":\"t{tenant}\"");
    padded(&format!("{{{keys},\"input\":{{\"n\":{job},\"s\":\""), "\"}}")
}

/// A line of a fixed length.
fn padded(head: &str, tail: &str) -> String {
    let padding = LINE_BYTES.saturating_sub(head.len() + tail.len() + 1);
    format!("{head}{}{tail}\n", "x".repeat(padding))
}

fn bytes_a_job(host: &Path, jobs: u32, line: fn(u32) -> String) -> Result<Sample, String> {
    let few = FEW.min(jobs / 2).max(1);
    let base = peak(host, few, line)?;
    let full = peak(host, jobs, line)?;
    #[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
    let (full, base) = (full as f64, base as f64);
    Ok(Sample::of((full - base) / f64::from((jobs - few).max(1))))
}

/// The peak of resident memory of a whole batch, in bytes.
fn peak(host: &Path, jobs: u32, line: fn(u32) -> String) -> Result<u64, String> {
    // A folder of its own: no batch finds the state of another.
    let folder = tempfile::tempdir().map_err(|error| format!("no folder for temporary files: {error}"))?;
    let [flow, lines, config] = ["flow.yaml", "jobs.jsonl", "batchmill.toml"].map(|name| folder.path().join(name));
    write(&flow, FLOW)?;
    write(&config, "")?;
    write(&lines, &(0..jobs).map(line).collect::<String>())?;

    let mut command = Command::new(host);
    command.arg("run").arg(&flow).arg(&lines).arg("--config").arg(&config).args(["--progress", "none"]);
    let errors = folder.path().join("stderr");
    let stderr = fs::File::create(&errors).map_err(|error| format!("{}: {error}", errors.display()))?;
    let child = command.current_dir(folder.path()).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(stderr).spawn();
    let mut child = child.map_err(|error| format!("{}: {error}", host.display()))?;
    let (results, peak) = watch(&mut child)?;
    let status = child.wait().map_err(|error| error.to_string())?;
    match status.success() && results == u64::from(jobs) {
        true => Ok(peak),
        false => {
            let said = fs::read_to_string(&errors).unwrap_or_default();
            Err(format!("{results} results of {jobs} jobs, {status}: {}", said.lines().next().unwrap_or_default()))
        }
    }
}

/// Reads results as they come, and looks at the peak each time: a peak never falls, so the last look has it, but for what
/// the program may still do after its last result.
fn watch(child: &mut Child) -> Result<(u64, u64), String> {
    let status = PathBuf::from(format!("/proc/{}/status", child.id()));
    let mut stdout = child.stdout.take().expect("it is piped");
    let (mut results, mut peak, mut buffer) = (0, 0, vec![0; 256 * 1024]);
    loop {
        let read = stdout.read(&mut buffer).map_err(|error| format!("the results: {error}"))?;
        peak = peak.max(fs::read_to_string(&status).ok().and_then(|text| high_water_mark(&text)).unwrap_or(0));
        if read == 0 {
            return Ok((results, peak));
        }
        results += buffer[..read].iter().filter(|byte| **byte == b'\n').count() as u64;
    }
}

/// `VmHWM` in bytes.
fn high_water_mark(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().strip_suffix(" kB")?.parse::<u64>().ok().map(|kib| kib * 1024)
}

fn write(path: &Path, text: &str) -> Result<(), String> {
    fs::write(path, text).map_err(|error| format!("{}: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_has_the_length_that_makes_100_megabytes() {
        for line in [input_only(0), input_only(999_999), all_keys(0), all_keys(999_999)] {
            assert_eq!(line.len(), LINE_BYTES, "{line}");
            assert!(serde_json::from_str::<serde_json::Value>(&line).is_ok(), "{line}");
        }
    }

    #[test]
    fn the_high_water_mark_is_read_in_bytes() {
        assert_eq!(high_water_mark("VmPeak:\t 9 kB\nVmHWM:\t   12 kB\nVmRSS:\t 1 kB\n"), Some(12 * 1024));
        assert_eq!(high_water_mark("Name: gone\n"), None);
    }
}
