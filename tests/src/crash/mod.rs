//! Kills a host until its batch is done, and checks that nothing was lost, nothing was recorded twice, and nothing ran
//! that nobody can explain.
//!
//! ```text
//! batchmill run ──► jobs ──► ledger (O_APPEND, outside of everything that Batchmill writes)
//!   ▲ SIGKILL at a failpoint, or at a random moment            │
//!   └────────────── again, until it ends ──► results ──────────┴──► checker
//! ```
//! With `--terms` the hosts are not killed but told to end, by SIGTERM: each must be gone in time, and none may count against a
//! job that it stopped.

mod arguments;
mod chance;
mod checker;
mod host;
mod ledger;
mod scene;
mod terms;

use std::process::ExitCode;

use self::{arguments::Arguments, chance::Chance, checker::Tally, host::End, ledger::Ledger, scene::Scene};

pub(crate) use self::scene::job;

/// A host that is not killed any more is done within this many starts, or something hangs.
const LAST_STARTS: u32 = 5;

pub(crate) fn run(arguments: &[String]) -> Result<ExitCode, String> {
    let arguments = Arguments::parse(arguments)?;
    match arguments.terms {
        Some(wanted) => terms::run(&arguments, wanted),
        None => kills(&arguments),
    }
}

fn kills(arguments: &Arguments) -> Result<ExitCode, String> {
    println!("crash: {} kills, batches of {} jobs, seed {}", arguments.kills, arguments.jobs, arguments.seed);
    let mut chance = Chance::new(arguments.seed);
    let mut tally = Tally::default();
    // A batch may be done before it was killed often enough: then another one begins.
    while tally.kills < arguments.kills {
        let scene = Scene::new(arguments)?;
        let checked = batch(&scene, arguments, &mut chance, &mut tally);
        if let Err(problems) = checked {
            let folder = scene.keep();
            eprintln!("{problems}\nseed {}; everything is kept in {}", arguments.seed, folder.display());
            return Ok(ExitCode::FAILURE);
        }
        if arguments.keep {
            println!("kept: {}", scene.keep().display());
        }
    }
    println!("{tally}");
    tally.check_load(arguments.kills)?;
    Ok(ExitCode::SUCCESS)
}

/// One batch, from its first start to its end.
fn batch(scene: &Scene, arguments: &Arguments, chance: &mut Chance, tally: &mut Tally) -> Result<(), String> {
    let ledger = Ledger::at(scene.ledger());
    let mut kills = 0;
    let mut last_starts = 0;
    // So many that the batch is about half done by the time it is killed for the last time.
    let wanted = (arguments.kills - tally.kills).min(arguments.kills_a_batch());
    loop {
        let kill = (kills < wanted).then(|| chance.kill(arguments, wanted - kills - 1));
        let recorded = scene.recorded()?;
        let ended = host::run(scene, kill.as_ref())?;
        ledger.host_ended(tally.starts)?;
        tally.starts += 1;
        match ended {
            End::Killed { by_itself } => {
                kills += 1;
                tally.killed(kill.as_ref(), by_itself);
                checker::nothing_recorded_ran_again(&ledger, &recorded)?;
                // Killed after the end was recorded: a next host would begin anew.
                if scene.is_finished()? {
                    break;
                }
            }
            End::Done => break,
            End::Wrong(message) => return Err(format!("after {kills} kills: {message}")),
        }
        last_starts = if kill.is_none() { last_starts + 1 } else { 0 };
        if last_starts > LAST_STARTS {
            return Err(format!("a batch that nobody kills any more did not end in {LAST_STARTS} starts"));
        }
    }
    checker::check(scene, &ledger, tally)
}
