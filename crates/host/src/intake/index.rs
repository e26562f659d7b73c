//! Where each job is, and its keys: a small row a job, so that a million queued jobs stay on disk.

use std::{
    collections::HashMap,
    hash::{DefaultHasher, Hasher},
    time::Duration,
};

use batchmill_core::{JobKeys, Priority, Tenant, WallTime};

use super::line::Line;

/// One job.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Row {
    /// Where its line starts.
    pub(crate) offset: u64,
    /// The hash of its line when it was accepted.
    pub(crate) hash: u64,
    /// The length of its line without the newline.
    pub(crate) length: u32,
    /// The number of its line or record, from 1: its id where it brings none.
    pub(crate) number: u32,
    /// Its place in the list of tenants.
    tenant: u32,
    priority: u8,
    /// Whether it brings an id of its own.
    pub(crate) has_id: bool,
    /// Whether it has extras.
    has_extras: bool,
}

// A million jobs are 32 MB.
const _: () = assert!(size_of::<Row>() == 32);

/// Keys that few jobs have.
#[derive(Debug, Clone, Copy)]
struct Extras {
    row: u32,
    cost: f64,
    timeout: Option<Duration>,
    after: Option<WallTime>,
    deadline: Option<WallTime>,
}

/// What a job has that does not say it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Defaults {
    pub(crate) priority: Priority,
    pub(crate) tenant: Tenant,
}

/// The jobs of a file.
#[derive(Debug, Default)]
pub(crate) struct Index {
    pub(crate) rows: Vec<Row>,
    /// In order of row.
    extras: Vec<Extras>,
    tenants: Vec<Tenant>,
    numbers: HashMap<Tenant, u32>,
}

/// The index cannot number more jobs or lines.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Full;

/// What is said then.
pub(crate) const FULL: &str = "a batch has at most 4294967295 lines";

impl Index {
    /// Adds the job number `number`, whose line `bytes` is at `offset`; its row.
    pub(crate) fn add(
        &mut self,
        number: u64,
        offset: u64,
        bytes: &[u8],
        line: &Line,
        defaults: &Defaults,
    ) -> Result<u32, Full> {
        let row = u32::try_from(self.rows.len()).map_err(|_| Full)?;
        let has_extras =
            line.cost.is_some() || line.timeout.is_some() || line.after.is_some() || line.deadline.is_some();
        let tenant = self.tenant(line.tenant.as_ref().unwrap_or(&defaults.tenant));
        self.rows.push(Row {
            offset,
            hash: hash(bytes),
            length: u32::try_from(bytes.len()).map_err(|_| Full)?,
            number: u32::try_from(number).map_err(|_| Full)?,
            tenant,
            priority: line.priority.unwrap_or(defaults.priority).0,
            has_id: line.id.is_some(),
            has_extras,
        });
        if has_extras {
            let cost = line.cost.unwrap_or(1.0);
            let (timeout, after, deadline) = (line.timeout, line.after, line.deadline);
            self.extras.push(Extras { row, cost, timeout, after, deadline });
        }
        Ok(row)
    }

    /// Removes rows, which are given in their order.
    pub(crate) fn remove(&mut self, rows: &[u32]) {
        let goes = |row: &u32| rows.binary_search(row).is_ok();
        self.extras.retain(|extras| !goes(&extras.row));
        for extras in &mut self.extras {
            // As many rows as there are, and they are counted in u32.
            #[expect(clippy::cast_possible_truncation)]
            let before = rows.partition_point(|row| *row < extras.row) as u32;
            extras.row -= before;
        }
        let mut row = 0..;
        self.rows.retain(|_| !row.next().is_some_and(|row| goes(&row)));
    }

    /// Each tenant's name is kept once.
    fn tenant(&mut self, tenant: &Tenant) -> u32 {
        if let Some(number) = self.numbers.get(tenant) {
            return *number;
        }
        // There are at most as many tenants as rows, and rows are counted in u32.
        #[expect(clippy::cast_possible_truncation)]
        let number = self.tenants.len() as u32;
        self.tenants.push(tenant.clone());
        self.numbers.insert(tenant.clone(), number);
        number
    }

    /// The keys of a job.
    pub(crate) fn keys(&self, row: &Row, number: u32) -> JobKeys {
        let mut keys = JobKeys::default();
        keys.priority = Priority(row.priority);
        keys.tenant = self.tenants[row.tenant as usize].clone();
        if row.has_extras
            && let Ok(at) = self.extras.binary_search_by_key(&number, |extras| extras.row)
        {
            let extras = &self.extras[at];
            keys.cost = extras.cost;
            (keys.timeout, keys.after, keys.deadline) = (extras.timeout, extras.after, extras.deadline);
        }
        keys
    }

    /// The row of the job with this number.
    pub(crate) fn numbered(&self, number: u32) -> Option<u32> {
        let at = self.rows.binary_search_by_key(&number, |row| row.number).ok()?;
        u32::try_from(at).ok()
    }
}

/// The hash that tells a changed line. SipHash with fixed keys: fast enough to be unseen beside the parsing.
pub(crate) fn hash(bytes: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    hasher.write(bytes);
    hasher.finish()
}
