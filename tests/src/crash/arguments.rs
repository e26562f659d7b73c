//! What the command line asks for.

use std::{env, path::PathBuf};

pub(crate) struct Arguments {
    /// The program under test.
    pub(crate) binary: PathBuf,
    pub(crate) kills: u64,
    /// Tell hosts to end instead, so often.
    pub(crate) terms: Option<u64>,
    pub(crate) jobs: u64,
    pub(crate) seed: u64,
    /// Whether the folders stay.
    pub(crate) keep: bool,
}

impl Arguments {
    pub(crate) fn parse(arguments: &[String]) -> Result<Self, String> {
        let mut parsed =
            Self { binary: PathBuf::new(), kills: 40, terms: None, jobs: 2000, seed: random(), keep: false };
        let mut arguments = arguments.iter();
        while let Some(name) = arguments.next() {
            let mut value = || arguments.next().ok_or_else(|| format!("{name} needs a value"));
            let number = |text: &String| text.parse().map_err(|_| format!("{name} {text}: not a number"));
            match name.as_str() {
                "--binary" => parsed.binary = PathBuf::from(value()?),
                "--kills" => parsed.kills = number(value()?)?,
                "--terms" => parsed.terms = Some(number(value()?)?),
                "--jobs" => parsed.jobs = number(value()?)?,
                "--seed" => parsed.seed = number(value()?)?,
                "--keep" => parsed.keep = true,
                other => return Err(format!("unknown argument {other}")),
            }
        }
        // The program runs in another folder.
        let absolute = env::current_dir().map_err(|error| error.to_string())?.join(&parsed.binary);
        if !absolute.is_file() {
            return Err(format!("--binary {}: there is no such program", parsed.binary.display()));
        }
        parsed.binary = absolute;
        Ok(parsed)
    }

    /// A kill, or a signal to end, for every 50 jobs: 40 in a batch of 2,000.
    pub(crate) fn kills_a_batch(&self) -> u64 {
        (self.jobs / 50).max(1)
    }
}

/// The process's own number and the moment are enough for a seed; it is printed.
fn random() -> u64 {
    let moment = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_or(0, |d| d.as_micros());
    u64::try_from(moment % u128::from(u32::MAX)).unwrap_or_default() ^ u64::from(std::process::id())
}
