//! Checkpoints in the database of their batch.

use batchmill_core::{Checkpoint, CheckpointId, ThreadId};

use crate::support::{Calls, Place, block_on, ended, id, ok};

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
