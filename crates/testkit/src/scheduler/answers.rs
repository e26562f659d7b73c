//! What a scheduler answers, and that it always answers the same.

use std::time::Duration;

use batchmill_core::{MonoTime, Pick, Token, Usage};

use super::{
    QueuedJob, Subject,
    accounting::at,
    script::{Books, answers, picks},
};
use crate::{
    Make, Seed,
    case::{Checked, Unmet, ensure},
};

fn jobs(count: u64, seed: u64) -> Vec<QueuedJob> {
    let mut seed = Seed::new(seed);
    (0..count).map(|token| QueuedJob::random(token, token * 10, &mut seed)).collect()
}

/// Later than every job that the cases queue.
const LATER: MonoTime = MonoTime::from_nanos(1_000_000_000);

pub(super) fn an_empty_scheduler_says_so(make: Make<'_, Subject>) -> Checked {
    let mut scheduler = make();
    let pick = scheduler.pop(MonoTime::ZERO);
    ensure!(pick == Pick::Empty, "pop answered {pick:?}");
    let len = scheduler.len();
    ensure!(len == 0 && scheduler.is_empty(), "len is {len}, is_empty is {}", scheduler.is_empty());
    ensure!(!scheduler.remove(Token(0)), "remove found a token");
    ensure!(scheduler.explain(Token(0), MonoTime::ZERO).is_none(), "explain found a token");
    let mut picked = Vec::new();
    scheduler.push_many(&[]);
    let why = scheduler.pop_many(LATER, 3, &mut picked);
    ensure!(why == Some(Pick::Empty) && picked.is_empty(), "pop_many answered {why:?} and picked {picked:?}");
    let why = scheduler.pop_many(LATER, 0, &mut picked);
    ensure!(why.is_none() && picked.is_empty(), "pop_many of none answered {why:?} and picked {picked:?}");
    Ok(())
}

pub(super) fn len_counts_what_is_queued(make: Make<'_, Subject>) -> Checked {
    let mut books = Books::new(make());
    for job in jobs(20, 1) {
        books.push(&job)?;
    }
    for token in 0..5 {
        books.remove(Token(token))?;
        books.pop()?;
    }
    Ok(())
}

pub(super) fn a_free_slot_never_idles(make: Make<'_, Subject>) -> Checked {
    // `Books::pop` holds every answer but `Run` against what is queued.
    for number in 0..10 {
        let (mut books, mut seed) = (Books::new(make()), Seed::new(number));
        for step in 0..300 {
            books.push(&QueuedJob::random(step, step * 10, &mut seed))?;
            let mut running = Vec::new();
            for _ in 0..seed.below(3) {
                running.extend(books.pop().map_err(|unmet| at(number, step, unmet))?);
            }
            for token in running {
                books.finish(token);
            }
        }
    }
    Ok(())
}

pub(super) fn the_same_calls_give_the_same_picks(make: Make<'_, Subject>) -> Checked {
    for number in 0..10 {
        let one = answers(&mut *make(), 1000, Seed::new(number));
        let other = answers(&mut *make(), 1000, Seed::new(number));
        let differs = one.iter().zip(&other).position(|(a, b)| a != b);
        if let Some(step) = differs {
            let message = format!("seed {number}: answer {step} is {} and then {}", one[step], other[step]);
            return Err(Unmet::Failed(message));
        }
    }
    Ok(())
}

pub(super) fn instances_are_independent(make: Make<'_, Subject>) -> Checked {
    let (mut one, mut other) = (Books::new(make()), Books::new(make()));
    for job in jobs(50, 2) {
        one.push(&job)?;
    }
    ensure!(other.pop()?.is_none(), "a job of one instance came out of another");
    for job in jobs(50, 3) {
        other.push(&job)?;
    }
    one.drain()?;
    other.drain().map(drop)
}

pub(super) fn explain_knows_what_is_queued(make: Make<'_, Subject>) -> Checked {
    let mut books = Books::new(make());
    for job in jobs(100, 4) {
        books.push(&job)?;
    }
    for token in (0..100).step_by(7) {
        books.remove(Token(token))?;
    }
    for _ in 0..20 {
        books.pop()?;
    }
    for token in (0..110).map(Token) {
        let position = books.scheduler.explain(token, books.clock.now());
        let queued = books.queued.contains(&token);
        ensure!(position.is_some() == queued, "explain({token:?}) is {position:?}, but queued is {queued}");
        if let Some(position) = position {
            ensure!(!position.reason.trim().is_empty(), "explain({token:?}) gives no reason");
            let most = books.queued.len() as u64;
            ensure!(position.ahead.is_none_or(|a| a < most), "{:?} ahead of {token:?}, {most} queued", position.ahead);
        }
    }
    Ok(())
}

