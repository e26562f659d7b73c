//! Holds what is left against what the jobs wrote down.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use serde_json::Value;

use super::{
    chance::{FAILPOINTS, Kill, LAST_FAILPOINTS},
    ledger::{self, Ledger, Process},
    scene::{Kind, Scene, number},
};

/// Problems that are told one by one; the others are counted.
const TOLD: usize = 20;

/// What has happened so far, in all batches.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub(crate) kills: u64,
    /// Hosts.
    pub(crate) starts: u64,
    batches: u64,
    jobs: u64,
    processes: u64,
    /// Jobs of which a process was lost with its host, or whose record was.
    repeated: u64,
    places: BTreeMap<&'static str, u64>,
}

impl Tally {
    /// A host died; by itself, if it came to its place.
    pub(crate) fn killed(&mut self, kill: Option<&Kill>, by_itself: bool) {
        self.kills += 1;
        if let Some(Kill::At(name, ..)) = kill.filter(|_| by_itself) {
            *self.places.entry(name).or_default() += 1;
        }
    }

    /// What the checker has found in all batches.
    pub(crate) fn found(&self) -> String {
        let Self { starts, batches, jobs, processes, repeated, .. } = self;
        format!(
            "{starts} hosts, {batches} batches, {jobs} jobs, {processes} processes, {repeated} jobs ran again in another host\n\
             0 lost, 0 recorded twice, 0 ran again after their record, every process explained, no attempt consumed"
        )
    }

    /// A run that killed nobody at work proves nothing.
    pub(crate) fn check_load(&self, kills: u64) -> Result<(), String> {
        let at_places: u64 = self.places.values().sum();
        if at_places * 5 < kills {
            return Err(format!("only {at_places} of {kills} kills came at a failpoint: is the feature `faults` on?"));
        }
        let all = FAILPOINTS.iter().map(|(name, _)| name).chain(LAST_FAILPOINTS);
        let missed: Vec<_> = all.copied().filter(|name| !self.places.contains_key(name)).collect();
        if kills >= 200 && !missed.is_empty() {
            return Err(format!("nobody was killed at {}", missed.join(", ")));
        }
        if self.repeated == 0 {
            return Err("no job was ever interrupted".to_owned());
        }
        Ok(())
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kills, starts, batches, jobs, processes, repeated, places } = self;
        let at_places: u64 = places.values().sum();
        writeln!(
            f,
            "{kills} kills ({at_places} at failpoints, {} at random moments), {starts} hosts",
            kills - at_places
        )?;
        writeln!(f, "{batches} batches, {jobs} jobs, {processes} processes, {repeated} jobs ran again after a kill")?;
        write!(f, "0 lost, 0 recorded twice, 0 ran again after their record, every process explained")
    }
}

/// What had its record before a host began did not run in it.
pub(crate) fn nothing_recorded_ran_again(ledger: &Ledger, recorded: &BTreeSet<u64>) -> Result<(), String> {
    let lines = ledger.lines()?;
    let hosts = ledger::by_host(&lines);
    // The last group is empty: the host has just been noted as ended.
    let Some(last) = hosts.len().checked_sub(2).map(|place| &hosts[place]) else { return Ok(()) };
    let mut problems = Problems::default();
    for process in last.iter().filter(|process| process.starts && recorded.contains(&process.job)) {
        problems.add(format!("job {} had its record and ran again", process.job));
    }
    problems.into_result()
}

/// The whole of a batch that is done.
pub(crate) fn check(scene: &Scene, ledger: &Ledger, tally: &mut Tally) -> Result<(), String> {
    let mut problems = Problems::default();
    records("the output", &scene.output()?, scene.jobs, &mut problems);
    records("the store", &scene.stored()?, scene.jobs, &mut problems);
    let lines = ledger.lines()?;
    let jobs = ledger::by_job(&lines);
    for number in 1..=scene.jobs {
        match jobs.get(&number) {
            Some(processes) => of_job(number, processes, &mut problems),
            None => problems.add(format!("job {number} never ran")),
        }
    }
    let hosts = ledger::by_host(&lines);
    for processes in &hosts {
        of_host(processes, &mut problems);
    }
    tally.batches += 1;
    tally.jobs += scene.jobs;
    tally.processes += hosts.iter().flatten().filter(|process| process.starts).count() as u64;
    tally.repeated += repeated(&hosts);
    problems.into_result()
}

/// One record a job, the right one.
fn records(place: &str, results: &[Value], jobs: u64, problems: &mut Problems) {
    let mut seen = BTreeMap::new();
    for result in results {
        match number(result) {
            Ok(number) => *seen.entry(number).or_insert(0) += 1,
            Err(problem) => problems.add(format!("{place}: {problem}")),
        }
        let Ok(number) = number(result) else { continue };
        let (status, attempts) = Kind::of(number).ends();
        if result["status"] != status || result["attempts"] != attempts {
            problems.add(format!("{place}: job {number}: expected {status} after {attempts} attempts: {result}"));
        }
    }
    for number in 1..=jobs {
        match seen.get(&number) {
            Some(1) => {}
            Some(times) => problems.add(format!("{place}: job {number} has {times} records")),
            None => problems.add(format!("{place}: job {number} is lost")),
        }
    }
    if let Some(stranger) = seen.keys().find(|number| **number > jobs) {
        problems.add(format!("{place}: there is no job {stranger}"));
    }
}

