//! `batchmill simulate`: a batch in virtual time, under one config or several.

mod columns;
mod grammar;
mod json;
mod known;
mod run;
mod svg;
mod text;

use std::fs;

use batchmill_core::WallTime;
use batchmill_executor::JobSource;
use batchmill_simulate::{Failures as Failing, Model, Played};

pub(crate) use grammar::{Failures, Lengths};

use crate::{
    cli::{Format, SimulateArgs},
    clock,
    exit::Exit,
    inputs,
    intake::{Jobs, Scratch},
    problems::{Refusal, Refusals},
    stdout,
    work::{Nodes, Work},
};

/// Everything that was asked for, played.
#[derive(Debug)]
struct Report {
    flow: String,
    jobs: u64,
    durations: String,
    failures: Option<String>,
    seed: u64,
    /// When it was accepted; `None` where no job cares.
    begin: Option<WallTime>,
    runs: Vec<Run>,
}

/// The batch under one config.
#[derive(Debug)]
struct Run {
    /// The file, as it was named.
    config: String,
    scheduler: String,
    played: Played,
    /// What the config has and the simulation does not play.
    not_played: Vec<String>,
}

pub(crate) fn simulate(args: &SimulateArgs) -> Result<Exit, Refusal> {
    let (work, jobs) = (Work::Flow(args.flow.clone()), Jobs::of(&args.jobs));
    let asked = Some((&jobs, args.intake.rules(Scratch::default())));
    let (mut refusals, request) = (Refusals::default(), args.config.request());
    let mut others = Vec::new();
    for file in &args.against {
        let mut request = request.clone();
        request.explicit = Some(file.clone());
        // Keys of limits and shares are made while jobs are read: under each config its own.
        let again = jobs.can_be_read_again().then(|| (&jobs, args.intake.rules(Scratch::default())));
        let inputs = refusals.keep(inputs::read(&request, &work, Nodes::Checked, again, Refusals::default()));
        others.extend(inputs.map(|inputs| (file.display().to_string(), inputs)));
    }
    let first = inputs::read(&request, &work, Nodes::Checked, asked, refusals)?;
    if let Some((name, _)) = others.iter().find(|(_, other)| other.jobs.is_none() && other.keys.is_some()) {
        let message =
            format!("{name} makes keys of jobs, so these are read once for each config: name a file, not stdin");
        return Err(Refusal::new(Exit::Usage, message));
    }
    let jobs = first.jobs.as_ref().expect("jobs were asked for, and were not refused");
    let length = known::length(&args.durations, jobs, first.flow.graph().name(), &args.state.state)?;
    let mut model = Model::new(length, args.seed);
    model.failures = args.failures.map(|Failures { rate, class }| Failing::new(rate, class));
    let begin = args.begin.unwrap_or_else(clock::now);
    let batch = run::Batch { jobs, model, begin, deadline: args.deadline };
    let name = args.config.named().0.map_or_else(|| "default".to_owned(), |file| file.display().to_string());
    let mut runs = vec![run::play(&batch, name, &first)?];
    for (name, inputs) in &others {
        runs.push(run::play(&batch, name.clone(), inputs)?);
    }
    let has_moments = run::has_moments(jobs);
    let report = Report {
        flow: first.flow.graph().name().to_owned(),
        jobs: jobs.len(),
        durations: args.durations.to_string(),
        failures: args.failures.as_ref().map(ToString::to_string),
        seed: args.seed,
        begin: has_moments.then_some(begin),
        runs,
    };
    if let Some(path) = &args.svg {
        let written = fs::write(path, svg::svg(&report));
        written.map_err(|error| Refusal::storage(format!("--svg {}: {error}", path.display())))?;
    }
    Ok(stdout::print(&match args.format.format {
        Format::Table => text::text(&report),
        Format::Json => stdout::pretty(&json::json(&report)),
        Format::Jsonl => json::lines(&report),
    }))
}
