//! Whatever an entry says, it is taken.

use std::time::Duration;

use batchmill_core::{ClassId, MonoTime, Token, Usage};

use super::{QueuedJob, Subject, script::Books};
use crate::{
    Make,
    case::{Checked, ensure},
};

pub(super) fn any_share_is_taken(make: Make<'_, Subject>) -> Checked {
    let long = "x".repeat(4096);
    let longer = format!("{long}y");
    let shares = ["", " ", "default", "org/team/user", "/", "ünïcødé/部門/🦀", "e\u{301}", "é", &long, &longer];
    let mut books = Books::new(make());
    for round in 0..3 {
        for (number, share) in (0..).zip(shares) {
            let token = u64::from(round * 100 + number);
            let mut job = QueuedJob::new(token).queued(token);
            (job.class, job.share) = (ClassId(number), share.to_owned());
            books.push(&job)?;
        }
    }
    let order = books.drain()?;
    ensure!(order.len() == 3 * shares.len(), "{} of {} tokens came out", order.len(), 3 * shares.len());
    Ok(())
}

pub(super) fn extreme_keys_are_taken(make: Make<'_, Subject>) -> Checked {
    let mut books = Books::new(make());
    let mut class = 0;
    for priority in [0, 1, 254, 255] {
        for cost in [f64::MIN_POSITIVE, 1.0, f64::MAX] {
            for enqueued in [MonoTime::ZERO, MonoTime::from_nanos(u64::MAX - 1), MonoTime::NEVER] {
                for deadline in [None, Some(MonoTime::ZERO), Some(MonoTime::NEVER)] {
                    class += 1;
                    let mut job = QueuedJob::new(u64::MAX - u64::from(class)).priority(priority);
                    (job.cost, job.enqueued, job.deadline, job.class) = (cost, enqueued, deadline, ClassId(class));
                    books.push(&job)?;
                }
            }
        }
    }
    for token in [0, u64::MAX] {
        let mut job = QueuedJob::new(token);
        job.class = ClassId(u32::MAX);
        books.push(&job)?;
    }
    let order = books.drain()?;
    ensure!(order.len() == 110, "{} of 110 tokens came out", order.len());
    Ok(())
}

pub(super) fn entries_may_arrive_late(make: Make<'_, Subject>) -> Checked {
    let mut books = Books::new(make());
    // Each later entry was queued earlier: the worst order of arrival.
    for token in 0..200 {
        books.push(&QueuedJob::new(token).queued(10_000 - token * 10))?;
    }
    // A job that failed comes back with the time of its first queueing, again and again.
    for _ in 0..300 {
        let token = books.pop()?;
        ensure!(token.is_some(), "nothing came out of {} jobs", books.queued.len());
        let token = token.unwrap_or(Token(0));
        books.finish(token);
        if token.0 % 2 == 0 && token.0 < 1000 {
            books.push(&QueuedJob::new(token.0 + 1000).queued(10_000 - token.0 * 10))?;
        }
        if books.queued.is_empty() {
            break;
        }
    }
    books.drain().map(drop)
}

pub(super) fn any_usage_is_taken(make: Make<'_, Subject>) -> Checked {
    let mut books = Books::new(make());
    for (token, ran) in (0..).zip([Duration::ZERO, Duration::from_nanos(1), Duration::from_secs(1), Duration::MAX]) {
        books.push(&QueuedJob::new(token).queued(token))?;
        books.push(&QueuedJob::new(token + 100).queued(token))?;
        for _ in 0..2 {
            let token = books.pop()?;
            books.scheduler.on_finish(token.unwrap_or(Token(0)), Usage::new(ran));
        }
    }
    books.push(&QueuedJob::new(50))?;
    books.drain().map(drop)
}
