//! Checkpoints in the database of their batch.

use batchmill_core::{Checkpoint, CheckpointId, JournalEvent, ThreadId, Verdict};

use crate::support::{Calls, Place, accepted, block_on, ended, id, ok};

fn checkpoint(step: u64) -> Checkpoint {
    let state = serde_json::json!({"step": step}).as_object().cloned().unwrap();
    Checkpoint::new(CheckpointId(step), step, state, vec!["next".to_owned()])
}

#[test]
fn the_latest_checkpoint_is_kept_until_the_job_has_its_record() {
    let place = Place::new();
    let batch = place.batch();
    let (calls, checkpoints) = (Calls::of(&batch), batch.checkpointer());
    let thread = ThreadId::new("b/2");
    block_on(async {
        for step in 1..=3 {
            checkpoints.put(&thread, checkpoint(step)).await.unwrap();
        }
        assert_eq!(checkpoints.list(&thread).await.unwrap(), [CheckpointId(3)]);
    });
    drop((calls, checkpoints, batch));
    let batch = place.again();
    let (calls, checkpoints) = (Calls::of(&batch), batch.checkpointer());
    assert_eq!(block_on(checkpoints.get(&thread, None)).unwrap(), Some(checkpoint(3)));
    calls.recorded(vec![ended([ok(0), ok(1)])]);
    assert_eq!(block_on(checkpoints.get(&thread, None)).unwrap(), None);
    assert_eq!(block_on(checkpoints.list(&thread)).unwrap(), []);
}

#[test]
fn puts_that_wait_together_are_written_once_and_all_confirmed() {
    let place = Place::new();
    let batch = place.batch();
    let checkpoints = batch.checkpointer();
    let threads: Vec<_> = (0..50).map(|job| ThreadId::new(format!("b/{job}"))).collect();
    block_on(async {
        let puts = threads.iter().flat_map(|thread| (1..=10).map(move |step| (thread, step)));
        let tasks: Vec<_> = puts
            .map(|(thread, step)| {
                let (checkpoints, thread) = (batch.checkpointer(), thread.clone());
                tokio::spawn(async move { checkpoints.put(&thread, checkpoint(step)).await })
            })
            .collect();
        for task in tasks {
            task.await.unwrap().unwrap();
        }
        for thread in &threads {
            assert_eq!(checkpoints.get(thread, None).await.unwrap(), Some(checkpoint(10)));
        }
    });
}

#[test]
fn a_thread_of_another_batch_is_refused() {
    let place = Place::new();
    let batch = place.batch();
    let put = block_on(batch.checkpointer().put(&ThreadId::new("c/1"), checkpoint(1)));
    assert_eq!(put.unwrap_err().message, "the thread c/1 is not of the batch b");
    assert_eq!(batch.id(), &id("b"));
}

#[test]
fn only_a_batch_that_is_closed_with_a_record_of_every_job_lets_go_of_checkpoints() {
    let place = Place::new();
    let mut new = crate::support::new("b");
    new.jobs = 2;
    let batch = place.state.create(new).unwrap();
    let (calls, checkpoints) = (Calls::of(&batch), batch.checkpointer());
    let closed = |verdict| JournalEvent::Closed { verdict, at: accepted() };
    let compact = || block_on(calls.0.compact(&id("b"))).unwrap();
    // Of a job that has ended, by an attempt that nobody heard of in time.
    calls.recorded(vec![ended([ok(0)])]);
    for thread in ["b/1", "b/2"] {
        block_on(checkpoints.put(&ThreadId::new(thread), checkpoint(1))).unwrap();
    }
    let has = |thread| block_on(checkpoints.get(&ThreadId::new(thread), None)).unwrap().is_some();
    calls.recorded(vec![closed(Verdict::Drained)]);
    compact();
    assert!(has("b/1") && has("b/2"), "the second job goes on from it");
    calls.recorded(vec![ended([ok(1)])]);
    assert!(has("b/1") && !has("b/2"));
    calls.recorded(vec![closed(Verdict::Succeeded)]);
    compact();
    assert!(!has("b/1"));
    assert_eq!(calls.results(), [ok(0), ok(1)]);
}
