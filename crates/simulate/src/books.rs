//! Who waited, who ran and for how long, while a batch is played.

use std::{
    cmp::Reverse,
    collections::{BinaryHeap, HashMap},
    time::Duration,
};

use batchmill_core::{MonoTime, Tenant};
use batchmill_dispatch::{NewJob, SlotId};

use crate::{
    Bar, ShareRow, Wait, Windows,
    entitled::{jain, received},
    timeline::Timeline,
    waits::Waits,
};

/// Tenants with a row of their own; the others share the last.
const ROWS_MAX: usize = 1000;

/// What is kept of a job.
#[derive(Debug, Clone, Copy)]
struct Kept {
    row: u32,
    cost: f32,
    /// Whether it has a place to wait from that is not the beginning.
    begun: bool,
    late: bool,
}

#[derive(Debug, Default)]
struct Row {
    name: String,
    tenants: u64,
    jobs: u64,
    /// Jobs that might start and have not.
    waiting: u64,
    waits: Waits,
    used: Duration,
    finished: MonoTime,
}

/// The books of a batch.
#[derive(Debug)]
pub(crate) struct Books {
    begin: MonoTime,
    jobs: Vec<Kept>,
    rows: Vec<Row>,
    timeline: Timeline,
    /// Jobs that may not start yet, the next first.
    later: BinaryHeap<Reverse<(MonoTime, u32)>>,
    /// From when on those may start that said so.
    after: HashMap<u32, MonoTime>,
    /// Attempts, until they are too many.
    bars: Option<Vec<Bar>>,
}

/// Attempts that are kept one by one.
const BARS_MAX: usize = 4000;

impl Books {
    pub(crate) fn new(begin: MonoTime, jobs: &[NewJob]) -> Self {
        let (rows, places) = rows_of(jobs);
        let mut books = Self {
            begin,
            jobs: Vec::with_capacity(jobs.len()),
            timeline: Timeline::new(begin, rows.len()),
            rows,
            later: BinaryHeap::new(),
            after: HashMap::new(),
            bars: Some(Vec::new()),
        };
        for (index, (job, row)) in (0..).zip(jobs.iter().zip(places)) {
            let late = job.after.filter(|after| *after > begin);
            books.jobs.push(Kept { row, cost: job.cost as f32, begun: false, late: late.is_some() });
            match late {
                Some(after) => {
                    books.later.push(Reverse((after, index)));
                    books.after.insert(index, after);
                }
                None => books.rows[row as usize].waiting += 1,
            }
        }
        for row in 0..books.rows.len() {
            books.timeline.waits(row, books.rows[row].waiting, begin);
        }
        books.timeline.reach(begin);
        books
    }

    pub(crate) fn names(&self) -> Vec<&str> {
        self.rows.iter().map(|row| row.name.as_str()).collect()
    }

    pub(crate) fn cost(&self, job: u32) -> f64 {
        self.jobs[job as usize].cost.into()
    }

    /// Time has come to `now`.
    pub(crate) fn reach(&mut self, now: MonoTime) {
        while let Some(Reverse((after, job))) = self.later.peek().copied().filter(|Reverse((after, _))| *after <= now) {
            self.later.pop();
            self.timeline.reach(after);
            if !self.jobs[job as usize].begun {
                self.waits(job, after, |waiting| waiting + 1);
            }
        }
        self.timeline.reach(now);
    }

    fn waits(&mut self, job: u32, now: MonoTime, change: impl FnOnce(u64) -> u64) {
        let place = self.jobs[job as usize].row as usize;
        let row = &mut self.rows[place];
        row.waiting = change(row.waiting);
        self.timeline.waits(place, row.waiting, now);
    }

    /// An attempt of a job starts.
    pub(crate) fn starts(&mut self, job: u32, now: MonoTime) {
        let Kept { begun, late, row, .. } = self.jobs[job as usize];
        if begun {
            return;
        }
        let since = if late { self.after[&job] } else { self.begin };
        self.rows[row as usize].waits.add(now - since);
        self.leaves(job, now);
    }

    /// A job does not wait for its first start any more.
    fn leaves(&mut self, job: u32, now: MonoTime) {
        self.jobs[job as usize].begun = true;
        self.waits(job, now, |waiting| waiting.saturating_sub(1));
    }

