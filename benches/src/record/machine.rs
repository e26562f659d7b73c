//! Where and when a suite ran.

use std::{fs, process::Command, thread};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// A machine at a moment.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Machine {
    /// Year, month, day, in UTC.
    pub(crate) date: String,
    pub(crate) processor: String,
    pub(crate) cores: usize,
    pub(crate) memory_gib: u64,
    pub(crate) system: String,
    pub(crate) rustc: String,
    /// The commit that was built, as far as git knows it.
    pub(crate) commit: String,
    /// What else ran: the load average of the last minute before the start.
    pub(crate) load: String,
}

impl Machine {
    pub(crate) fn look() -> Self {
        let read = |path| fs::read_to_string(path).unwrap_or_default();
        let first_word = |text: String| text.split_whitespace().next().unwrap_or("unknown").to_owned();
        let kib: u64 = field(&read("/proc/meminfo"), "MemTotal").trim_end_matches(" kB").parse().unwrap_or_default();
        Self {
            date: Timestamp::now().strftime("%Y-%m-%d").to_string(),
            processor: field(&read("/proc/cpuinfo"), "model name"),
            cores: thread::available_parallelism().map_or(0, Into::into),
            memory_gib: (kib + 512 * 1024) / (1024 * 1024),
            system: format!("Linux {}", first_word(read("/proc/sys/kernel/osrelease"))),
            rustc: said_by("rustc", &["--version"]),
            commit: said_by("git", &["rev-parse", "--short=10", "HEAD"]),
            load: first_word(read("/proc/loadavg")),
        }
    }

    /// In one line.
    pub(crate) fn line(&self) -> String {
        let Self { date, processor, cores, memory_gib, system, rustc, commit, load } = self;
        format!(
            "{date}, {processor}, {cores} cores, {memory_gib} GiB, {system}, {rustc}, commit {commit}, load average before \
             the start {load}"
        )
    }
}

/// The value of the first line `NAME : VALUE`.
fn field(text: &str, name: &str) -> String {
    let lines = text.lines().filter_map(|line| line.split_once(':'));
    let found = lines.filter(|(key, _)| key.trim() == name).map(|(_, value)| value.trim().to_owned()).next();
    found.unwrap_or_else(|| "unknown".to_owned())
}

/// The first two words that a command answers.
fn said_by(program: &str, arguments: &[&str]) -> String {
    let here = concat!(env!("CARGO_MANIFEST_DIR"), "/..");
    let output = Command::new(program).args(arguments).current_dir(here).output();
    let said = output.ok().filter(|output| output.status.success());
    let said = said.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default();
    let words: Vec<&str> = said.split_whitespace().take(2).collect();
    if words.is_empty() { "unknown".to_owned() } else { words.join(" ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_of_proc_are_found_by_name() {
        let text = "processor\t: 0\nmodel name\t: AMD EPYC: 9\nmodel name\t: other\n";
        assert_eq!(field(text, "model name"), "AMD EPYC: 9");
        assert_eq!(field(text, "vendor"), "unknown");
    }

    #[test]
    fn a_command_that_is_not_there_is_unknown() {
        assert_eq!(said_by("no-such-command-anywhere", &[]), "unknown");
    }
}
