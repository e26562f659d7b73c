//! A later host goes on with the same sink.

use batchmill_core::{JobResult, Resumed};

use crate::{
    Make,
    case::{Checked, Unmet, ensure},
};

use super::{Subject, batch, block_on, failed, records, results};

impl Subject {
    /// The host dies, and a later one makes the sink anew.
    fn die(self) -> Result<Self, Unmet> {
        let Self { sink, stored, kept, again } = self;
        let again = again.ok_or(Unmet::NotApplicable("it does not outlive its host"))?;
        drop(sink);
        Ok(Self { sink: again(), stored, kept, again: Some(again) })
    }

    async fn resume(&mut self, mark: Option<&str>) -> Result<Resumed, Unmet> {
        self.sink.resume(mark).await.map_err(|error| failed("resume", &error))
    }

    /// The mark of a sink that has marks.
    fn mark(&self) -> Result<String, Unmet> {
        self.sink.mark().ok_or(Unmet::NotApplicable("it has no marks"))
    }

    /// Resumes, brings what is to come again, and expects everything once.
    async fn complete(&mut self, mark: Option<&str>, before: &[JobResult], after: &[JobResult]) -> Checked {
        let all = [before, after].concat();
        let batch = batch("b");
        match self.resume(mark).await? {
            Resumed::AtMark => {
                self.expect(&records(&batch, before))?;
                self.write(&batch, after).await?;
            }
            Resumed::Empty => {
                self.expect(&[])?;
                self.write(&batch, &all).await?;
            }
            other => return Err(Unmet::Failed(format!("the kit does not know {other:?}"))),
        }
        self.flush().await?;
        self.expect(&records(&batch, &all))
    }
}

pub(super) fn marks_are_short(make: Make<'_, Subject>) -> Checked {
    let mut subject = make();
    block_on(async {
        let first = subject.mark()?;
        ensure!(first.len() <= 1024, "a mark has {} bytes", first.len());
        for part in results(0..1000).chunks(10) {
            subject.write(&batch("b"), part).await?;
            let mark = subject.mark()?;
            ensure!(mark.len() <= 1024, "a mark has {} bytes", mark.len());
        }
        Ok(())
    })
}

pub(super) fn what_came_after_the_mark_is_taken_back(make: Make<'_, Subject>) -> Checked {
    let mut subject = make();
    let all = results(0..50);
    block_on(async {
        subject.write(&batch("b"), &all[..20]).await?;
        let mark = subject.mark()?;
        subject.write(&batch("b"), &all[20..35]).await?;
        let mut later = subject.die()?;
        later.complete(Some(&mark), &all[..20], &all[20..]).await?;
        later.close().await?;
        later.expect(&records(&batch("b"), &all))
    })
}

pub(super) fn a_first_mark_takes_everything_back(make: Make<'_, Subject>) -> Checked {
    let mut subject = make();
    let all = results(0..10);
    block_on(async {
        let mark = subject.mark()?;
        subject.write(&batch("b"), &all[..7]).await?;
        let mut later = subject.die()?;
        later.complete(Some(&mark), &[], &all).await
    })
}

pub(super) fn without_a_mark_everything_is_taken_back(make: Make<'_, Subject>) -> Checked {
    let mut subject = make();
    let all = results(0..10);
    block_on(async {
        subject.mark()?;
        subject.write(&batch("b"), &all[..7]).await?;
        let mut later = subject.die()?;
        let resumed = later.resume(None).await?;
        ensure!(resumed == Resumed::Empty, "without a mark it goes on {resumed:?}");
        later.expect(&[])?;
        later.write(&batch("b"), &all).await?;
        later.flush().await?;
        later.expect(&records(&batch("b"), &all))
    })
}

pub(super) fn hosts_may_die_one_after_the_other(make: Make<'_, Subject>) -> Checked {
    let mut subject = make();
    let all = results(0..40);
    block_on(async {
        subject.write(&batch("b"), &all[..10]).await?;
        let mut mark = subject.mark()?;
        subject.write(&batch("b"), &all[10..13]).await?;
        for upto in [20, 30] {
            // The one between dies before anybody has heard its mark.
            for dies_unheard in [true, false] {
                subject = subject.die()?;
                subject.complete(Some(&mark), &all[..upto - 10], &all[upto - 10..upto]).await?;
                if !dies_unheard {
                    mark = subject.mark()?;
                }
            }
        }
        subject = subject.die()?;
        subject.complete(Some(&mark), &all[..30], &all[30..]).await
    })
}

pub(super) fn a_sink_without_marks_keeps_what_it_has(make: Make<'_, Subject>) -> Checked {
    let mut subject = make();
    let all = results(0..10);
    block_on(async {
        subject.write(&batch("b"), &all[..7]).await?;
        if subject.sink.mark().is_some() {
            return Err(Unmet::NotApplicable("it has marks"));
        }
        subject.flush().await?;
        let mut later = subject.die()?;
        let resumed = later.resume(None).await?;
        ensure!(resumed == Resumed::AtMark, "without marks it goes on {resumed:?}");
        later.write(&batch("b"), &all[7..]).await?;
        later.flush().await?;
        later.expect(&records(&batch("b"), &all))
    })
}