pub(super) fn explain_tells_the_true_place(make: Make<'_, Subject>) -> Checked {
    let mut scheduler = make();
    for job in jobs(200, 5) {
        scheduler.push(job.entry());
    }
    for token in (0..200).step_by(11) {
        scheduler.remove(Token(token));
    }
    let told: Vec<(Token, u64)> =
        (0..200).map(Token).filter_map(|token| Some((token, scheduler.explain(token, LATER)?.ahead?))).collect();
    if told.is_empty() {
        return Err(Unmet::NotApplicable("explain tells no places"));
    }
    let mut order = Vec::new();
    scheduler.pop_many(LATER, 200, &mut order);
    for (token, ahead) in told {
        let place = order.iter().position(|t| *t == token).map(|place| place as u64);
        ensure!(place == Some(ahead), "explain told {ahead} ahead of {token:?}, its place was {place:?}");
    }
    Ok(())
}

pub(super) fn push_many_equals_push(make: Make<'_, Subject>) -> Checked {
    let (mut one, mut many, jobs) = (make(), make(), jobs(200, 6));
    for part in jobs.chunks(64) {
        for job in part {
            one.push(job.entry());
        }
        let entries: Vec<_> = part.iter().map(QueuedJob::entry).collect();
        many.push_many(&entries);
        ensure!(one.len() == many.len(), "len is {} by push and {} by push_many", one.len(), many.len());
    }
    let (one, many) = (picks(&mut *one, LATER, 201), picks(&mut *many, LATER, 201));
    ensure!(one == many, "the picks differ after push and push_many");
    Ok(())
}

pub(super) fn pop_many_equals_pop(make: Make<'_, Subject>) -> Checked {
    let (mut one, mut many, jobs) = (make(), make(), jobs(200, 7));
    for job in &jobs {
        one.push(job.entry());
        many.push(job.entry());
    }
    let mut picked = vec![Token(u64::MAX)];
    for max in [0, 1, 7, 64, 500] {
        let before = picked.len();
        let why = many.pop_many(LATER, max, &mut picked);
        let (count, all) = (picked.len() - before, picked.len() - 1);
        ensure!(many.len() == 200 - all, "len is {} after {all} of 200 were picked", many.len());
        ensure!(why.is_some() == (count < max), "pop_many({max}) picked {count} and answered {why:?}");
    }
    ensure!(picked[0] == Token(u64::MAX), "pop_many replaced what was picked before");
    let many: Vec<String> = picked[1..].iter().map(|token| format!("{:?}", Pick::Run(*token))).collect();
    let one = picks(&mut *one, LATER, 200);
    ensure!(one == many, "the picks differ by pop and pop_many");
    Ok(())
}

pub(super) fn an_end_that_is_not_heard_changes_nothing(make: Make<'_, Subject>) -> Checked {
    let (mut told, mut untold) = (make(), make());
    if told.hears_finish() {
        return Err(Unmet::NotApplicable("hears_finish is true"));
    }
    for job in jobs(200, 8) {
        told.push(job.entry());
        untold.push(job.entry());
    }
    for number in 0..200_u64 {
        let (one, other) = (told.pop(LATER), untold.pop(LATER));
        ensure!(one == other, "pick {number} is {one:?} where ends were told, and {other:?} where they were not");
        if let Pick::Run(token) = one {
            told.on_finish(token, Usage::new(Duration::from_millis(number)).measured(number, Duration::ZERO));
        }
    }
    Ok(())
}

pub(super) fn moves_between_threads(make: Make<'_, Subject>) -> Checked {
    let mut books = Books::new(make());
    for round in 0..4 {
        let moved = std::thread::spawn(move || {
            for token in round * 10..round * 10 + 10 {
                books.push(&QueuedJob::new(token).queued(token))?;
            }
            for _ in 0..5 {
                books.pop()?;
            }
            Ok(books)
        });
        books = moved.join().map_err(|_| Unmet::Failed("panicked on another thread".to_owned()))??;
    }
    let order = books.drain()?;
    ensure!(order.len() == 20, "{} of 20 tokens came out", order.len());
    Ok(())
}
