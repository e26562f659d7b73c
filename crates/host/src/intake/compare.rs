//! Are these the jobs that a batch was started with? By id and content, in any order; where ids are defaults the number of
//! the line is the id.

use std::io;

use super::{
    accept,
    index::{Index, IndexWriter, Row},
    jsonl::JsonLines,
    spool::Scratch,
};
use crate::problems::Refusal;

/// Jobs that are named, of those of one kind.
const NAMED: usize = 3;

/// Stands for a job that has no partner.
const NOBODY: u32 = u32::MAX;

/// What became of the jobs of a batch in its source.
#[derive(Debug)]
pub(crate) struct Comparison {
    /// Whether all are where they were.
    in_place: bool,
    /// The row in the source of each job of the batch.
    partners: Partners,
    /// They are in both, with other content.
    pub(crate) changed: Group,
    /// They are in the batch only.
    pub(crate) gone: Group,
    /// The places of those in the batch.
    gone_places: Vec<u32>,
    /// They are in the source only.
    pub(crate) new: Group,
}

/// Jobs of one kind: how many, and the first of them.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Group {
    pub(crate) jobs: u64,
    pub(crate) named: Vec<String>,
}

/// Rows by place.
#[derive(Debug)]
enum Partners {
    /// Each job has the row of its place, as far as the batch goes.
    Same,
    Found(Vec<u32>),
}

impl Comparison {
    /// Holds the jobs of a batch against its source as it is now.
    pub(crate) fn of(batch: &JsonLines, source: &JsonLines) -> io::Result<Self> {
        let (old, new) = (batch.index(), source.index());
        let (mut same, mut in_place) = (0_u32, true);
        for (old, new) in old.rows().zip(new.rows()) {
            let (old, new) = (old?, new?);
            if !is_same(&old, &new) {
                break;
            }
            in_place &= (old.offset, old.length) == (new.offset, new.length);
            same += 1;
        }
        if same == old.len() {
            let mut comparison = Self::equal(in_place);
            for row in same..new.len() {
                comparison.new.add(|| named(source, &new.row(row).ok()?))?;
            }
            return Ok(comparison);
        }
        Self::in_any_order(batch, source)
    }

    fn equal(in_place: bool) -> Self {
        let (changed, gone, new) = (Group::default(), Group::default(), Group::default());
        Self { in_place, partners: Partners::Same, changed, gone, gone_places: Vec::new(), new }
    }

    fn in_any_order(batch: &JsonLines, source: &JsonLines) -> io::Result<Self> {
        let (old, new) = (batch.index(), source.index());
        let by_id = by_id(new)?;
        let mut comparison = Self::equal(false);
        let (mut partners, mut taken) = (Vec::with_capacity(old.len() as usize), vec![false; new.len() as usize]);
        for (place, row) in (0_u32..).zip(old.rows()) {
            let row = row?;
            let found = by_id.binary_search_by_key(&(row.id, row.has_id), |(id, has_id, _)| (*id, *has_id));
            let Ok(found) = found else {
                // One that was gone before is no news.
                if !row.is_gone {
                    comparison.gone.add(|| Some(gone_name(batch, &row)))?;
                    comparison.gone_places.push(place);
                }
                partners.push(NOBODY);
                continue;
            };
            let partner = by_id[found].2;
            let now = new.row(partner)?;
            taken[partner as usize] = true;
            partners.push(partner);
            if now.hash != row.hash {
                comparison.changed.add(|| named(source, &now))?;
            }
        }
        for row in (0..new.len()).filter(|row| !taken[*row as usize]) {
            comparison.new.add(|| named(source, &new.row(row).ok()?))?;
        }
        comparison.partners = Partners::Found(partners);
        Ok(comparison)
    }

    /// Whether the batch can go on with its own index.
    pub(crate) fn is_same(&self) -> bool {
        self.in_place && !self.differs()
    }

    /// Whether it is another batch.
    pub(crate) fn differs(&self) -> bool {
        self.changed.jobs + self.gone.jobs + self.new.jobs > 0
    }

    /// Whether there are more jobs behind the ones of the batch, and nothing else.
    pub(crate) fn is_appended(&self) -> bool {
        self.new.jobs > 0 && self.in_place && matches!(self.partners, Partners::Same)
    }

