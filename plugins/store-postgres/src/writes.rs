//! Writes that go to the server together: what they amount to, thread by thread.

use std::collections::{BTreeMap, HashMap};

use batchmill_core::ThreadId;

use crate::{call::Write, row::Row};

/// The effect of some writes, in their order.
#[derive(Debug)]
pub(crate) struct Writes {
    history: bool,
    threads: HashMap<ThreadId, Effect>,
    bytes: usize,
}

#[derive(Debug, Default)]
struct Effect {
    /// What is there is deleted first.
    cleared: bool,
    rows: BTreeMap<u64, Row>,
}

impl Writes {
    pub(crate) fn new(history: bool) -> Self {
        Self { history, threads: HashMap::new(), bytes: 0 }
    }

    pub(crate) fn add(&mut self, write: Write) {
        match write {
            Write::Delete(thread) => {
                let effect = self.threads.entry(thread).or_default();
                (effect.cleared, effect.rows) = (true, BTreeMap::new());
            }
            Write::Put(row) => {
                self.bytes += row.bytes();
                let rows = &mut self.threads.entry(row.thread.clone()).or_default().rows;
                rows.insert(row.id, row);
                if !self.history && rows.len() > 1 {
                    // Superseded before it was written.
                    rows.pop_first();
                }
            }
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.threads.is_empty()
    }

    /// What the rows held when they were added.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(crate) fn cleared(&self) -> Vec<&str> {
        self.threads.iter().filter(|(_, effect)| effect.cleared).map(|(thread, _)| &*thread.0).collect()
    }

    pub(crate) fn columns(&self) -> Columns<'_> {
        let mut columns = Columns::default();
        for row in self.threads.values().flat_map(|effect| effect.rows.values()) {
            columns.thread.push(&row.thread.0);
            columns.id.push(row.id.to_string());
            columns.parent.push(row.parent.as_deref());
            columns.step.push(&row.step);
            columns.state.push(&row.state);
            columns.next.push(&row.next);
            columns.joins.push(&row.joins);
            columns.pending.push(&row.pending);
        }
        columns
    }
}

/// Rows as the server takes many at once: a list for each column.
#[derive(Debug, Default)]
pub(crate) struct Columns<'a> {
    pub(crate) thread: Vec<&'a str>,
    pub(crate) id: Vec<String>,
    pub(crate) parent: Vec<Option<&'a str>>,
    pub(crate) step: Vec<&'a str>,
    pub(crate) state: Vec<&'a str>,
    pub(crate) next: Vec<&'a str>,
    pub(crate) joins: Vec<&'a str>,
    pub(crate) pending: Vec<&'a str>,
}

#[cfg(test)]
mod tests {
    use batchmill_core::{Checkpoint, CheckpointId, StateData};

    use super::*;

    fn put(thread: &str, id: u64) -> Write {
        let checkpoint = Checkpoint::new(CheckpointId(id), id, StateData::new(), Vec::new());
        Write::Put(Row::of(&ThreadId::new(thread), &checkpoint).unwrap())
    }

    fn shown(history: bool, writes: Vec<Write>) -> String {
        let mut all = Writes::new(history);
        writes.into_iter().for_each(|write| all.add(write));
        let columns = all.columns();
        let mut rows: Vec<String> = columns.thread.iter().zip(&columns.id).map(|(t, id)| format!("{t}:{id}")).collect();
        rows.sort();
        format!("-{:?} +{}", all.cleared(), rows.join(" "))
    }

    #[test]
    fn writes_together_amount_to_what_they_do_one_by_one() {
        let delete = |thread: &str| Write::Delete(ThreadId::new(thread));
        let puts = || vec![put("a", 1), put("b", 1), put("a", 2), put("a", 1)];
        assert_eq!(shown(true, puts()), "-[] +a:1 a:2 b:1");
        assert_eq!(shown(false, puts()), "-[] +a:2 b:1");
        assert_eq!(shown(false, vec![put("a", 5), delete("a")]), r#"-["a"] +"#);
        assert_eq!(shown(false, vec![put("a", 5), delete("a"), put("a", 2)]), r#"-["a"] +a:2"#);
        assert_eq!(shown(true, vec![delete("a"), put("a", 5), put("a", 2)]), r#"-["a"] +a:2 a:5"#);
    }
}
