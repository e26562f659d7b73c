//! Hosts that are told to end, again and again.

use std::{
    fs::{self, File},
    os::unix::process::ExitStatusExt,
    process::{Child, ExitCode, ExitStatus, Stdio},
    thread,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};

use super::{
    arguments::Arguments,
    chance::Chance,
    checker::{self, Tally},
    host,
    ledger::Ledger,
    scene::Scene,
};

/// How long running jobs may go on, and how long a shutdown may take at most.
const SETTINGS: [&str; 3] = [
    "executor.drain_timeout=200ms",
    "executor.shutdown_timeout=8200ms",
    // A planned stop that counted as a crash would be the end of its job.
    "executor.crash_limit=1",
];
const LIMIT: Duration = Duration::from_millis(8200);

/// What this program adds by looking.
const SLACK: Duration = Duration::from_millis(300);

/// No host that nobody ends lives so long unless it hangs.
const HANGS_AFTER: Duration = Duration::from_secs(300);

/// What has happened so far.
#[derive(Debug, Default)]
struct Told {
    terms: u64,
    /// Hosts that ended before they had begun to listen, and before they had accepted the batch.
    unheard: u64,
    unaccepted: u64,
    /// Hosts with a job that did not listen, and hosts that were told more than once.
    deaf: u64,
    urged: u64,
    longest: Duration,
}

pub(super) fn run(arguments: &Arguments, wanted: u64) -> Result<ExitCode, String> {
    println!("terms: {wanted} SIGTERMs, batches of {} jobs, seed {}", arguments.jobs, arguments.seed);
    let (mut chance, mut told, mut tally) = (Chance::new(arguments.seed), Told::default(), Tally::default());
    while told.terms < wanted {
        let scene = Scene::waiting(arguments)?;
        let here = (wanted - told.terms).min(arguments.kills_a_batch());
        if let Err(problems) = batch(&scene, here, &mut chance, &mut told, &mut tally) {
            let folder = scene.keep();
            eprintln!("{problems}\nseed {}; everything is kept in {}", arguments.seed, folder.display());
            return Ok(ExitCode::FAILURE);
        }
        if arguments.keep {
            println!("kept: {}", scene.keep().display());
        }
    }
    let Told { terms, unheard, unaccepted, deaf, urged, longest } = told;
    println!(
        "{terms} SIGTERMs: {unheard} before the host listened, {unaccepted} before it had accepted, {deaf} with a job that does not \
         listen, {urged} repeated"
    );
    println!("longest shutdown {:.2} s of {:.1} s", longest.as_secs_f64(), LIMIT.as_secs_f64());
    println!("{}", tally.found());
    if (unheard + unaccepted) * 2 > terms || terms >= 40 && (deaf == 0 || urged == 0) {
        return Err("the signals came at moments that prove too little".to_owned());
    }
    Ok(ExitCode::SUCCESS)
}

/// One batch: told to end so often, then left alone.
fn batch(scene: &Scene, terms: u64, chance: &mut Chance, told: &mut Told, tally: &mut Tally) -> Result<(), String> {
    let ledger = Ledger::at(scene.ledger());
    for _ in 0..terms {
        let recorded = scene.recorded()?;
        life(scene, chance, told)?;
        ledger.host_ended(tally.starts)?;
        tally.starts += 1;
        checker::nothing_recorded_ran_again(&ledger, &recorded)?;
    }
    scene.set_deaf(false)?;
    scene.release()?;
    let mut host = start(scene)?;
    let status = wait(&mut host, HANGS_AFTER)?.ok_or("a host that nobody ends any more did not end")?;
    ledger.host_ended(tally.starts)?;
    tally.starts += 1;
    if status.code() != Some(1) {
        return Err(format!("the last host: {status}, and said: {}", said(scene)));
    }
    checker::check(scene, &ledger, tally)
}

/// One life of a host.
fn life(scene: &Scene, chance: &mut Chance, told: &mut Told) -> Result<(), String> {
    let is_deaf = chance.below(8) == 0;
    scene.set_deaf(is_deaf)?;
    let mut host = start(scene)?;
    // tidy: allow(sleeps): the moment of a signal is random, and nothing is waited for that could be missed
    thread::sleep(Duration::from_millis(chance.below(450)));
    let begun = Instant::now();
    let urges = if chance.below(6) == 0 { 1 + chance.below(2) } else { 0 };
    for urge in 0..=urges {
        if urge > 0 {
            // tidy: allow(sleeps): a person who presses Ctrl-C again
            thread::sleep(Duration::from_millis(chance.below(150)));
        }
        kill_process(Pid::from_child(&host), Signal::TERM).map_err(|error| format!("kill: {error}"))?;
    }
    told.terms += 1;
    let Some(status) = wait(&mut host, LIMIT + SLACK)? else {
        host.kill().and_then(|()| host.wait()).map_err(|error| error.to_string())?;
        return Err(format!("a host did not end within {LIMIT:?} and said: {}", said(scene)));
    };
    told.longest = told.longest.max(begun.elapsed());
    told.deaf += u64::from(is_deaf);
    told.urged += u64::from(urges > 0);
    let words = said(scene);
    match (status.signal(), status.code()) {
        (Some(15), _) if words.is_empty() => told.unheard += 1,
        (None, Some(75)) if words.contains("nothing has run") => told.unaccepted += 1,
        (None, Some(75)) if words.contains("batchmill resume") => {}
        _ => return Err(format!("a host that was told to end: {status}, and said: {words}")),
    }
    Ok(())
}

fn start(scene: &Scene) -> Result<Child, String> {
    let stderr = File::create(scene.stderr()).map_err(|error| error.to_string())?;
    let mut command = host::program(scene, &SETTINGS);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(stderr).spawn().map_err(|error| error.to_string())
}

fn said(scene: &Scene) -> String {
    fs::read_to_string(scene.stderr()).unwrap_or_default()
}

/// How it ended; `None` if it did not in time.
fn wait(host: &mut Child, limit: Duration) -> Result<Option<ExitStatus>, String> {
    let begun = Instant::now();
    while begun.elapsed() < limit {
        if let Some(status) = host.try_wait().map_err(|error| error.to_string())? {
            return Ok(Some(status));
        }
        // tidy: allow(sleeps): the standard library waits for a child without a limit only
        thread::sleep(Duration::from_millis(1));
    }
    Ok(None)
}