    /// An attempt ended that ran since `from`.
    pub(crate) fn ran(&mut self, job: u32, slot: SlotId, from: MonoTime, now: MonoTime) {
        let row = self.jobs[job as usize].row as usize;
        self.rows[row].used += now - from;
        self.timeline.used(row, from, now);
        if self.bars.as_ref().is_some_and(|bars| bars.len() >= BARS_MAX) {
            self.bars = None;
        }
        if let Some(bars) = &mut self.bars {
            bars.push(Bar { slot: slot.0, row, from: from - self.begin, upto: now - self.begin });
        }
    }

    /// A job has its end.
    pub(crate) fn ended(&mut self, job: u32, now: MonoTime) {
        let Kept { begun, row, .. } = self.jobs[job as usize];
        self.rows[row as usize].finished = now;
        let is_due = self.after.get(&job).is_none_or(|after| *after <= now);
        match (begun, is_due) {
            (false, true) => self.leaves(job, now),
            (false, false) => self.jobs[job as usize].begun = true,
            (true, _) => {}
        }
    }

    pub(crate) fn close(self, entitled: &[f64]) -> Closed {
        let windows = self.timeline.finish();
        let received = received(&windows, entitled);
        let mut all = Waits::default();
        let fairness = jain(&received);
        let rows = self.rows.into_iter().zip(entitled).zip(received);
        let shares: Vec<ShareRow> = rows
            .map(|((row, entitled), received)| {
                all.extend(&row.waits);
                ShareRow {
                    name: row.name,
                    tenants: row.tenants,
                    jobs: row.jobs,
                    started: row.waits.len(),
                    used: row.used,
                    entitled: *entitled,
                    received,
                    wait: row.waits.summary(),
                    finished: row.finished.since(self.begin),
                }
            })
            .collect();
        let used = shares.iter().map(|share| share.used).sum();
        Closed { windows, bars: self.bars, shares, fairness, wait: all.summary(), used }
    }
}

/// Books that are closed.
#[derive(Debug)]
pub(crate) struct Closed {
    pub(crate) windows: Windows,
    pub(crate) bars: Option<Vec<Bar>>,
    pub(crate) shares: Vec<ShareRow>,
    pub(crate) fairness: Option<f64>,
    pub(crate) wait: Wait,
    pub(crate) used: Duration,
}

/// A row a tenant, and the row of each job. Where tenants are too many, those with most jobs have one.
fn rows_of(jobs: &[NewJob]) -> (Vec<Row>, Vec<u32>) {
    let (mut numbers, mut tenants): (HashMap<&Tenant, u32>, Vec<(&Tenant, u64)>) = (HashMap::new(), Vec::new());
    let mut places: Vec<u32> = Vec::with_capacity(jobs.len());
    let mut last: Option<(&Tenant, u32)> = None;
    for job in jobs {
        let number = match last {
            Some((tenant, number)) if *tenant == job.tenant => number,
            _ => *numbers.entry(&job.tenant).or_insert_with(|| {
                tenants.push((&job.tenant, 0));
                u32::try_from(tenants.len() - 1).expect("fewer than 2^32 jobs")
            }),
        };
        last = Some((&job.tenant, number));
        tenants[number as usize].1 += 1;
        places.push(number);
    }
    let own = rows_with_most_jobs(&tenants);
    let (mut rows, mut row_of) = (Vec::new(), Vec::with_capacity(tenants.len()));
    let mut rest = Row::default();
    for ((tenant, jobs), own) in tenants.iter().zip(own) {
        if own {
            rows.push(Row { name: tenant.as_str().to_owned(), tenants: 1, jobs: *jobs, ..Row::default() });
            row_of.push(u32::try_from(rows.len() - 1).expect("rows are few"));
        } else {
            (rest.tenants, rest.jobs) = (rest.tenants + 1, rest.jobs + jobs);
            row_of.push(u32::MAX);
        }
    }
    let last = u32::try_from(rows.len()).expect("rows are few");
    if rest.tenants > 0 {
        rows.push(rest);
    }
    (rows, places.into_iter().map(|number| row_of[number as usize].min(last)).collect())
}

fn rows_with_most_jobs(tenants: &[(&Tenant, u64)]) -> Vec<bool> {
    let mut order: Vec<usize> = (0..tenants.len()).collect();
    order.sort_by_key(|number| Reverse(tenants[*number].1));
    let mut own = vec![tenants.len() <= ROWS_MAX; tenants.len()];
    order.into_iter().take(ROWS_MAX - 1).for_each(|number| own[number] = true);
    own
}
