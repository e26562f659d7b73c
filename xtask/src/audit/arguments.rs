//! What `cargo xtask audit` takes itself, and what it hands on.

use std::path::PathBuf;

use crate::steps::Failed;

/// How the verb is called.
pub(super) const USAGE: &str =
    "usage: cargo xtask audit [--limit N] [--into FOLDER] [--batchmill PATH] [-- FLAGS OF batchmill run]";

/// The arguments, taken apart.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Arguments {
    /// Audit only so many crates, the first by name.
    pub(super) limit: Option<usize>,
    /// Where jobs, results and report go; `audit` in cargo's target folder otherwise.
    pub(super) into: Option<PathBuf>,
    /// A binary that is built already.
    pub(super) batchmill: Option<PathBuf>,
    /// Only say how it is called.
    pub(super) help: bool,
    /// Flags for `batchmill run`.
    pub(super) flags: Vec<String>,
}

impl Arguments {
    pub(super) fn parse(arguments: &[String]) -> Result<Self, Failed> {
        let mut parsed = Self::default();
        let mut rest = arguments.iter();
        while let Some(name) = rest.next() {
            if name == "--" {
                parsed.flags = rest.cloned().collect();
                return Ok(parsed);
            }
            let mut value = || rest.next().ok_or_else(|| Failed(format!("{name} needs a value\n{USAGE}")));
            match name.as_str() {
                "--limit" => parsed.limit = Some(number(value()?)?),
                "--into" => parsed.into = Some(value()?.into()),
                "--batchmill" => parsed.batchmill = Some(value()?.into()),
                "-h" | "--help" => parsed.help = true,
                _ => {
                    return Err(Failed(format!(
                        "unknown argument `{name}`; flags of batchmill go after `--`\n{USAGE}"
                    )));
                }
            }
        }
        Ok(parsed)
    }
}

fn number(text: &str) -> Result<usize, Failed> {
    text.parse().ok().filter(|number| *number > 0).ok_or_else(|| Failed(format!("--limit {text}: not a number from 1")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Arguments, String> {
        let words: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
        Arguments::parse(&words).map_err(|Failed(why)| why)
    }

    #[test]
    fn what_follows_two_dashes_is_for_batchmill() {
        let parsed = parse("--limit 3 --into x -- --limit 9 -- y").unwrap();
        assert_eq!(parsed.limit, Some(3));
        assert_eq!(parsed.into, Some("x".into()));
        assert_eq!(parsed.flags, ["--limit", "9", "--", "y"]);
    }

    #[test]
    fn mistakes_are_named() {
        for (line, why) in [
            ("--concurrency 1", "unknown argument `--concurrency`; flags of batchmill go after `--`"),
            ("--limit", "--limit needs a value"),
            ("--limit 0", "--limit 0: not a number from 1"),
            ("--limit x", "--limit x: not a number from 1"),
        ] {
            let error = parse(line).unwrap_err();
            assert!(error.starts_with(why), "{line}: {error}");
        }
    }
}
