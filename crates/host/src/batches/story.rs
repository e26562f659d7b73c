//! What happened to a job, attempt by attempt, as the store has it.

use std::fmt::Write;

use batchmill_core::{AttemptRecord, BatchId, JobId, JobResult, Setback, Status, WallTime, format_duration};
use serde_json::{Value, json};

use super::Found;
use crate::{
    problems::Refusal,
    refusal,
    summary::{clipped, one_line},
};

/// Characters of an output that are shown to people.
const OUTPUT_SHOWN: usize = 300;

/// A job of a batch that no host runs, or that has ended.
#[derive(Debug, Clone)]
pub(crate) struct Story {
    pub(crate) batch: BatchId,
    /// How commands are given the batch.
    pub(crate) argument: String,
    pub(crate) job: JobId,
    /// Its place in submission order, from 0.
    pub(crate) place: u64,
    /// How often a host died while it ran.
    pub(crate) crashes: u32,
    pub(crate) chapter: Chapter,
}

/// How far it has come.
#[derive(Debug, Clone)]
pub(crate) enum Chapter {
    Ended(Box<JobResult>),
    /// It failed and will run again.
    Retrying(Box<Setback>),
    /// No attempt of it has ended.
    Pending,
}

impl Found {
    /// What the store knows of a job.
    pub(crate) fn story(&self, job: &JobId) -> Result<Story, Refusal> {
        let reader = self.reader()?;
        let of_store = |error| refusal::of_store(&error);
        let ended = reader.result_of(job).map_err(of_store)?;
        let (place, chapter) = match ended {
            Some((_, result)) => (result.sequence, Chapter::Ended(Box::new(result))),
            None => {
                let place = self.place_of(job)?;
                let setback = reader.setback(place).map_err(of_store)?;
                (place, setback.map_or(Chapter::Pending, |setback| Chapter::Retrying(Box::new(setback))))
            }
        };
        // The last crash is counted when a host takes the batch over.
        let left_running = self.listed.owner.is_none() && reader.left_running().map_err(of_store)?.contains(&place);
        let crashes = reader.crashes(place).map_err(of_store)? + u32::from(left_running);
        Ok(Story { batch: self.id().clone(), argument: self.argument(), job: job.clone(), place, crashes, chapter })
    }
}

