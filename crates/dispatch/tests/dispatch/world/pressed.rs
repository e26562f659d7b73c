//! A world in which memory runs short.

use std::time::Duration;

use batchmill_core::{NodeError, Request, Usage};
use batchmill_dispatch::{Event, MemoryUse, Needs, Pressure};

use super::World;

impl World {
    pub(super) fn is_time_to_look(&mut self) -> bool {
        self.pressed.as_mut().is_some_and(|pressed| pressed.one_in(5))
    }

    /// The body looks, and memory is as full as the seed says.
    pub(super) fn look(&mut self) -> Result<(), String> {
        let Some(pressed) = &mut self.pressed else { return Ok(()) };
        let mut pressure = Pressure::default();
        let percent = pressed.pick(&[10, 50, 68, 72, 81, 86, 91, 96, 99, 120]);
        pressure.memory = (!pressed.one_in(12)).then_some(MemoryUse { used: percent, limit: 100 });
        pressure.own = pressed.below(30);
        self.step(Event::PressureSampled { pressure })
    }

    /// The same, and there is room.
    pub(super) fn look_at_room(&mut self) -> Result<(), String> {
        let mut pressure = Pressure::default();
        pressure.memory = Some(MemoryUse { used: 10, limit: 100 });
        self.step(Event::PressureSampled { pressure })
    }

    pub(super) fn usage(&mut self) -> Usage {
        let Some(pressed) = &mut self.pressed else { return Usage::default() };
        let peak = pressed.below(60);
        if pressed.one_in(4) { Usage::default() } else { Usage::default().measured(peak, Duration::ZERO) }
    }

    /// What the jobs of a batch ask for.
    pub(super) fn needs(&mut self) -> Needs {
        let Some(pressed) = &mut self.pressed else { return Needs::default() };
        let request = |memory| Request { memory, cpu_milli: 0 };
        let declared = match pressed.below(4) {
            0 => vec![10],
            1 => vec![20, 40, 80],
            2 => vec![70],
            _ => Vec::new(),
        };
        Needs::new(declared.into_iter().map(request).collect(), !pressed.one_in(3))
    }

    /// Now and then an error is that memory ran out.
    pub(super) fn may_run_out(&mut self, error: NodeError) -> NodeError {
        let runs_out = self.pressed.as_mut().is_some_and(|pressed| pressed.one_in(5));
        if runs_out { NodeError::out_of_memory("as the seed says") } else { error }
    }
}
