//! What it costs that nothing is lost, with the default durability `fsync`: how many jobs a second, how soon one that is
//! alone, how long until a killed batch of a million goes on, how much disk.

mod lone;
mod recovery;
mod room;
mod throughput;

use super::Suite;
use crate::{
    measure::Case,
    tools::{Need, Tools},
};

pub(super) const SUITE: Suite = Suite {
    name: "durable",
    about: "no-op jobs whose results are synced to the disk, in the real program, against SQLite and PostgreSQL alone",
    needs: &[Need::Host, Need::Peers, Need::Postgres],
    cases,
    only_by_name: false,
};

/// Does nothing: its one node gives an empty update.
const NOTHING: &str = "version: 1\nname: nothing\nnodes:\n  nothing: {set: '{}'}\n";

fn cases(tools: &Tools) -> Vec<Case> {
    let mut cases = throughput::cases(tools);
    cases.extend([lone::case(), recovery::case(tools), room::case(tools)]);
    cases
}

/// A job: an input and nothing else.
fn line(job: u32) -> String {
    format!("{{\"n\":{job}}}\n")
}
