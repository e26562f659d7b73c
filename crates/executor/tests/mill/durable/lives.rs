//! Host after host on one batch, each killed at any moment, on a journal with bad days. All that is random follows from a
//! seed, which a failure prints.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use batchmill_core::{AttemptFailure, ErrorClass, NodeError, NodeFailure, Outcome, Verdict};
use batchmill_executor::BatchEnd;
use batchmill_retry_exponential::{Exponential, Options};
use batchmill_testkit::{
    Seed,
    journal::{Fault, MemoryJournal},
};
use tokio::runtime::Builder;

use crate::{Scripted, after, mill, scripted};

use super::{Storage, Taken, no_room, screen, sink, sorted, upto};

const LIVES: u64 = 300;
/// After so many a host lives to the end.
const HOSTS: u64 = 12;

struct Life {
    seed: Seed,
    count: u64,
    memory: MemoryJournal,
    file: Taken,
    ended: Arc<AtomicU64>,
}

impl Life {
    fn new(seed: u64) -> Self {
        let mut seed = Seed::new(seed);
        let count = 1 + seed.below(60);
        Self { seed, count, memory: MemoryJournal::new(), file: Taken::default(), ended: Arc::default() }
    }

    /// Attempts that take a while, or none, and fail now and then.
    fn workload(&mut self) -> Arc<Scripted> {
        let (seed, ended) = (Mutex::new(self.seed.fork()), self.ended.clone());
        let (workload, _) = scripted(move |_, _| {
            let (takes, fails) = {
                let mut seed = seed.lock().unwrap();
                (seed.below(4), seed.once_in(4))
            };
            let ended = ended.clone();
            async move {
                for _ in 0..takes {
                    tokio::task::yield_now().await;
                }
                if takes == 3 {
                    after(Duration::from_millis(40)).await;
                }
                let error = NodeError::new(ErrorClass::Transient, "test", "unlucky");
                let failure = AttemptFailure::new(NodeFailure::of_attempt(error));
                ended.fetch_add(u64::from(!fails), Ordering::SeqCst);
                if fails { Outcome::Failed(Box::new(failure)) } else { Outcome::Succeeded }
            }
        });
        workload
    }

    fn faults(&mut self) -> Vec<Option<Fault>> {
        const FAULTS: [Option<Fault>; 6] =
            [None, None, None, Some(Fault::Full), Some(Fault::UnknownLost), Some(Fault::UnknownRecorded)];
        (0..self.seed.below(20)).map(|_| *self.seed.pick(&FAULTS)).collect()
    }

    /// Lives as long as the next host, and is dropped with its runtime as if it had been killed.
    fn host(&mut self, number: u64) -> Option<BatchEnd> {
        let runtime = Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
        let storage = Storage::of(if number == 0 { self.memory.clone() } else { self.memory.adopt() });
        let (workload, shown) = (self.workload(), Taken::default());
        let is_last = number == HOSTS;
        if !is_last {
            storage.journal.script(self.faults());
            self.file.fails((0..self.seed.below(3)).map(|_| no_room()));
        }
        let (steps, rests, slots) = (self.seed.below(400), self.seed.below(3), 1 + self.seed.below(5));
        let feeds = vec![sink("file", &self.file), screen(&shown)];
        let end = runtime.block_on(async {
            let mut opening = match number {
                0 => storage.opening(workload, self.count, feeds),
                _ => storage.resuming(workload, self.count, feeds).await,
            };
            opening.retry = vec![Arc::new(Exponential::new(&Options::with_max_attempts(1000)).unwrap())];
            let handle = mill(u32::try_from(slots).unwrap()).open(opening);
            let lives = async {
                for _ in 0..=rests {
                    for _ in 0..steps {
                        tokio::task::yield_now().await;
                    }
                    after(Duration::from_millis(300)).await;
                }
                if is_last {
                    std::future::pending::<()>().await;
                }
            };
            tokio::select! {
                end = handle.wait() => Some(end),
                () = lives => None,
            }
        });
        drop(runtime);
        assert_eq!(storage.journal.violations(), [""; 0]);
        // Whoever dies, nothing is recorded twice, and the file is never ahead of the journal.
        let recorded = storage.places(self.count);
        assert!(sorted(recorded.clone()).windows(2).all(|pair| pair[0] < pair[1]), "{recorded:?}");
        assert!(recorded.starts_with(&self.file.places()), "{:?} of {recorded:?}", self.file.places());
        assert!(recorded.starts_with(&shown.places()));
        if let Some(end) = &end {
            assert_eq!((shown.places(), end.counts.succeeded), (recorded, self.count));
        }
        end
    }
}

fn live(seed: u64) -> u64 {
    let mut life = Life::new(seed);
    for host in 0..=HOSTS {
        if let Some(end) = life.host(host) {
            assert_eq!((end.verdict, end.undelivered), (Verdict::Succeeded, vec![]));
            let storage = Storage::of(life.memory.clone());
            assert_eq!(sorted(storage.places(life.count)), upto(life.count));
            assert_eq!(life.file.places(), storage.places(life.count));
            assert!(storage.is_closed(life.count));
            assert!(life.ended.load(Ordering::SeqCst) >= life.count, "each job ran");
            return host;
        }
    }
    panic!("the last host did not come to its end");
}

#[test]
fn whoever_dies_and_whenever_each_job_has_one_result_everywhere() {
    let mut hosts = 0;
    for seed in 0..LIVES {
        let lived = std::panic::catch_unwind(|| live(seed));
        hosts += lived.unwrap_or_else(|_| panic!("seed {seed}"));
    }
    assert!(hosts > LIVES, "lives are eventful, found {hosts} hosts that died");
}