impl Story {
    /// Where it counts.
    fn state(&self) -> &'static str {
        match &self.chapter {
            Chapter::Ended(result) => result.status.as_str(),
            Chapter::Retrying(_) => "backing_off",
            Chapter::Pending => "pending",
        }
    }

    fn attempts(&self) -> u32 {
        match &self.chapter {
            Chapter::Ended(result) => result.attempts,
            Chapter::Retrying(setback) => setback.attempts,
            Chapter::Pending => 0,
        }
    }

    fn history(&self) -> &[AttemptRecord] {
        match &self.chapter {
            Chapter::Ended(result) => result.error.as_ref().map_or(&[], |error| &error.history),
            Chapter::Retrying(setback) => &setback.history,
            Chapter::Pending => &[],
        }
    }

    /// Fields are added, never renamed or removed.
    pub(crate) fn json(&self) -> Value {
        let (due, given_up, result) = match &self.chapter {
            Chapter::Ended(result) => (None, None, serde_json::to_value(result.to_record(&self.batch)).ok()),
            Chapter::Retrying(setback) => (Some(setback.due), serde_json::to_value(&setback.given_up).ok(), None),
            Chapter::Pending => (None, None, None),
        };
        json!({
            "batch": self.batch, "job_id": self.job, "sequence": self.place, "state": self.state(),
            "attempts": self.attempts(), "crashes": self.crashes, "due_at": due, "history": self.history(),
            "given_up": given_up, "result": result, "text": self.headline(),
        })
    }

    fn headline(&self) -> String {
        let Self { batch, job, place, .. } = self;
        let times = match self.attempts() {
            1 => "1 attempt".to_owned(),
            attempts => format!("{attempts} attempts"),
        };
        let state = match &self.chapter {
            Chapter::Ended(result) if result.attempts == 0 => {
                format!("{} before an attempt of it ended", result.status.as_str().replace('_', " "))
            }
            Chapter::Ended(result) => format!("{} after {times}", result.status.as_str().replace('_', " ")),
            Chapter::Retrying(_) => format!("waits for a retry, {times} failed; no host runs its batch"),
            Chapter::Pending if self.crashes > 0 => "has not ended; no host runs its batch".to_owned(),
            Chapter::Pending => "has not run; no host runs its batch".to_owned(),
        };
        format!("{job} of {batch} (place {place}): {state}")
    }

    /// For people; `now` is for what is left of a delay.
    pub(crate) fn text(&self, now: WallTime) -> String {
        // Writing to a String cannot fail; `let _` says so.
        let mut out = format!("{}\n", self.headline());
        for attempt in self.history() {
            let AttemptRecord { attempt, class, message, at, duration, .. } = attempt;
            let (ran, message) = (format_duration(*duration), one_line(message));
            let _ = writeln!(out, "  attempt {attempt}: {class} after {ran}, at {at}: {message}");
        }
        if self.crashes > 0 {
            let times = if self.crashes == 1 { "once".to_owned() } else { format!("{} times", self.crashes) };
            let _ = writeln!(out, "  its host died {times} while it ran");
        }
        match &self.chapter {
            Chapter::Ended(result) => ended(&mut out, result),
            Chapter::Retrying(setback) => {
                for given_up in &setback.given_up {
                    let _ = writeln!(out, "  goes on without `{}`, whose attempts are used up", given_up.node);
                }
                let wait = setback.due.since(now);
                let due = if wait.is_zero() { "now".to_owned() } else { format!("in {}", format_duration(wait)) };
                let _ = writeln!(out, "  due {due} ({})", setback.due);
            }
            Chapter::Pending => {}
        }
        if !matches!(self.chapter, Chapter::Ended(_)) {
            let _ = writeln!(out, "Next: `batchmill resume {}` goes on", self.argument);
        }
        out
    }
}

