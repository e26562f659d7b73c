//! One thread that notices calls which do not return.
//!
//! It counts its own ticks, not time: while the whole process stands still (a frozen container, a laptop asleep) nothing is
//! taken for hung.

use std::{
    sync::{Arc, Mutex, OnceLock, PoisonError, Weak, atomic::Ordering},
    thread,
    time::Duration,
};

use super::{pulse::Pulse, tickets};

const TICK: Duration = Duration::from_millis(100);

/// A decision that takes so many ticks holds up everything: it is made under the lock of all decisions.
const HUNG_TICKS: u32 = 10;

/// A decision plugin that does not return: its thread holds the lock that every decision needs, so the host cannot go on.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Hang {
    /// The plugin's name.
    pub plugin: String,
    /// For people: which extension of it.
    pub who: String,
    /// How long it has not answered, at least.
    pub after: Duration,
}

type OnHang = Box<dyn Fn(&Hang) + Send + Sync>;

struct Watched {
    pulse: Weak<Pulse>,
    /// How many calls had ended at the last look, and for how many looks.
    seen: Option<(u64, u32)>,
}

static WATCHED: Mutex<Vec<Watched>> = Mutex::new(Vec::new());
static ON_HANG: OnceLock<OnHang> = OnceLock::new();

/// Says what happens when a decision plugin hangs. Only the first caller in a process is heard.
pub fn on_hang(act: impl Fn(&Hang) + Send + Sync + 'static) {
    let _ = ON_HANG.set(Box::new(act));
}

/// Watches a decision plugin for as long as it is there.
pub(super) fn watch(pulse: &Arc<Pulse>) {
    ensure_running();
    let watched = Watched { pulse: Arc::downgrade(pulse), seen: None };
    WATCHED.lock().unwrap_or_else(PoisonError::into_inner).push(watched);
}

/// Starts the thread, once. It ends with the process.
pub(super) fn ensure_running() {
    static THREAD: OnceLock<()> = OnceLock::new();
    THREAD.get_or_init(|| {
        let started = thread::Builder::new().name("bm-warden".into()).spawn(|| {
            loop {
                thread::sleep(TICK);
                tick();
            }
        });
        if let Err(error) = started {
            tracing::error!(%error, "no thread to watch plugins: one that hangs will not be noticed");
        }
    });
}

fn tick() {
    tickets::tick(TICK);
    let mut hangs = Vec::new();
    WATCHED.lock().unwrap_or_else(PoisonError::into_inner).retain_mut(|watched| {
        let Some(pulse) = watched.pulse.upgrade() else { return false };
        watched.seen = match (pulse.stuck_after(), watched.seen) {
            (None, _) => None,
            (Some(ended), Some((before, looks))) if ended == before => Some((ended, looks + 1)),
            (Some(ended), _) => Some((ended, 0)),
        };
        if watched.seen.is_some_and(|(_, looks)| looks == HUNG_TICKS) && !pulse.hung.swap(true, Ordering::Relaxed) {
            hangs.push(Hang { plugin: pulse.plugin.clone(), who: pulse.who.clone(), after: TICK * HUNG_TICKS });
        }
        true
    });
    // Without the lock: what the host does about it may end the process.
    for hang in hangs {
        tracing::error!(plugin = hang.plugin, "{} does not return", hang.who);
        if let Some(act) = ON_HANG.get() {
            act(&hang);
        }
    }
}
