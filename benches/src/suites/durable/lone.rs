//! How soon a job is answered for that has the host to itself.

use crate::{
    measure::{Bound, Case, Kind, Unit},
    sides::{disk, lone},
};

/// The median of so many counts.
const JOBS: u32 = 300;

const DISK: &str = "the disk: append 256 B + fdatasync";
const LONE: &str = "batchmill, from the opening to the result";

pub(super) fn case() -> Case {
    Case::new("a lone durable job on an idle host", Unit::Nanoseconds)
        .side(Kind::ByHand, DISK, JOBS, disk::latency)
        .side(Kind::Batchmill, LONE, JOBS, lone::latency)
        .goal(LONE, DISK, Bound::AtMost(3.0))
}
