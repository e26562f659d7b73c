//! Every pushed token leaves exactly once.

use batchmill_core::Token;

use super::{QueuedJob, Subject, script::Books};
use crate::{
    Make, Seed,
    case::{Checked, Unmet, ensure},
};

pub(super) fn every_token_leaves_once_by_pop(make: Make<'_, Subject>) -> Checked {
    let (mut books, mut seed) = (Books::new(make()), Seed::new(1));
    for token in 0..500 {
        books.push(&QueuedJob::random(token, token * 10, &mut seed))?;
    }
    let order = books.drain()?;
    ensure!(order.len() == 500, "{} of 500 tokens came out", order.len());
    Ok(())
}

pub(super) fn every_token_leaves_once_by_remove(make: Make<'_, Subject>) -> Checked {
    let (mut books, mut seed) = (Books::new(make()), Seed::new(2));
    for token in 0..500 {
        books.push(&QueuedJob::random(token, token * 10, &mut seed))?;
    }
    let mut tokens: Vec<u64> = (0..500).collect();
    while !tokens.is_empty() {
        let token = Token(tokens.swap_remove(seed.index(tokens.len())));
        books.remove(token)?;
    }
    let order = books.drain()?;
    ensure!(order.is_empty(), "{order:?} came out after everything was removed");
    Ok(())
}

pub(super) fn every_token_leaves_once_whatever_happens(make: Make<'_, Subject>) -> Checked {
    for number in 0..20 {
        let (mut books, mut seed) = (Books::new(make()), Seed::new(number));
        for step in 0..2000 {
            books.random_step(step, &mut seed).map_err(|unmet| at(number, step, unmet))?;
        }
        books.drain().map_err(|unmet| at(number, 2000, unmet))?;
    }
    Ok(())
}

pub(super) fn at(seed: u64, step: u64, unmet: Unmet) -> Unmet {
    match unmet {
        Unmet::Failed(message) => Unmet::Failed(format!("seed {seed}, step {step}: {message}")),
        other => other,
    }
}

pub(super) fn a_hundred_thousand_jobs_leave_once(make: Make<'_, Subject>) -> Checked {
    let (mut books, mut seed) = (Books::new(make()), Seed::new(3));
    for token in 0..100_000 {
        books.push(&QueuedJob::random(token, token * 10, &mut seed))?;
    }
    for token in (0..100_000).step_by(1000) {
        books.remove(Token(token))?;
    }
    let order = books.drain()?;
    ensure!(order.len() == 99_900, "{} of 99900 tokens came out", order.len());
    Ok(())
}

pub(super) fn removing_a_stranger_is_false(make: Make<'_, Subject>) -> Checked {
    let mut books = Books::new(make());
    books.remove(Token(7))?;
    books.push(&QueuedJob::new(1))?;
    books.push(&QueuedJob::new(2).queued(1))?;
    books.remove(Token(7))?;
    let picked = books.pop()?;
    ensure!(picked.is_some(), "nothing was picked of two jobs");
    books.remove(picked.unwrap_or(Token(0)))?;
    for token in [1, 2, 1, 2] {
        books.remove(Token(token))?;
    }
    Ok(())
}

pub(super) fn a_picked_token_may_come_again(make: Make<'_, Subject>) -> Checked {
    let mut books = Books::new(make());
    books.push(&QueuedJob::new(2).queued(5))?;
    for round in 0..50 {
        // Alternately as it was, and with other keys.
        books.push(&QueuedJob::new(1).queued(round % 3).priority(if round % 2 == 0 { 0 } else { 200 }))?;
        while books.queued.contains(&Token(1)) {
            let token = books.pop()?;
            ensure!(token.is_some(), "round {round}: token 1 did not come out");
            let token = token.unwrap_or(Token(0));
            books.finish(token);
            if token == Token(2) {
                books.push(&QueuedJob::new(2).queued(100 + round))?;
            }
        }
    }
    books.drain().map(drop)
}

pub(super) fn a_removed_token_may_come_again(make: Make<'_, Subject>) -> Checked {
    let mut books = Books::new(make());
    for token in 0..100 {
        books.push(&QueuedJob::new(token).queued(token))?;
    }
    for round in 0..3 {
        for token in (0..100).step_by(3) {
            books.remove(Token(token))?;
            let job = QueuedJob::new(token).queued(if round == 1 { token } else { 0 });
            books.push(&job.priority(if round == 2 { 200 } else { 0 }))?;
        }
    }
    let order = books.drain()?;
    ensure!(order.len() == 100, "{} of 100 tokens came out", order.len());
    Ok(())
}