    /// The places of jobs that the source has no more.
    pub(crate) fn gone_places(&self) -> &[u32] {
        &self.gone_places
    }

    /// The jobs of the source at the places of the batch; new ones behind them.
    pub(crate) fn merge(&self, batch: &JsonLines, source: JsonLines, scratch: &Scratch) -> Result<JsonLines, Refusal> {
        let refuse = |error: io::Error| scratch.refusal(accept::INDEX, &error);
        let add = |not_added| accept::refusal("the jobs", scratch, not_added);
        let (old, new) = (batch.index(), source.index());
        let Partners::Found(partners) = &self.partners else { return Ok(source) };
        let mut merged = IndexWriter::create(scratch).map_err(refuse)?;
        let mut taken = vec![false; new.len() as usize];
        for (row, partner) in old.rows().zip(partners) {
            let row = row.map_err(refuse)?;
            if *partner == NOBODY {
                merged.copy(old, row.gone()).map_err(add)?;
            } else {
                taken[*partner as usize] = true;
                merged.copy(new, new.row(*partner).map_err(refuse)?).map_err(add)?;
            }
        }
        for row in (0..new.len()).filter(|row| !taken[*row as usize]) {
            merged.copy(new, new.row(row).map_err(refuse)?).map_err(add)?;
        }
        let merged = merged.finish(new.flags()).map_err(refuse)?;
        Ok(source.indexed_by(merged))
    }
}

fn is_same(old: &Row, new: &Row) -> bool {
    (old.id, old.has_id, old.hash) == (new.id, new.has_id, new.hash) && !old.is_gone
}

/// Id, whether it is one of its own, and row.
fn by_id(index: &Index) -> io::Result<Vec<(u64, bool, u32)>> {
    let rows = (0_u32..).zip(index.rows());
    let mut all =
        rows.map(|(place, row)| row.map(|row| (row.id, row.has_id, place))).collect::<io::Result<Vec<_>>>()?;
    all.sort_unstable();
    Ok(all)
}

fn named(jobs: &JsonLines, row: &Row) -> Option<String> {
    let id = jobs.id_of(row)?;
    Some(if row.has_id && !jobs.is_spooled() { format!("`{id}` ({})", jobs.place(row)) } else { format!("`{id}`") })
}

/// The line of a job is not there any more, and with it goes an id of its own.
fn gone_name(batch: &JsonLines, row: &Row) -> String {
    match batch.is_spooled().then(|| batch.id_of(row)).flatten() {
        Some(id) => format!("`{id}`"),
        None if row.has_id => format!("the one of line {}", row.number),
        None => format!("`{}`", row.number),
    }
}

