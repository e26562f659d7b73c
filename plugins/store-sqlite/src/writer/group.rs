//! What of a group need not be written: checkpoints that something later in the group has made pointless.

use std::collections::HashMap;

use super::request::{Entry, Queued, Request};

/// For each request whether a later one supersedes it. Empty where none does.
pub(crate) fn superseded(group: &[Queued]) -> Vec<bool> {
    if !group.iter().any(|queued| matches!(queued.request, Request::Put(..))) {
        return Vec::new();
    }
    // The largest id that comes later, or the end of the thread.
    let mut later: HashMap<&str, Option<u64>> = HashMap::new();
    let mut skip = vec![false; group.len()];
    for (index, queued) in group.iter().enumerate().rev() {
        match &queued.request {
            Request::Put(put, _) => {
                let id = put.id.0;
                let known = later.get(&*put.thread).copied();
                skip[index] = known.is_some_and(|later| later.is_none_or(|later| later >= id));
                if !skip[index] {
                    later.insert(&put.thread, Some(id));
                }
            }
            Request::Forget(forget, _) => drop(later.insert(&forget.thread, None)),
            Request::Append(entries, _) => {
                for entry in entries {
                    if let Entry::Ended(rows) = entry {
                        later.extend(rows.results.iter().map(|result| (result.job_id.as_str(), None)));
                    }
                }
            }
            Request::Pass(_) | Request::Amend(..) | Request::Compact(_) => {}
        }
    }
    skip_smaller(group, &mut skip);
    skip
}

/// A smaller id is no later checkpoint, whenever it comes.
fn skip_smaller(group: &[Queued], skip: &mut [bool]) {
    let mut largest: HashMap<&str, u64> = HashMap::new();
    for (queued, skip) in group.iter().zip(skip).filter(|(_, skip)| !**skip) {
        match &queued.request {
            Request::Put(put, _) => {
                let largest = largest.entry(&put.thread).or_insert(put.id.0);
                *skip = put.id.0 < *largest;
                *largest = put.id.0.max(*largest);
            }
            Request::Forget(forget, _) => drop(largest.remove(&*forget.thread)),
            Request::Append(..) | Request::Pass(_) | Request::Amend(..) | Request::Compact(_) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use batchmill_core::{CheckpointId, JobId, JobResult, Status};
    use tokio::sync::oneshot;

    use super::*;
    use crate::{
        rows::Rows,
        writer::{
            Threads,
            request::{Forget, Put},
        },
    };

    fn put(thread: &str, id: u64) -> Queued {
        let flight = Arc::new(Threads::default()).fly(thread);
        let put = Put { thread: thread.into(), id: CheckpointId(id), body: String::new(), flight };
        Queued { request: Request::Put(put, oneshot::channel().0), room: None }
    }

    fn ended(job: &str) -> Queued {
        let results = vec![JobResult::new(JobId::new(job).unwrap(), 0, Status::Succeeded)];
        let entries = vec![Entry::Ended(Rows::of(Arc::new(results)).unwrap())];
        Queued { request: Request::Append(entries, oneshot::channel().0), room: None }
    }

    fn forget(thread: &str) -> Queued {
        let forget = Forget { thread: thread.into(), flight: Arc::new(Threads::default()).fly(thread) };
        Queued { request: Request::Forget(forget, oneshot::channel().0), room: None }
    }

    #[test]
    fn a_checkpoint_is_pointless_before_a_later_one_and_before_the_end_of_its_job() {
        for (group, expected) in [
            (vec![put("a", 1), put("b", 1), put("a", 2)], vec![true, false, false]),
            (vec![put("a", 1), ended("a"), put("b", 1)], vec![true, false, false]),
            (vec![put("a", 1), forget("a"), put("a", 1)], vec![true, false, false]),
            (vec![put("a", 1), put("a", 1)], vec![true, false]),
            // A smaller id is no later checkpoint.
            (vec![put("a", 2), put("a", 1)], vec![false, true]),
            (vec![put("a", 2), forget("a"), put("a", 1)], vec![true, false, false]),
            (vec![ended("a"), put("a", 2)], vec![false, false]),
            (vec![ended("a")], vec![]),
        ] {
            assert_eq!(superseded(&group), expected, "{group:?}");
        }
    }
}
