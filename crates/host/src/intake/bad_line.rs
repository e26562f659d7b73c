//! What happens to lines that are no job.

use std::{fs::File, io};

use clap::ValueEnum;
use serde::{Deserialize, Serialize};

use super::{
    record::Flaw,
    spool::{Scratch, Spool},
};
use crate::problems::{Finding, Problems, Refusal};

/// What is done about a bad line.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum OnBadLine {
    /// Nothing runs, and every bad line is told
    #[default]
    Fail,
    /// The line is left out; how many were, and why, is told
    Skip,
    /// The line is left out, and kept beside the results with its place and what is wrong with it
    Quarantine,
}

/// The bad lines of a source.
#[derive(Debug)]
pub(crate) struct BadLines {
    source: String,
    action: OnBadLine,
    lines: u64,
    problems: Problems,
    kept: Option<Spool>,
    scratch: Scratch,
}

/// What was left out of a batch.
#[derive(Debug, Default)]
pub(crate) struct LeftOut {
    pub(crate) action: OnBadLine,
    pub(crate) lines: u64,
    /// The first of them, each with its place.
    problems: Vec<Finding>,
    /// They themselves, where they are kept.
    pub(crate) kept: Option<File>,
}

impl LeftOut {
    /// What an earlier host left out of a batch.
    pub(crate) fn before(action: OnBadLine, lines: u64) -> Self {
        Self { action, lines, ..Self::default() }
    }

    /// Tells the first of them, and how many there are.
    pub(super) fn warn(&self) {
        for problem in &self.problems {
            tracing::warn!("left out: {problem}");
        }
        if self.lines > 0 {
            tracing::warn!(lines = self.lines, "bad lines are left out of the batch");
        }
    }
}

/// A line that is kept.
#[derive(Serialize)]
struct Kept<'a> {
    source: &'a str,
    line: Option<u64>,
    column: Option<u64>,
    /// One sentence a problem.
    errors: Vec<&'a str>,
    /// The line as it stands in its source; U+FFFD for what is not UTF-8.
    text: &'a str,
    /// Its bytes, where they are not UTF-8.
    #[serde(skip_serializing_if = "Option::is_none")]
    text_base64: Option<String>,
    /// Only the first bytes of the line are here: it was longer than allowed.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    text_cut: bool,
}

/// The bytes of a bad line.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Raw<'a> {
    pub(crate) bytes: &'a [u8],
    /// Whether these are only the first ones.
    pub(crate) is_cut: bool,
}

impl BadLines {
    pub(crate) fn new(source: String, action: OnBadLine, scratch: Scratch) -> Self {
        Self { source, action, lines: 0, problems: Problems::default(), kept: None, scratch }
    }

    /// Adds one line with everything that is wrong with it.
    pub(crate) fn add(&mut self, flaws: &[Flaw], raw: Raw<'_>) -> Result<(), Refusal> {
        self.lines += 1;
        for flaw in flaws {
            self.problems.add(flaw.place(&self.source), flaw.message.as_str());
        }
        if self.action == OnBadLine::Quarantine {
            self.keep(flaws, raw).map_err(|error| self.scratch.refusal("bad lines", &error))?;
        }
        Ok(())
    }

    fn keep(&mut self, flaws: &[Flaw], raw: Raw<'_>) -> io::Result<()> {
        let place = flaws.first().map(|flaw| flaw.place(&self.source));
        let text = String::from_utf8_lossy(raw.bytes);
        // What was cut within a character is no worse for it.
        let is_text = std::str::from_utf8(raw.bytes).map_or_else(|error| error.error_len().is_none(), |_| true);
        let kept = Kept {
            source: place.as_ref().map_or("", |place| &place.file),
            line: place.as_ref().and_then(|place| place.line),
            column: place.as_ref().and_then(|place| place.column),
            errors: flaws.iter().map(|flaw| flaw.message.as_str()).collect(),
            text: &text,
            text_base64: (!is_text).then(|| batchmill_plugin::base64(raw.bytes)),
            text_cut: raw.is_cut,
        };
        let line = serde_json::to_vec(&kept)?;
        let spool = match &mut self.kept {
            Some(spool) => spool,
            none => none.insert(Spool::create(&self.scratch)?),
        };
        spool.add(&line).map(drop)
    }

    /// Why there is no batch, whatever becomes of bad lines.
    pub(crate) fn refuse_all(&mut self, flaw: &Flaw) -> Refusal {
        let left_out = self.action != OnBadLine::Fail;
        let mut problems = if left_out { Problems::default() } else { std::mem::take(&mut self.problems) };
        problems.add(flaw.place(&self.source), flaw.message.as_str());
        Refusal { exit: crate::exit::Exit::BadData, problems: problems.into_findings() }
    }

    /// What is left out; a refusal, if bad lines are not to be left out.
    pub(crate) fn finish(self) -> Result<LeftOut, Refusal> {
        let Self { action, lines, problems, kept, scratch, .. } = self;
        let problems = problems.into_findings();
        if action == OnBadLine::Fail && lines > 0 {
            return Err(Refusal { exit: crate::exit::Exit::BadData, problems });
        }
        let kept = kept.map(Spool::finish).transpose().map_err(|error| scratch.refusal("bad lines", &error))?;
        Ok(LeftOut { action, lines, problems, kept })
    }
}