/// Everything that one job did, in all hosts.
fn of_job(number: u64, processes: &[&Process], problems: &mut Problems) {
    let keys: BTreeSet<_> = processes.iter().map(|process| &process.key).collect();
    if keys.len() != 1 {
        problems.add(format!("job {number} has several idempotency keys: {keys:?}"));
    }
    let second = processes.iter().position(|process| process.node == "second");
    if let Some(second) = second
        && processes[second..].iter().any(|process| process.starts && process.node == "first")
    {
        problems.add(format!("job {number} ran a node again whose checkpoint was there"));
    }
    // A process that outlived its host is ended before its job runs again.
    for (at, process) in processes.iter().enumerate().filter(|(_, process)| process.starts) {
        if processes[at..].iter().any(|later| !later.starts && processes[..at].iter().any(|p| p.pid == later.pid)) {
            problems.add(format!("job {number}: a process of a dead host ran beside process {}", process.pid));
        }
    }
}

/// Within one host, a node of a job runs once, and again only if it failed.
fn of_host(processes: &[&Process], problems: &mut Problems) {
    let mut starts: BTreeMap<(u64, &str), u64> = BTreeMap::new();
    for process in processes.iter().filter(|process| process.starts) {
        *starts.entry((process.job, process.node.as_str())).or_default() += 1;
    }
    for ((job, node), times) in starts {
        let (_, allowed) = Kind::of(job).ends();
        if times > allowed {
            problems.add(format!("one host ran node {node} of job {job} {times} times"));
        }
    }
}

/// Jobs that ran in more than one host.
fn repeated(hosts: &[Vec<&Process>]) -> u64 {
    let mut seen: BTreeMap<u64, u64> = BTreeMap::new();
    for processes in hosts {
        let jobs: BTreeSet<_> = processes.iter().filter(|process| process.starts).map(|process| process.job).collect();
        for job in jobs {
            *seen.entry(job).or_default() += 1;
        }
    }
    seen.values().filter(|hosts| **hosts > 1).count() as u64
}

#[derive(Debug, Default)]
struct Problems(Vec<String>);

impl Problems {
    fn add(&mut self, problem: String) {
        self.0.push(problem);
    }

    fn into_result(mut self) -> Result<(), String> {
        let more = self.0.len().saturating_sub(TOLD);
        self.0.truncate(TOLD);
        if more > 0 {
            self.0.push(format!("and {more} more"));
        }
        if self.0.is_empty() { Ok(()) } else { Err(self.0.join("\n")) }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn process(starts: bool, pid: u32, node: &str) -> Process {
        Process { starts, pid, node: node.to_owned(), job: 1, key: "k".to_owned() }
    }

    fn problems(check: impl FnOnce(&mut Problems)) -> String {
        let mut problems = Problems::default();
        check(&mut problems);
        problems.into_result().err().unwrap_or_default()
    }

    fn of(processes: &[Process]) -> String {
        problems(|problems| of_job(1, &processes.iter().collect::<Vec<_>>(), problems))
    }

    #[test]
    fn records_are_counted() {
        let result = |id: &str| json!({"job_id": id, "status": "succeeded", "attempts": 1});
        let told = |results: &[Value]| problems(|problems| records("x", results, 2, problems));
        assert_eq!(told(&[result("1"), result("2")]), "");
        assert_eq!(told(&[result("1")]), "x: job 2 is lost");
        assert_eq!(told(&[result("1"), result("2"), result("2")]), "x: job 2 has 2 records");
        assert_eq!(told(&[result("1"), result("2"), result("4")]), "x: there is no job 4");
        let mut wrong = result("2");
        wrong["attempts"] = json!(2);
        assert!(told(&[result("1"), wrong]).starts_with("x: job 2: expected succeeded after 1 attempts"));
    }

    #[test]
    fn a_node_with_a_checkpoint_does_not_run_again() {
        let (first, second) = (process(true, 1, "first"), process(true, 2, "second"));
        assert_eq!(of(&[first.clone(), second.clone(), process(true, 3, "second")]), "");
        assert!(of(&[first.clone(), second, process(true, 3, "first")]).contains("whose checkpoint was there"));
    }

    #[test]
    fn a_process_that_outlived_its_host_is_seen() {
        let lines = [process(true, 1, "first"), process(true, 2, "first"), process(false, 2, "first")];
        assert_eq!(of(&lines), "");
        let lines = [process(true, 1, "first"), process(true, 2, "first"), process(false, 1, "first")];
        assert!(of(&lines).contains("a process of a dead host ran beside process 2"));
    }

    #[test]
    fn one_host_runs_a_node_once() {
        let lines = [process(true, 1, "first"), process(true, 2, "first")];
        let told = problems(|problems| of_host(&lines.iter().collect::<Vec<_>>(), problems));
        assert_eq!(told, "one host ran node first of job 1 2 times");
    }

    #[test]
    fn a_run_without_load_is_no_proof() {
        let mut tally = Tally::default();
        assert!(tally.check_load(40).is_err());
        (0..20).for_each(|_| tally.killed(Some(&Kill::At(FAILPOINTS[0].0, 1, None)), true));
        tally.repeated = 1;
        assert_eq!(tally.check_load(40), Ok(()));
        assert!(tally.check_load(400).is_err(), "many kills come by every place");
    }
}
