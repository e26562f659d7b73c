//! What happened when, in windows that grow with the time that has to fit into them.

use std::time::Duration;

use batchmill_core::MonoTime;

/// At most so many windows; each gets twice as long when time goes beyond the last.
const WINDOWS_MAX: usize = 512;

/// The first length of a window.
const FIRST_WIDTH: u64 = 1 << 20;

/// Time in windows of one length, and what was there in each: for every row, in the same order as the shares.
#[derive(Debug, Clone, Default, PartialEq)]
#[non_exhaustive]
pub struct Windows {
    /// How long each is; the last one may have passed only in part.
    pub width: Duration,
    /// How many there are.
    pub count: usize,
    /// The time of slots that each row had in each window.
    pub used: Vec<Vec<Duration>>,
    /// The jobs of each row that waited for their first start when each window began.
    pub waiting: Vec<Vec<u64>>,
    /// The rows that had such jobs throughout each window.
    pub throughout: Vec<Vec<bool>>,
}

#[derive(Debug, Default)]
struct Row {
    used: Vec<u64>,
    waiting: Vec<u64>,
    /// Whether none waited at some moment.
    ran_out: Vec<bool>,
    /// None waits, since this window.
    out_since: Option<usize>,
    waits: u64,
}

/// Windows that are being filled.
#[derive(Debug)]
pub(crate) struct Timeline {
    begin: MonoTime,
    width: u64,
    /// Windows that have begun.
    begun: usize,
    rows: Vec<Row>,
}

impl Timeline {
    pub(crate) fn new(begin: MonoTime, rows: usize) -> Self {
        let rows = (0..rows).map(|_| Row { out_since: Some(0), ..Row::default() }).collect();
        Self { begin, width: FIRST_WIDTH, begun: 0, rows }
    }

    /// Time has come to `now`: windows that begin until then begin.
    pub(crate) fn reach(&mut self, now: MonoTime) {
        let place = self.place(now);
        while self.begun <= place {
            for row in &mut self.rows {
                row.used.push(0);
                row.waiting.push(row.waits);
                row.ran_out.push(row.out_since.is_some());
            }
            self.begun += 1;
        }
    }

    fn place(&mut self, moment: MonoTime) -> usize {
        let since = moment.as_nanos().saturating_sub(self.begin.as_nanos());
        while since / self.width >= WINDOWS_MAX as u64 {
            self.widen();
        }
        (since / self.width) as usize
    }

    /// Two windows become one.
    fn widen(&mut self) {
        self.width *= 2;
        self.begun = self.begun.div_ceil(2);
        for row in &mut self.rows {
            row.used = row.used.chunks(2).map(|two| two.iter().sum()).collect();
            row.waiting = row.waiting.chunks(2).map(|two| two[0]).collect();
            row.ran_out = row.ran_out.chunks(2).map(|two| two.contains(&true)).collect();
            row.out_since = row.out_since.map(|window| window / 2);
        }
    }

    /// More jobs of a row wait for their first start, or fewer. Time has been told.
    pub(crate) fn waits(&mut self, row: usize, jobs: u64, now: MonoTime) {
        let place = self.place(now);
        let row = &mut self.rows[row];
        row.waits = jobs;
        match (row.out_since, jobs) {
            (None, 0) => {
                row.ran_out[place] = true;
                row.out_since = Some(place);
            }
            (Some(_), 1..) => row.out_since = None,
            _ => {}
        }
    }

    /// A row had a slot for this time. Time has been told.
    pub(crate) fn used(&mut self, row: usize, from: MonoTime, upto: MonoTime) {
        let (begin, last) = (self.begin.as_nanos(), self.place(upto));
        let (from, upto) = (from.as_nanos() - begin, upto.as_nanos() - begin);
        let row = &mut self.rows[row];
        for place in (from / self.width) as usize..=last {
            let window = place as u64 * self.width..(place as u64 + 1) * self.width;
            row.used[place] += upto.min(window.end).saturating_sub(from.max(window.start));
        }
    }

    pub(crate) fn finish(self) -> Windows {
        let Self { width, begun, rows, .. } = self;
        let mut windows = Windows { width: Duration::from_nanos(width), count: begun, ..Windows::default() };
        for Row { used, waiting, ran_out, .. } in rows {
            windows.used.push(used.into_iter().map(Duration::from_nanos).collect());
            windows.waiting.push(waiting);
            windows.throughout.push(ran_out.into_iter().map(|ran_out| !ran_out).collect());
        }
        windows
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(nanos: u64) -> MonoTime {
        MonoTime::from_nanos(1000 + nanos)
    }

    #[test]
    fn time_is_where_it_was_used_however_long_the_windows_get() {
        for scale in [1, 100, 100_000] {
            let mut timeline = Timeline::new(at(0), 2);
            let step = FIRST_WIDTH * scale / 4;
            for number in 0..400 {
                let (from, upto) = (at(number * step), at((number + 3) * step));
                timeline.reach(upto);
                timeline.used(usize::from(number >= 200), from, upto);
            }
            let windows = timeline.finish();
            let sums: Vec<Duration> = windows.used.iter().map(|row| row.iter().sum()).collect();
            assert_eq!(sums, [Duration::from_nanos(600 * step); 2], "scale {scale}");
            assert!(windows.count <= WINDOWS_MAX);
            // In the first quarter only the first row, in the last only the second.
            let quarter = windows.count / 4;
            assert!(windows.used[1][..quarter].iter().all(Duration::is_zero));
            assert!(windows.used[0][windows.count - quarter..].iter().all(Duration::is_zero));
        }
    }

    #[test]
    fn who_had_none_waiting_for_a_moment_did_not_have_them_throughout() {
        let mut timeline = Timeline::new(at(0), 2);
        timeline.reach(at(0));
        timeline.waits(0, 5, at(0));
        for window in 0..10 {
            let moment = at(window * FIRST_WIDTH + 7);
            timeline.reach(moment);
            match window {
                2 => timeline.waits(0, 0, moment),
                4 => timeline.waits(0, 3, moment),
                _ => {}
            }
        }
        let windows = timeline.finish();
        let expected = [false, true, false, false, false, true, true, true, true, true];
        assert_eq!(windows.throughout, [expected.to_vec(), vec![false; 10]]);
        assert_eq!(windows.waiting[0], [0, 5, 5, 0, 0, 3, 3, 3, 3, 3]);
    }
}
