//! Jobs a second.

use std::{cell::OnceCell, path::PathBuf, process::Command, rc::Rc};

use super::{NOTHING, line};
use crate::{
    measure::{Bound, Case, Kind, Sample, Unit},
    sides::{disk, postgres::Queue, program::Stand, sqlite},
    tools::{Need, Tools},
};

/// Enough of each for about a second or more: rates are compared, and their rates are far apart.
const JOBS: u32 = 200_000;
const QUEUE_JOBS: u32 = 100_000;
const SINGLE_JOBS: u32 = 5000;

/// Jobs of the batch whose rows are inserted again.
const MODEL_JOBS: u32 = 10_000;

const ROWS: &str = "SQLite: the same rows, 256 a transaction";
const ROW_BY_ROW: &str = "SQLite: the same rows, one a transaction";
const QUEUE: &str = "PostgreSQL, SKIP LOCKED: 2 workers x 100";
const DISK: &str = "the disk: append 256 B + fdatasync";
const RUN: &str = "batchmill run";
const WITH_OUTPUT: &str = "batchmill run --output FILE";

pub(super) fn cases(tools: &Tools) -> Vec<Case> {
    let rows = Rc::new(Model { host: tools.path(Need::Host), rows: OnceCell::new() });
    let queue = Rc::new(Queue::new(tools.path(Need::Postgres), tools.path(Need::Peers)));
    [10, 1000].map(|at_once| case(at_once, &tools.path(Need::Host), &rows, &queue)).into()
}

fn case(at_once: u32, host: &Result<PathBuf, String>, rows: &Rc<Model>, queue: &Rc<Queue>) -> Case {
    let (many, single, queue) = (rows.clone(), rows.clone(), queue.clone());
    let batch = |arguments: &'static [&'static str]| {
        let host = host.clone();
        move |jobs| run(&host, jobs, at_once, arguments)
    };
    Case::new(format!("durable no-op jobs from a file, {at_once} at a time"), Unit::JobsPerSecond)
        .side(Kind::ByHand, ROWS, JOBS, move |jobs| many.get()?.insert(jobs, 256))
        .side(Kind::ByHand, ROW_BY_ROW, SINGLE_JOBS, move |jobs| single.get()?.insert(jobs, 1))
        .side(Kind::Outside, QUEUE, QUEUE_JOBS, move |jobs| queue.ask(jobs, 2))
        .side(Kind::ByHand, DISK, SINGLE_JOBS, disk::rate)
        .side(Kind::Batchmill, RUN, JOBS, batch(&[]))
        .side(Kind::Batchmill, WITH_OUTPUT, JOBS, batch(&["--output", "results.jsonl"]))
        .goal(RUN, ROWS, Bound::AtLeast(0.5))
        .goal(RUN, ROW_BY_ROW, Bound::AtLeast(30.0))
        .goal(RUN, QUEUE, Bound::AtLeast(1.0))
}

/// The program from its start to its exit: it takes the file in, runs the jobs, records each end and hands out the results.
fn run(host: &Result<PathBuf, String>, jobs: u32, at_once: u32, arguments: &[&str]) -> Result<Sample, String> {
    let stand = Stand::new(host, NOTHING, jobs, line)?;
    let mut command = stand.run()?;
    with_concurrency(&mut command, at_once).args(arguments);
    let sample = stand.timed(&mut command, jobs)?;
    match sqlite::ended(&stand.batch()?.join("batch.db"))? {
        ended if ended == u64::from(jobs) => Ok(sample),
        ended => Err(format!("{ended} of {jobs} jobs are recorded")),
    }
}

fn with_concurrency(command: &mut Command, at_once: u32) -> &mut Command {
    command.args(["--concurrency", &at_once.to_string()])
}

/// What a batch writes, for SQLite to write it again.
struct Model {
    host: Result<PathBuf, String>,
    rows: OnceCell<Result<sqlite::Rows, String>>,
}

impl Model {
    fn get(&self) -> Result<&sqlite::Rows, String> {
        let run = || {
            let stand = Stand::new(&self.host, NOTHING, MODEL_JOBS, line)?;
            stand.timed(with_concurrency(&mut stand.run()?, 10), MODEL_JOBS)?;
            sqlite::Rows::of(&stand.batch()?.join("batch.db"))
        };
        self.rows.get_or_init(run).as_ref().map_err(Clone::clone)
    }
}
