//! Memory keeps what every checkpointer must.

use batchmill_flow::MemoryCheckpointer;
use batchmill_testkit::checkpointer::{Subject, run};

#[test]
fn memory_keeps_every_checkpoint_or_the_latest_of_each_thread() {
    run(|| Subject::new(MemoryCheckpointer::new())).assert_passed();
    run(|| Subject::new(MemoryCheckpointer::of_latest()).only_latest()).assert_passed();
}
