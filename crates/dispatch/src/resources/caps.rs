//! The gates of the host as a whole. Each says how many attempts may run at most until the next look; the smallest counts.
//!
//! A number, not a door: what ends is replaced below it at full speed, so that short jobs are not slowed down to one a
//! look, and above it attempts become fewer as they end.

use super::{Ladder, MemoryUse, Pressure, ResourceSettings, Rung};

/// What keeps attempts from starting, with its numbers.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Gate {
    Memory { rung: Rung, used: MemoryUse },
    Load { load: f64, max: f64 },
    Swap { rate: f64, max: f64 },
    Stall { percent: f64, max: f64 },
}

/// What the last look said.
#[derive(Debug, Default)]
pub(crate) struct Caps {
    pub(crate) rung: Rung,
    /// Of the rung that memory stands on.
    memory_cap: u32,
    /// The smallest cap there is, and whose it is.
    closed: Option<(u32, Gate)>,
}

impl Caps {
    /// Reads a sample, while so many attempts run that are expected to hold so many bytes together with the host.
    pub(crate) fn read(&mut self, settings: &ResourceSettings, pressure: &Pressure, running: u32, expected: u64) {
        let memory = match settings.ladder.zip(pressure.memory) {
            Some((ladder, used)) => self.climb(ladder, used, running, expected),
            // Nobody knows: as if there were room.
            None => {
                self.rung = Rung::Free;
                None
            }
        };
        let fewer = |value: Option<f64>, max: Option<f64>, gate: fn(f64, f64) -> Gate| {
            let (value, max) = value.zip(max)?;
            (value >= max).then(|| (one_less(running), gate(value, max)))
        };
        let gates = [
            memory,
            load(settings, pressure, running),
            fewer(pressure.swapping, settings.max_swap, |rate, max| Gate::Swap { rate, max }),
            fewer(pressure.stall, settings.max_stall, |percent, max| Gate::Stall { percent, max }),
        ];
        // The first of equals: memory says most.
        self.closed = gates.into_iter().flatten().min_by_key(|(cap, _)| *cap);
    }

    fn climb(&mut self, ladder: Ladder, used: MemoryUse, running: u32, expected: u64) -> Option<(u32, Gate)> {
        let before = self.rung;
        self.rung = ladder.rung(before, used.percent());
        if self.rung < Rung::Stop && used.used <= expected {
            // Filled as it was meant to be: nothing grows that nobody knows of.
            self.memory_cap = running.max(1);
            return None;
        }
        self.memory_cap = match (self.rung, self.rung == before) {
            (Rung::Free, _) => return None,
            (Rung::Slow, true) => self.memory_cap.saturating_add(1),
            (Rung::Slow, false) => running.max(1),
            (Rung::Shrink, true) => self.memory_cap,
            (Rung::Shrink, false) if before < Rung::Shrink => (running / 2).max(1),
            (Rung::Shrink, false) => running.max(1),
            (Rung::Stop, _) => 1,
            (Rung::Kill, _) => 0,
        };
        Some((self.memory_cap, Gate::Memory { rung: self.rung, used }))
    }

    /// What keeps one more attempt from starting while so many run.
    pub(crate) fn refuses(&self, running: u32) -> Option<Gate> {
        self.closed.filter(|(cap, _)| running >= *cap).map(|(_, gate)| gate)
    }
}

fn one_less(running: u32) -> u32 {
    running.saturating_sub(1).max(1)
}

/// Below its maximum as many more as there are CPUs without a task.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 0 and the number of CPUs")]
fn load(settings: &ResourceSettings, pressure: &Pressure, running: u32) -> Option<(u32, Gate)> {
    let (load, max) = pressure.load.zip(settings.max_load)?;
    let gate = Gate::Load { load, max };
    if load >= max {
        return Some((one_less(running), gate));
    }
    let room = ((max - load) * f64::from(settings.cpus)).clamp(1.0, f64::from(u32::MAX)) as u32;
    Some((running.saturating_add(room), gate))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn memory(percent: u64) -> Pressure {
        Pressure { memory: Some(MemoryUse { used: percent, limit: 100 }), ..Pressure::default() }
    }

    /// How many may run after each of these looks, each with so many running.
    fn caps(settings: ResourceSettings, looks: &[(Pressure, u32)]) -> Vec<Option<u32>> {
        let mut caps = Caps::default();
        let look = |(pressure, running): &(Pressure, u32)| {
            caps.read(&settings, pressure, *running, 0);
            caps.closed.map(|(cap, _)| cap)
        };
        looks.iter().map(look).collect()
    }

    #[test]
    fn memory_that_fills_up_slows_then_shrinks_then_stops_then_ends_attempts() {
        let settings = ResourceSettings { ladder: Some(Ladder::default()), ..ResourceSettings::default() };
        let looks = [
            (memory(60), 4),
            (memory(71), 4),
            (memory(72), 4),
            (memory(81), 8),
            (memory(82), 6),
            (memory(91), 4),
            (memory(97), 4),
            (memory(86), 3),
            (memory(76), 3),
            (memory(66), 3),
            (memory(66), 3),
            (memory(10), 0),
        ];
        let expected =
            [None, Some(4), Some(5), Some(4), Some(4), Some(1), Some(0), Some(1), Some(3), Some(3), Some(4), None];
        assert_eq!(caps(settings, &looks), expected);
    }

    #[test]
    fn memory_that_is_filled_as_it_was_meant_to_be_holds_nobody_back_below_the_rung_that_stops() {
        let settings = ResourceSettings { ladder: Some(Ladder::default()), ..ResourceSettings::default() };
        let mut caps = Caps::default();
        for (percent, expected, refuses) in [(85, 85, false), (85, 84, true), (91, 99, true)] {
            caps.read(&settings, &memory(percent), 4, expected);
            assert_eq!(caps.refuses(4).is_some(), refuses, "{percent} {expected}");
        }
    }

    #[test]
    fn load_lets_as_many_more_start_as_there_are_free_cpus_and_above_it_attempts_become_fewer() {
        let settings = ResourceSettings { max_load: Some(1.5), cpus: 4, ..ResourceSettings::default() };
        let load = |load| Pressure { load: Some(load), ..Pressure::default() };
        let looks = [(load(0.0), 0), (load(1.45), 6), (load(1.5), 6), (load(9.0), 1), (load(9.0), 0)];
        assert_eq!(caps(settings, &looks), [Some(6), Some(7), Some(5), Some(1), Some(1)]);
    }

    #[test]
    fn what_was_not_read_closes_nothing_and_the_tightest_gate_is_told() {
        let settings = ResourceSettings {
            ladder: Some(Ladder::default()),
            max_swap: Some(1e6),
            max_stall: Some(20.0),
            ..ResourceSettings::default()
        };
        assert_eq!(caps(settings, &[(Pressure::default(), 9)]), [None]);
        let mut read = Caps::default();
        read.read(&settings, &Pressure { swapping: Some(2e6), stall: Some(19.0), ..memory(75) }, 5, 0);
        assert_eq!(read.refuses(4), Some(Gate::Swap { rate: 2e6, max: 1e6 }));
        assert_eq!(read.refuses(3), None);
    }
}