fn ended(out: &mut String, result: &JobResult) {
    let started = match result.started_at {
        Some(started) => format!("started {started} after {}", format_duration(result.queued)),
        None => "never started".to_owned(),
    };
    let (accepted, ended) = (result.queued_at, result.finished_at);
    let took = format_duration(result.duration);
    let _ = writeln!(out, "  accepted {accepted}, {started}, ended {ended}, took {took}");
    if let Some(error) = &result.error {
        let node = error.node.as_ref().map(|node| format!(" at `{node}`")).unwrap_or_default();
        let _ = writeln!(out, "  {}{node} ({}): {}", error.class, error.code, one_line(&error.message));
    }
    if let Some(output) = result.output.as_ref().filter(|_| result.status == Status::Succeeded) {
        let _ = writeln!(out, "  output {}", clipped(&output.to_string(), OUTPUT_SHOWN));
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use batchmill_core::{ErrorClass, JobError};
    use insta::assert_snapshot;

    use super::*;

    fn noon() -> WallTime {
        WallTime::parse("2026-11-23T12:00:00Z").unwrap()
    }

    fn history() -> Vec<AttemptRecord> {
        let record = |attempt: u32| {
            let at = noon() + Duration::from_secs(u64::from(attempt) * 10);
            let message = format!("exited with\nstatus {attempt}");
            AttemptRecord::new(attempt, ErrorClass::Transient, message, at, Duration::from_millis(1_500))
        };
        vec![record(1), record(2)]
    }

    fn story(chapter: Chapter, crashes: u32) -> Story {
        let batch = BatchId::new("inspect-7f3a").unwrap();
        Story { batch, argument: "inspect-7f3a".into(), job: JobId::new("a").unwrap(), place: 17, crashes, chapter }
    }

    fn failed() -> JobResult {
        let mut result = JobResult::new(JobId::new("a").unwrap(), 17, Status::Failed);
        let mut error = JobError::new(ErrorClass::Transient, "exit_status", "exited with status 2").at_node("shrink");
        error.history = history();
        (result.error, result.attempts) = (Some(Box::new(error)), 2);
        (result.queued_at, result.started_at) = (noon(), Some(noon() + Duration::from_secs(2)));
        result.finished_at = noon() + Duration::from_secs(20);
        (result.queued, result.duration) = (Duration::from_secs(2), Duration::from_secs(18));
        result
    }

    #[test]
    fn a_job_that_failed_is_told_attempt_by_attempt() {
        assert_snapshot!(story(Chapter::Ended(Box::new(failed())), 1).text(noon()), @r"
        a of inspect-7f3a (place 17): failed after 2 attempts
          attempt 1: transient after 1.5s, at 2026-11-23T12:00:10.000Z: exited with status 1
          attempt 2: transient after 1.5s, at 2026-11-23T12:00:20.000Z: exited with status 2
          its host died once while it ran
          accepted 2026-11-23T12:00:00.000Z, started 2026-11-23T12:00:02.000Z after 2.0s, ended 2026-11-23T12:00:20.000Z, took 18.0s
          transient at `shrink` (exit_status): exited with status 2
        ");
    }

    #[test]
    fn a_job_that_waits_for_its_retry_says_when() {
        let mut setback = Setback::new(17, noon(), noon() + Duration::from_secs(90));
        (setback.attempts, setback.history) = (2, history());
        let story = story(Chapter::Retrying(Box::new(setback)), 0);
        assert_snapshot!(story.text(noon()), @r"
        a of inspect-7f3a (place 17): waits for a retry, 2 attempts failed; no host runs its batch
          attempt 1: transient after 1.5s, at 2026-11-23T12:00:10.000Z: exited with status 1
          attempt 2: transient after 1.5s, at 2026-11-23T12:00:20.000Z: exited with status 2
          due in 1m 30s (2026-11-23T12:01:30.000Z)
        Next: `batchmill resume inspect-7f3a` goes on
        ");
        assert!(story.text(noon() + Duration::from_secs(100)).contains("\n  due now ("));
    }

    #[test]
    fn a_job_that_has_not_run_says_so() {
        assert_snapshot!(story(Chapter::Pending, 0).text(noon()), @r"
        a of inspect-7f3a (place 17): has not run; no host runs its batch
        Next: `batchmill resume inspect-7f3a` goes on
        ");
        assert!(
            story(Chapter::Pending, 2)
                .text(noon())
                .contains("has not ended; no host runs its batch\n  its host died 2 times")
        );
    }

    #[test]
    fn a_job_that_succeeded_shows_its_output() {
        let mut result = failed();
        (result.status, result.error) = (Status::Succeeded, None);
        result.output = Some(json!({"n": "x".repeat(1000)}));
        let text = story(Chapter::Ended(Box::new(result)), 0).text(noon());
        assert!(text.starts_with("a of inspect-7f3a (place 17): succeeded after 2 attempts\n"), "{text}");
        assert!(text.contains("\n  output {\"n\":\"xxx") && text.ends_with("xxx…\n"), "{text}");
    }

    #[test]
    fn the_data_have_every_field_in_every_chapter() {
        let setback = Setback::new(17, noon(), noon());
        let chapters = [Chapter::Ended(Box::new(failed())), Chapter::Retrying(Box::new(setback)), Chapter::Pending];
        let [ended, retrying, pending] = chapters.map(|chapter| story(chapter, 0).json());
        let keys = |value: &Value| value.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
        assert!(keys(&ended) == keys(&retrying) && keys(&ended) == keys(&pending));
        let states = [&ended, &retrying, &pending].map(|story| story["state"].as_str().unwrap());
        assert_eq!(states, ["failed", "backing_off", "pending"]);
        assert_eq!((&ended["result"]["job_id"], &ended["history"][1]["attempt"]), (&"a".into(), &2.into()));
    }
}
