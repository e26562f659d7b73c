//! `glob:PATTERN`: a job a path.

use std::{ffi::OsString, os::unix::ffi::OsStrExt, vec};

use super::plain_lines::made;
use crate::intake::{
    glob,
    record::{Broken, Flaw, Record, Records, Spot, Text},
};

/// Paths that become `{"path": "…"}`.
#[derive(Debug)]
pub(crate) struct Files {
    paths: vec::IntoIter<OsString>,
    number: u64,
    path: OsString,
    made: Vec<u8>,
}

impl Files {
    /// What `pattern` finds. Nothing found is a mistake: nobody writes a pattern to have no jobs.
    pub(crate) fn find(pattern: &str) -> Result<Self, Broken> {
        let found = glob::find(pattern).map_err(|message| Broken::Flaws(vec![Flaw::whole(message)]))?;
        let unreadable = found.unreadable.iter().map(|unreadable| {
            let folder = unreadable.folder.to_string_lossy().into_owned();
            Flaw::of(Spot::File(folder), format!("cannot be looked into: {}", unreadable.error))
        });
        let mut flaws: Vec<Flaw> = unreadable.collect();
        if found.paths.is_empty() && flaws.is_empty() {
            flaws.push(Flaw::whole(nothing(pattern)));
        }
        if !flaws.is_empty() {
            return Err(Broken::Flaws(flaws));
        }
        Ok(Self { paths: found.paths.into_iter(), number: 0, path: OsString::new(), made: Vec::new() })
    }
}

fn nothing(pattern: &str) -> String {
    let mend = if pattern.contains('{') {
        "; `{a,b}` is not a pattern: use several runs, or `lines:` with a list"
    } else if pattern.starts_with("~/") {
        "; `~` is the shell's: write the path from the root"
    } else {
        "; patterns have `*`, `?`, `[a-z]` and `**` for folders of any depth"
    };
    format!("nothing matches{mend}")
}

impl Records for Files {
    fn next(&mut self) -> Result<Option<Record<'_>>, Broken> {
        let Some(path) = self.paths.next() else { return Ok(None) };
        self.path = path;
        self.number += 1;
        let spot = |path: &str| Spot::File(path.to_owned());
        let (start, text) = match self.path.to_str() {
            Some(path) => {
                made(&mut self.made, "path", path);
                (spot(path), Text::Made(&self.made))
            }
            None => {
                let shown = self.path.as_bytes().escape_ascii().to_string();
                let message = "the name is not UTF-8, which inputs are; rename the file";
                (spot(&shown), Text::Bad(vec![Flaw::of(spot(&shown), message)]))
            }
        };
        Ok(Some(Record { number: self.number, start, offset: 0, raw: self.path.as_bytes(), text }))
    }
}
