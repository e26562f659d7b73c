//! The command line.

use std::path::PathBuf;

use crate::suites::{self, Suite};

pub(crate) const USAGE: &str = "\
Usage: cargo xtask bench [SUITE...] [OPTIONS]

Runs the suites that take minutes at most, or those that are named, and prints medians, ratios and goals.

Options:
  --case TEXT   only cases whose names contain TEXT
  --side TEXT   only sides of them whose names contain TEXT
  --rounds N    rounds of every side, 5 unless given
  --jobs N      at most N jobs a round, to try something; few jobs show the ticks of the kernel
  --quick       one small round of the sides that need nothing from outside: does it still work?
  --json FILE   write what was measured
  --record      write what was measured into docs/benchmarks.md and its plots; other suites there stay
  --render      measure nothing, write docs/benchmarks.md and its plots again from what was recorded
  --needs       run nothing, print what the suites need from outside
  --help        print this
";

const ROUNDS: usize = 5;

/// Jobs a round of `--quick`.
const QUICK_JOBS: u32 = 1000;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Action {
    Run,
    Render,
    Needs,
    Help,
}

#[derive(Debug)]
pub(crate) struct Arguments {
    pub(crate) action: Action,
    pub(crate) suites: Vec<&'static Suite>,
    pub(crate) case: String,
    pub(crate) side: String,
    pub(crate) rounds: usize,
    pub(crate) jobs_max: u32,
    pub(crate) quick: bool,
    pub(crate) json: Option<PathBuf>,
    pub(crate) record: bool,
}

impl Arguments {
    pub(crate) fn parse(arguments: impl IntoIterator<Item = String>) -> Result<Self, String> {
        let (mut action, mut suites, mut json) = (Action::Run, Vec::new(), None);
        let (mut case, mut side) = (String::new(), String::new());
        let (mut rounds, mut jobs, mut quick, mut record, mut needs) = (None, None, false, false, false);
        let mut arguments = arguments.into_iter();
        while let Some(argument) = arguments.next() {
            let mut value = || arguments.next().ok_or_else(|| format!("{argument} needs a value"));
            match argument.as_str() {
                "--case" => case = value()?,
                "--side" => side = value()?,
                "--rounds" => rounds = Some(positive(&argument, &value()?)?),
                "--jobs" => jobs = Some(positive(&argument, &value()?)?),
                "--json" => json = Some(PathBuf::from(value()?)),
                "--quick" => quick = true,
                "--record" => record = true,
                "--render" => action = Action::Render,
                "--needs" => needs = true,
                "--help" | "-h" => action = Action::Help,
                flag if flag.starts_with('-') => return Err(format!("unknown option {flag}")),
                name => suites.push(suites::find(name)?),
            }
        }
        if quick && record {
            return Err("--quick measures nothing worth a record".to_owned());
        }
        // A busy kernel rounds what takes less than a few of its ticks (4 ms each) up to one, on every side alike.
        if record && jobs.is_some() {
            return Err("--record takes rounds of full size: those of few jobs show the ticks of the kernel".to_owned());
        }
        if record && !(case.is_empty() && side.is_empty()) {
            return Err("--record takes whole suites".to_owned());
        }
        if needs && action != Action::Run {
            let (rounds, jobs_max) = (0, 0);
            return Ok(Self {
                action: Action::Needs,
                suites: Vec::new(),
                case,
                side,
                rounds,
                jobs_max,
                quick,
                json,
                record,
            });
        }
        Ok(Self {
            action: if needs { Action::Needs } else { action },
            case,
            side,
            suites: if suites.is_empty() { suites::usual() } else { suites },
            rounds: rounds.map_or(if quick { 1 } else { ROUNDS }, |rounds| rounds as usize),
            jobs_max: jobs.unwrap_or(if quick { QUICK_JOBS } else { u32::MAX }),
            quick,
            json,
            record,
        })
    }
}

fn positive(name: &str, text: &str) -> Result<u32, String> {
    let number = text.parse().ok().filter(|number| *number > 0);
    number.ok_or_else(|| format!("{name} is a whole number above 0, not `{text}`"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Arguments, String> {
        Arguments::parse(line.split_whitespace().map(str::to_owned))
    }

    #[test]
    fn without_arguments_everything_runs_in_five_rounds_but_what_takes_too_long() {
        let arguments = parse("").unwrap();
        let names: Vec<&str> = arguments.suites.iter().map(|suite| suite.name).collect();
        assert!(names.contains(&"durable") && !names.contains(&"durable-large"), "{names:?}");
        assert_eq!((names.len(), arguments.rounds), (suites::ALL.len() - 1, 5));
        assert_eq!(parse("durable-large").unwrap().suites.len(), 1);
        assert_eq!((arguments.jobs_max, arguments.action), (u32::MAX, Action::Run));
    }

    #[test]
    fn suites_and_sizes_are_chosen() {
        let arguments = parse("memory --rounds 7 noop --jobs 100 --json x.json").unwrap();
        assert_eq!(arguments.suites.iter().map(|suite| suite.name).collect::<Vec<_>>(), ["memory", "noop"]);
        assert_eq!((arguments.rounds, arguments.jobs_max), (7, 100));
        assert_eq!(arguments.json, Some("x.json".into()));
        assert_eq!((parse("--quick").unwrap().rounds, parse("--quick --rounds 2").unwrap().rounds), (1, 2));
    }

    #[test]
    fn nothing_is_prepared_for_what_measures_nothing() {
        assert_eq!(parse("--needs noop").unwrap().suites.len(), 1);
        for line in ["--help --needs", "--needs --render"] {
            let arguments = parse(line).unwrap();
            assert_eq!((arguments.action, arguments.suites.len()), (Action::Needs, 0), "{line}");
        }
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        for line in [
            "nope",
            "--nope",
            "--rounds",
            "--rounds 0",
            "--jobs many",
            "--json",
            "--quick --record",
            "--record --jobs 9",
            "--record --side x",
            "--case",
        ] {
            assert!(parse(line).is_err(), "{line}");
        }
    }
}
