//! One life of a host.

use std::{
    fs::{self, File},
    os::unix::process::ExitStatusExt,
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use super::{chance::Kill, scene::Scene};

/// No host lives so long unless it hangs.
const HANGS_AFTER: Duration = Duration::from_secs(300);

/// How it ended.
pub(crate) enum End {
    /// By the kill, its own or ours.
    Killed { by_itself: bool },
    /// The batch is done: some jobs have failed for good, as they should.
    Done,
    /// In a way that it should not.
    Wrong(String),
}

/// A host, which goes on with the batch of the scene.
pub(super) fn program(scene: &Scene, settings: &[&str]) -> Command {
    let batch = ["run", "flow.yaml", "jobs.jsonl", "--output", "results.jsonl"];
    let terms = ["--concurrency", "8", "--halt", "never", "--progress", "none"];
    let mut command = scene.program(&[&batch[..], &terms].concat());
    for setting in settings {
        command.args(["--set", setting]);
    }
    command
}

/// Starts a host, which goes on where the one before was killed, and kills it.
pub(crate) fn run(scene: &Scene, kill: Option<&Kill>) -> Result<End, String> {
    let stderr = scene.stderr();
    // Kills come from outside: no job is to blame, however often it was there.
    let mut command = program(scene, &["executor.crash_limit=1000000"]);
    if let Some(Kill::At(name, count, _)) = kill {
        command.env("BATCHMILL_FAILPOINT", format!("{name}:{count}"));
    }
    let file = File::create(&stderr).map_err(|error| error.to_string())?;
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(file);
    let mut child = command.spawn().map_err(|error| error.to_string())?;
    let begun = Instant::now();
    let mut is_killed = false;
    let status = loop {
        if let Some(status) = child.try_wait().map_err(|error| error.to_string())? {
            break status;
        }
        let delay = kill.and_then(|kill| match kill {
            Kill::After(delay) => Some(*delay),
            Kill::At(_, _, delay) => *delay,
        });
        let is_due = delay.is_some_and(|delay| begun.elapsed() >= delay);
        if (is_due && !is_killed) || begun.elapsed() > HANGS_AFTER {
            child.kill().map_err(|error| error.to_string())?;
            if !is_due {
                return Ok(End::Wrong(format!("a host did not end within {} s", HANGS_AFTER.as_secs())));
            }
            is_killed = true;
        }
        // tidy: allow(sleeps): the moment of a kill is random, and nothing is waited for that could be missed
        thread::sleep(Duration::from_millis(1));
    };
    Ok(match (status.signal(), status.code()) {
        (Some(9), _) if kill.is_some() => End::Killed { by_itself: !is_killed },
        (None, Some(1)) => End::Done,
        _ => End::Wrong(format!("{status}, and said: {}", fs::read_to_string(&stderr).unwrap_or_default())),
    })
}
