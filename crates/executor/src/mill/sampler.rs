//! Looks at memory, CPUs and swap several times a second, where dispatch decides by them.

use std::{
    sync::{Arc, Weak},
    time::Duration,
};

use batchmill_dispatch::{Event, MemoryUse, Pressure, ResourceSettings, Rung};
use tokio::time::{Instant, MissedTickBehavior, interval_at};

use crate::{MemoryReading, Probe, Reading, Readings, Workload};

use super::Shared;

/// How often is looked: memory that a process takes at once fills a machine within a second or two.
const EVERY: Duration = Duration::from_millis(250);

/// Looks until the mill is gone. It holds the mill only while it tells.
pub(super) async fn run<W: Workload>(shared: Weak<Shared<W>>, mut probe: Probe, settings: ResourceSettings) {
    let mut ticks = interval_at(Instant::now(), EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut told = Told::default();
    loop {
        ticks.tick().await;
        // Small files, but files: a worker of the runtime does not wait for them.
        let looked = tokio::task::spawn_blocking(move || {
            let readings = probe.look();
            (probe, readings)
        });
        let Ok((back, readings)) = looked.await else { return };
        probe = back;
        told.missing(&settings, &readings);
        let Some(shared) = shared.upgrade() else { return };
        told.rung(tell(&shared, &readings), &readings);
    }
}

/// Tells dispatch, and says where memory stands then.
fn tell<W: Workload>(shared: &Arc<Shared<W>>, readings: &Readings) -> Rung {
    let mut brain = shared.lock();
    brain.memory_share = readings.memory.as_ref().ok().map(MemoryReading::share);
    brain.take(shared, Event::PressureSampled { pressure: pressure(readings) });
    brain.dispatch.rung()
}

fn pressure(readings: &Readings) -> Pressure {
    let mut pressure = Pressure::default();
    let memory = readings.memory.as_ref().ok();
    pressure.memory = memory.map(|memory| MemoryUse { used: memory.used, limit: memory.limit });
    pressure.own = *readings.own.as_ref().unwrap_or(&0);
    pressure.stall = readings.stall.as_ref().ok().copied();
    pressure.load = readings.load.as_ref().ok().copied();
    pressure.swapping = readings.swapping.as_ref().ok().copied();
    pressure
}

/// What people have been told.
#[derive(Debug, Default)]
struct Told {
    rung: Rung,
    missing: bool,
}

impl Told {
    /// Says once which gates stay open because the machine does not show what they go by.
    fn missing(&mut self, settings: &ResourceSettings, readings: &Readings) {
        if std::mem::replace(&mut self.missing, true) {
            return;
        }
        let gates = [
            ("memory", settings.ladder.is_some(), why(&readings.memory)),
            ("load", settings.max_load.is_some(), why(&readings.load)),
            ("swap", settings.max_swap.is_some(), why(&readings.swapping)),
            ("memory stall", settings.max_stall.is_some(), why(&readings.stall)),
        ];
        for (gate, is_wanted, why) in gates {
            if let Some(why) = why.filter(|_| is_wanted) {
                tracing::warn!("the gate of {gate} stays open: {why}");
            }
        }
    }

    fn rung(&mut self, rung: Rung, readings: &Readings) {
        let before = std::mem::replace(&mut self.rung, rung);
        let Ok(memory) = &readings.memory else { return };
        let percent = (memory.share() * 100.0).floor();
        match rung.cmp(&before) {
            std::cmp::Ordering::Less => tracing::info!(percent, "memory: {rung}"),
            std::cmp::Ordering::Equal => {}
            std::cmp::Ordering::Greater => tracing::warn!(percent, "memory is filled to {percent}%: {rung}"),
        }
    }
}

fn why<T>(reading: &Reading<T>) -> Option<String> {
    reading.as_ref().err().map(ToString::to_string)
}
