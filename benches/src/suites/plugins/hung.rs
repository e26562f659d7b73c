//! What hung calls of sinks cost everybody else: a hundred sinks of a plugin take their first results and never answer. The
//! clock stops when all results of all jobs have come out of stdout, which is a sink beside them and follows the record.

use std::{fs, io::Read, path::PathBuf, process::Stdio};

use crate::{
    measure::{Bound, Case, Kind, Sample, Stopwatch, Unit},
    sides::program::{Stand, at},
    tools::{Need, Tools},
};

const JOBS: u32 = 200_000;
const SINKS: usize = 100;

const ALONE: &str = "no other sink";
const BESIDE: &str = "100 hung sinks beside";

/// Does nothing: its one node gives an empty update.
const NOTHING: &str = "version: 1\nname: nothing\nnodes:\n  nothing: {set: '{}'}\n";

pub(super) fn case(tools: &Tools) -> Case {
    let (host, folder) = (tools.path(Need::Host), tools.path(Need::Plugins));
    let (program, plugins) = (host.clone(), folder.clone());
    Case::new("durable no-op jobs while calls of sinks hang", Unit::JobsPerSecond)
        .side(Kind::Batchmill, ALONE, JOBS, move |jobs| until_all_came(&host, &folder, 0, jobs))
        .side(Kind::Batchmill, BESIDE, JOBS, move |jobs| until_all_came(&program, &plugins, SINKS, jobs))
        .goal(BESIDE, ALONE, Bound::AtLeast(0.9))
}

/// From the start of the program to the last result. Then it is killed: it would wait for those that hang.
fn until_all_came(
    host: &Result<PathBuf, String>,
    folder: &Result<PathBuf, String>,
    sinks: usize,
    jobs: u32,
) -> Result<Sample, String> {
    let library = folder.clone()?.join("libbatchmill_faulty.so");
    let library = fs::canonicalize(&library).map_err(at(&library))?;
    let stand = Stand::new(host, NOTHING, jobs, |job| format!("{{\"n\":{job}}}\n"))?;
    let plugin =
        format!("[[plugins]]\nname = \"batchmill-faulty\"\npath = \"{}\"\ncall_timeout = \"1h\"\n", library.display());
    let sink = "[[sinks]]\nkind = \"faulty\"\noptions = { fault = \"hang\" }\n";
    let config = stand.path("batchmill.toml");
    fs::write(&config, plugin + &sink.repeat(sinks)).map_err(at(&config))?;

    let mut command = stand.run()?;
    let stopwatch = Stopwatch::start();
    let mut running = stand.start(command.stdout(Stdio::piped()))?;
    let mut stdout = running.0.stdout.take().expect("it is piped");
    let (mut came, mut buffer) = (0, vec![0; 256 * 1024]);
    while came < u64::from(jobs) {
        let read = stdout.read(&mut buffer).map_err(|error| format!("the results: {error}"))?;
        if read == 0 {
            return Err(stand.complaint(format_args!("{came} results of {jobs} jobs")));
        }
        came += buffer[..read].iter().filter(|byte| **byte == b'\n').count() as u64;
    }
    stopwatch.rate(jobs, jobs.into())
}