impl Group {
    fn add(&mut self, name: impl FnOnce() -> Option<String>) -> io::Result<()> {
        self.jobs += 1;
        if self.named.len() < NAMED {
            let name = name().ok_or_else(|| io::Error::other("a line changed while it was compared"))?;
            self.named.push(name);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use batchmill_executor::JobSource;

    use super::*;
    use crate::intake::{Rules, format::JobLines};

    fn accept(text: &str) -> JsonLines {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(text.as_bytes()).unwrap();
        let rules = Rules { max_line: 200, ..Rules::default() };
        let records = JobLines::new(io::Cursor::new(text.as_bytes().to_vec()), rules.max_line);
        accept::accept("jobs.jsonl".into(), Box::new(records), Some(file), rules, &|_| Ok(())).unwrap()
    }

    fn job(id: &str, n: u32) -> String {
        format!("{{\"id\":\"{id}\",\"input\":{{\"n\":{n}}}}}\n")
    }

    fn groups(comparison: &Comparison) -> [(u64, String); 3] {
        [&comparison.changed, &comparison.gone, &comparison.new].map(|group| (group.jobs, group.named.join(", ")))
    }

    #[test]
    fn jobs_are_the_same_in_any_order_if_they_have_ids() {
        let batch = accept(&(job("a", 1) + &job("b", 2) + &job("c", 3)));
        let same = Comparison::of(&batch, &accept(&(job("a", 1) + &job("b", 2) + &job("c", 3)))).unwrap();
        assert!(same.is_same() && !same.differs());
        let source = accept(&(job("c", 3) + "\n" + &job("a", 1) + &job("b", 2)));
        let moved = Comparison::of(&batch, &source).unwrap();
        assert!(!moved.is_same() && !moved.differs());
        let merged = moved.merge(&batch, source, &Scratch::default()).unwrap();
        let ids: Vec<_> = (0..3).map(|place| merged.load(place).unwrap().id.to_string()).collect();
        assert_eq!(ids, ["a", "b", "c"], "the places of the batch stay");
    }

    #[test]
    fn jobs_without_ids_are_compared_by_place() {
        let batch = accept("{\"n\":1}\n{\"n\":2}\n{\"n\":3}\n");
        let swapped = Comparison::of(&batch, &accept("{\"n\":2}\n{\"n\":1}\n{\"n\":3}\n")).unwrap();
        assert_eq!(groups(&swapped), [(2, "`1`, `2`".into()), (0, "".into()), (0, "".into())]);
        let shifted = Comparison::of(&batch, &accept("\n{\"n\":1}\n{\"n\":2}\n{\"n\":3}\n")).unwrap();
        assert_eq!(groups(&shifted), [(2, "`2`, `3`".into()), (1, "`1`".into()), (1, "`4`".into())]);
    }

    #[test]
    fn what_differs_is_counted_and_the_first_are_named() {
        let batch = accept(&(job("a", 1) + &job("b", 2) + &job("c", 3)));
        let source =
            accept(&(job("b", 7) + &job("a", 1) + &(1..6).map(|n| job(&format!("x{n}"), n)).collect::<String>()));
        let comparison = Comparison::of(&batch, &source).unwrap();
        let new = "`x1` (jobs.jsonl:3), `x2` (jobs.jsonl:4), `x3` (jobs.jsonl:5)";
        assert_eq!(
            groups(&comparison),
            [(1, "`b` (jobs.jsonl:1)".into()), (1, "the one of line 3".into()), (5, new.into())]
        );
        assert!(!comparison.is_appended());
        assert_eq!(comparison.gone_places(), [2]);
        let merged = comparison.merge(&batch, source, &Scratch::default()).unwrap();
        assert_eq!(merged.len(), 8);
        assert_eq!(merged.load(1).unwrap().input["n"], 7, "the content of now at the place of then");
        assert_eq!(merged.load(3).unwrap().id.as_str(), "x1");
    }

    #[test]
    fn a_file_that_only_grew_is_told_from_one_that_changed() {
        let text = job("a", 1) + &job("b", 2);
        let batch = accept(&text);
        assert!(Comparison::of(&batch, &accept(&(text.clone() + &job("c", 3)))).unwrap().is_appended());
        assert!(!Comparison::of(&batch, &accept(&(job("c", 3) + &text))).unwrap().is_appended());
        assert!(!Comparison::of(&batch, &accept(&text)).unwrap().is_appended());
    }

    #[test]
    fn an_index_that_was_kept_is_the_same_and_a_damaged_one_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let text = "{\"id\":\"a\",\"input\":{},\"tenant\":\"t\",\"priority\":7,\"cost\":2.5}\n{\"n\":1}\n";
        let batch = accept(text);
        batch.keep(folder.path(), true).unwrap();
        let source = || {
            let mut file = tempfile::tempfile().unwrap();
            file.write_all(text.as_bytes()).unwrap();
            Some(file)
        };
        let again = JsonLines::open(folder.path(), "jobs.jsonl", source()).unwrap().unwrap();
        assert!(Comparison::of(&again, &batch).unwrap().is_same());
        for place in 0..2 {
            assert_eq!(again.keys(place), batch.keys(place));
            assert_eq!(again.load(place).unwrap().id, batch.load(place).unwrap().id);
        }
        let path = folder.path().join("jobs.idx");
        let mut bytes = std::fs::read(&path).unwrap();
        bytes[70] ^= 1;
        std::fs::write(&path, &bytes).unwrap();
        let refusal = JsonLines::open(folder.path(), "jobs.jsonl", source()).unwrap_err();
        assert!(refusal.text().contains("jobs.idx: its content is not what was written"), "{refusal:?}");
        std::fs::write(&path, &bytes[..80]).unwrap();
        let refusal = JsonLines::open(folder.path(), "jobs.jsonl", source()).unwrap_err();
        assert!(refusal.text().contains("has not the length"), "{refusal:?}");
        std::fs::remove_file(&path).unwrap();
        assert!(JsonLines::open(folder.path(), "jobs.jsonl", source()).unwrap().is_none());
    }
}
