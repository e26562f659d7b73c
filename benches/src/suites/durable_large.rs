//! The same as `memory`, of a batch that is too large to be measured every time.

use super::{Suite, memory};
use crate::{
    measure::{Bound, Case, Kind, Unit},
    tools::{Need, Tools},
};

pub(super) const SUITE: Suite = Suite {
    name: "durable-large",
    about: "resident memory of ten million queued jobs, from a file of 1 GB, in the real program",
    needs: &[Need::Host],
    cases,
    only_by_name: true,
};

const JOBS: u32 = 10_000_000;
const BYTES_MAX: f64 = 64.0;

const LINES: &str = "lines that are inputs";

fn cases(tools: &Tools) -> Vec<Case> {
    let host = tools.path(Need::Host);
    let case = Case::new("ten million jobs from a file of 1 GB", Unit::BytesPerJob)
        .side(Kind::Batchmill, LINES, JOBS, move |jobs| memory::bytes_a_job(&host, jobs, memory::input_only))
        .goal_of(LINES, Bound::AtMost(BYTES_MAX))
        .without_warm_up();
    vec![case]
}
