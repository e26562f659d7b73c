//! The columns of a CSV file, and which of them are keys of a job.

use std::collections::HashSet;

use batchmill_core::nearest;

use super::records::Cells;
use crate::intake::record::Flaw;

/// What the command line says about columns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Columns {
    pub(crate) id: Option<String>,
    pub(crate) priority: Option<String>,
    pub(crate) tenant: Option<String>,
    /// What stands between fields.
    pub(crate) delimiter: u8,
}

impl Default for Columns {
    fn default() -> Self {
        Self { id: None, priority: None, tenant: None, delimiter: b',' }
    }
}

impl Columns {
    /// A flag that was given, if any was.
    pub(crate) fn flag(&self) -> Option<&'static str> {
        let given = [
            ("--id-column", self.id.is_some()),
            ("--priority-column", self.priority.is_some()),
            ("--tenant-column", self.tenant.is_some()),
            ("--delimiter", self.delimiter != b','),
        ];
        given.iter().find(|(_, is_given)| *is_given).map(|(flag, _)| *flag)
    }
}

/// The header of one file.
#[derive(Debug)]
pub(super) struct Header {
    /// Each name as JSON.
    pub(super) names: Vec<Vec<u8>>,
    pub(super) id: Option<usize>,
    pub(super) priority: Option<usize>,
    pub(super) tenant: Option<usize>,
}

impl Header {
    /// Reads the record that names the columns; everything that is wrong with it.
    pub(super) fn of<R>(cells: &Cells<R>, columns: &Columns) -> Result<Self, Vec<Flaw>> {
        let mut flaws = Vec::new();
        let (mut names, mut seen) = (Vec::new(), HashSet::new());
        for (number, cell) in (1..).zip(cells.iter()) {
            match cell.text() {
                Ok("") => flaws.push(Flaw::at(cell.start, format!("column {number} has no name"))),
                Ok(name) if !seen.insert(name) => {
                    flaws.push(Flaw::at(cell.start, format!("duplicate column `{name}`")));
                }
                Ok(name) => names.push(name),
                Err(flaw) => flaws.push(flaw),
            }
        }
        let mut find = |flag: &str, wanted: &Option<String>| {
            let wanted = wanted.as_deref()?;
            let found = names.iter().position(|name| *name == wanted);
            if found.is_none() {
                flaws.push(Flaw::of(cells.start(), unknown(flag, wanted, &names)));
            }
            found
        };
        let id = find("--id-column", &columns.id);
        let priority = find("--priority-column", &columns.priority);
        let tenant = find("--tenant-column", &columns.tenant);
        if !flaws.is_empty() {
            return Err(flaws);
        }
        let json = |name: &&str| serde_json::to_vec(name).expect("a text is JSON");
        Ok(Self { names: names.iter().map(json).collect(), id, priority, tenant })
    }
}

fn unknown(flag: &str, wanted: &str, names: &[&str]) -> String {
    match nearest(wanted, names.iter().copied()) {
        Some(near) => format!("{flag}: there is no column `{wanted}`, did you mean `{near}`?"),
        None => format!("{flag}: there is no column `{wanted}` (there are: {})", names.join(", ")),
    }
}
