//! A quota of CPU time for the processes of a batch: a control group of their own, where the host may make one.
//!
//! The group lies below that of the host, which stays where it is. In version 2 a group with processes may have only *threaded*
//! groups below it, so ours is one: CPU time is shared out there, and memory is counted where it was before. In version 1 any
//! group may have any below it. Layouts: the kernel's documents *Control Group v2* (Threads; CPU) and *CFS Bandwidth Control*.

mod place;

use std::{
    fs, io,
    num::NonZeroUsize,
    path::{Path, PathBuf},
    thread,
    time::Duration,
};

use batchmill_config::Cpus;

use self::place::{Place, Version};
use crate::inputs::Inputs;

/// In microseconds: what the quota is a part of, the kernel's own default.
const PERIOD: f64 = 100_000.0;

/// Ours begin so; the number of the process that made it follows.
const NAME: &str = "batchmill-";

/// How often it is tried to remove a group that processes have just left, and how long lies between.
const TRIES_MAX: u32 = 40;
const PAUSE: Duration = Duration::from_millis(5);

/// A group that is there as long as this is.
#[derive(Debug)]
pub(crate) struct Throttle {
    place: Place,
    name: String,
    /// The controller is handed down only since we asked for it.
    asked: bool,
}

/// Why there is none.
#[derive(Debug, thiserror::Error)]
enum NotMade {
    /// Nothing that the host could make a group of.
    #[error("no control group with the controller `cpu` is there")]
    NoGroup,
    /// The host's own group was not given CPU time to share out.
    #[error("{0} is not handed the controller `cpu`")]
    NoController(String),
    /// The kernel refused something.
    #[error("{path}: {source}")]
    Refused { path: String, source: io::Error },
}

/// Gives the processes of a batch what config grants them. Where that cannot be, they run all the same, and it is told.
pub(crate) fn begin(inputs: &Inputs) -> Option<Throttle> {
    let cpus = inputs.config.resources.cpu_max?;
    let available = thread::available_parallelism().map_or(1, NonZeroUsize::get);
    if cpus.get() > available as f64 {
        tracing::warn!(
            "resources.cpu_max = {cpus} is more than the CPUs there are, {available}: it holds nothing back"
        );
    }
    match Throttle::at(Path::new("/"), std::process::id(), cpus) {
        Ok(throttle) => {
            let folder = throttle.folder();
            tracing::debug!(group = %folder.display(), "processes get at most {cpus} CPUs");
            inputs.group.set(folder);
            Some(throttle)
        }
        Err(why) => {
            tracing::warn!(
                "resources.cpu_max = {cpus} holds nothing back: {why}. The host has to be started in a control group that \
                 it may divide, for example by `systemd-run --user --scope -p Delegate=cpu batchmill …`"
            );
            None
        }
    }
}

impl Throttle {
    /// Makes the group of process `host` below its own.
    fn at(root: &Path, host: u32, cpus: Cpus) -> Result<Self, NotMade> {
        let place = Place::find(root)?;
        remove_left(root, &place.folder);
        let asked = place.hand_down()?;
        // From here on what was done is undone where the rest fails.
        let throttle = Self { place, name: format!("{NAME}{host}"), asked };
        let folder = throttle.folder();
        match fs::create_dir(&folder) {
            // Numbers of processes come again: nobody else has ours now.
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(refused(&folder, error)),
            _ => {}
        }
        throttle.grant(cpus)?;
        Ok(throttle)
    }

    /// Where its processes belong.
    fn folder(&self) -> PathBuf {
        self.place.folder.join(&self.name)
    }

    fn grant(&self, cpus: Cpus) -> Result<(), NotMade> {
        let folder = self.folder();
        let quota = (cpus.get() * PERIOD).round();
        match self.place.version {
            Version::Two { below_processes } => {
                if below_processes {
                    write(&folder.join("cgroup.type"), "threaded")?;
                }
                write(&folder.join("cpu.max"), &format!("{quota} {PERIOD}"))
            }
            Version::One => {
                write(&folder.join("cpu.cfs_period_us"), &PERIOD.to_string())?;
                write(&folder.join("cpu.cfs_quota_us"), &quota.to_string())
            }
        }
    }
}

impl Drop for Throttle {
    fn drop(&mut self) {
        let folder = self.folder();
        let busy = (0..TRIES_MAX).all(|tried| {
            if tried > 0 {
                // The last processes were killed a moment ago.
                thread::sleep(PAUSE);
            }
            fs::remove_dir(&folder).is_err_and(|error| error.kind() == io::ErrorKind::ResourceBusy)
        });
        if busy {
            tracing::warn!(group = %folder.display(), "the group stays: a process that a job has left behind is in it");
        } else if self.asked {
            self.place.take_back();
        }
    }
}

/// Removes groups of hosts that could not do so themselves. One with processes stays: the kernel removes none of these.
fn remove_left(root: &Path, folder: &Path) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let host = name.to_str().and_then(|name| name.strip_prefix(NAME)).filter(|host| host.parse::<u32>().is_ok());
        if host.is_some_and(|host| !root.join("proc").join(host).exists()) {
            // If it fails, it is in use.
            let _ = fs::remove_dir(entry.path());
        }
    }
}

fn write(path: &Path, text: &str) -> Result<(), NotMade> {
    fs::write(path, text).map_err(|error| refused(path, error))
}

fn refused(path: &Path, source: io::Error) -> NotMade {
    NotMade::Refused { path: path.display().to_string(), source }
}

#[cfg(test)]
mod tests;
