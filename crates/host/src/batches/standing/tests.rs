use batchmill_core::StopReason;
use insta::assert_snapshot;

use super::*;
use crate::control::PausedBy;

fn at(text: &str) -> WallTime {
    WallTime::parse(text).unwrap()
}

const NOON: &str = "2026-11-23T12:00:00Z";

fn standing(stage: Stage) -> Standing {
    let mut counts = BatchCounts::default();
    (counts.submitted, counts.succeeded, counts.failed, counts.timed_out) = (500, 116, 3, 1);
    (counts.backing_off, counts.pending) = (5, 375);
    Standing {
        batch: BatchId::new("inspect-7f3a").unwrap(),
        argument: "inspect-7f3a".into(),
        flow: "inspect".into(),
        stage,
        counts,
        created: at(NOON),
        ended: None,
        parent: None,
        generation: 0,
        host: None,
        verdict: None,
        paused: None,
        lost: 0,
        left_running: 0,
        next_due: None,
        live: None,
        waiting: Vec::new(),
    }
}

fn running() -> Standing {
    let mut standing = standing(Stage::Running);
    standing.host = Some(Host { pid: 4711, name: "mill".into(), since: at(NOON) });
    let mut counts = standing.counts;
    (counts.running, counts.pending) = (8, 367);
    let live = serde_json::json!({
        "pid": 4711, "retries": 5, "elapsed_seconds": 12.0, "rate": 38.2, "eta_seconds": 9.9, "concurrency": 8,
        "before": 0, "limit": null, "draining": false, "paused": null, "verdict": null,
    });
    let mut live = live.as_object().unwrap().clone();
    live.extend(serde_json::to_value(counts).unwrap().as_object().unwrap().clone());
    standing.live = Some(serde_json::from_value(live.into()).unwrap());
    let share = serde_json::json!({"text": "367 pending: all 8 slots are taken", "reason": "slots", "jobs": 367});
    standing.waiting = vec![serde_json::from_value(share).unwrap()];
    standing
}

fn shown(standing: &Standing) -> String {
    text(standing, at(NOON))
}

#[test]
fn a_running_batch_says_its_rate_its_limits_and_what_waits() {
    assert_snapshot!(shown(&running()), @r"
    inspect-7f3a: running in process 4711 on mill since 2026-11-23T12:00:00.000Z; flow `inspect`, accepted 2026-11-23T12:00:00.000Z
      120 of 500 (24%), 38.2/s, 9.9s left, 8 running, 4 failed, 5 retries
      after 12.0s: 116 succeeded, 3 failed, 1 timed out, 367 pending, 8 running, 5 backing off
      at most 8 at once
      367 pending: all 8 slots are taken
    ");
}

#[test]
fn a_pause_names_its_cause_and_the_way_on() {
    let mut standing = running();
    let rule = Paused { by: PausedBy::Rule, rule: Some("pause,fail=4".into()), message: "4 of 500 jobs failed".into() };
    standing.live.as_mut().unwrap().paused = Some(rule);
    let text = shown(&standing);
    assert!(text.contains("\n  Paused by `pause,fail=4`: 4 of 500 jobs failed\n"), "{text}");
    assert!(text.ends_with("\nNext: `batchmill unpause inspect-7f3a` lets it go on\n"), "{text}");
    let full = Paused { by: PausedBy::Storage, rule: None, message: "batch.db: No space left on device".into() };
    standing.live.as_mut().unwrap().paused = Some(full);
    let text = shown(&standing);
    assert!(text.contains("\n  Paused until there is room: batch.db: No space left on device\n"), "{text}");
    assert!(!text.contains("unpause"), "it goes on by itself: {text}");
}

#[test]
fn an_interrupted_batch_says_what_is_left_and_how_to_go_on() {
    let mut standing = standing(Stage::Interrupted);
    (standing.lost, standing.left_running) = (3, 2);
    standing.next_due = Some(at("2026-11-23T12:00:30Z"));
    assert_snapshot!(shown(&standing), @r"
    inspect-7f3a: interrupted; flow `inspect`, accepted 2026-11-23T12:00:00.000Z
      120 of 500 jobs have ended: 116 succeeded, 3 failed, 1 timed out
      5 jobs wait for a retry, the first due in 30.0s
      1 job was running when an earlier host died
      Its host died while 2 jobs ran: killed, or the power went
    Next: `batchmill resume inspect-7f3a` goes on
    ");
    (standing.lost, standing.left_running) = (0, 0);
    let later = text(&standing, at("2026-11-23T13:00:00Z"));
    assert!(later.contains("a retry, the first due now\n") && !later.contains("died"), "{later}");
}

#[test]
fn an_ended_batch_says_why_and_what_to_look_at() {
    let mut standing = standing(Stage::Halted);
    standing.ended = Some(at("2026-11-23T12:01:00Z"));
    (standing.counts.skipped, standing.counts.pending, standing.counts.backing_off) = (380, 0, 0);
    standing.verdict = Some(Verdict::Halted(StopReason::new("soon,fail=4", "4 of 500 jobs failed")));
    assert_snapshot!(shown(&standing), @r"
    inspect-7f3a: halted; flow `inspect`, accepted 2026-11-23T12:00:00.000Z, ended 2026-11-23T12:01:00.000Z
      500 of 500 jobs have ended: 116 succeeded, 3 failed, 1 timed out, 380 skipped
      Stopped by `soon,fail=4`: 4 of 500 jobs failed
    Next: `batchmill errors inspect-7f3a` says why jobs failed, `batchmill retry inspect-7f3a --failed` runs them again
    ");
}

#[test]
fn all_batches_are_a_table() {
    let mut paused = running();
    paused.live.as_mut().unwrap().paused = Some(Paused { by: PausedBy::Person, rule: None, message: String::new() });
    assert_snapshot!(list(&[paused, standing(Stage::Interrupted)]), @r"
    BATCH         FLOW     STANDING     JOBS  ENDED  FAILED  ACCEPTED
    inspect-7f3a  inspect  paused       500   120    4       2026-11-23T12:00:00.000Z
    inspect-7f3a  inspect  interrupted  500   120    4       2026-11-23T12:00:00.000Z
    ");
    assert_eq!(list(&[]), "No batches.\n");
}

#[test]
fn the_data_have_every_field_whoever_answers() {
    let keys = |standing: &Standing| json(standing).as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    assert_eq!(keys(&running()), keys(&standing(Stage::Interrupted)));
    let running = json(&running());
    assert_eq!((&running["counts"]["running"], &running["live"]["concurrency"]), (&8.into(), &8.into()));
    assert_eq!(running["waiting"][0]["reason"], "slots");
}
