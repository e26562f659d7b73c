//! Keys that few jobs have, in 40 bytes, little endian.

use std::time::Duration;

use batchmill_core::{JobKeys, WallTime};

use super::row::{long, word};
use crate::intake::line::Line;

/// Bytes of an entry.
pub(super) const SIZE: usize = 40;

/// Stands for a moment that is not said.
const NEVER: i64 = i64::MIN;

/// Stands, in place of the nanoseconds, for a duration that is not said.
const NONE: u32 = u32::MAX;

/// What a line says beyond id, priority and tenant.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Extras {
    cost: f64,
    timeout: Option<Duration>,
    after: Option<WallTime>,
    deadline: Option<WallTime>,
}

impl Extras {
    /// Those of a line, if it has any.
    pub(super) fn of(line: &Line) -> Option<Self> {
        let (timeout, after, deadline) = (line.timeout, line.after, line.deadline);
        let says_any = line.cost.is_some() || timeout.is_some() || after.is_some() || deadline.is_some();
        says_any.then(|| Self { cost: line.cost.unwrap_or(1.0), timeout, after, deadline })
    }

    pub(super) fn put_into(self, keys: &mut JobKeys) {
        keys.cost = self.cost;
        (keys.timeout, keys.after, keys.deadline) = (self.timeout, self.after, self.deadline);
    }

    pub(super) fn encode(&self) -> [u8; SIZE] {
        let (seconds, nanos) = self.timeout.map_or((0, NONE), |timeout| (timeout.as_secs(), timeout.subsec_nanos()));
        let micros = |moment: Option<WallTime>| moment.map_or(NEVER, WallTime::as_micros);
        let mut bytes = [0; SIZE];
        bytes[..8].copy_from_slice(&self.cost.to_bits().to_le_bytes());
        bytes[8..16].copy_from_slice(&seconds.to_le_bytes());
        bytes[16..20].copy_from_slice(&nanos.to_le_bytes());
        bytes[24..32].copy_from_slice(&micros(self.after).to_le_bytes());
        bytes[32..].copy_from_slice(&micros(self.deadline).to_le_bytes());
        bytes
    }

    pub(super) fn decode(bytes: &[u8]) -> Self {
        let (seconds, nanos) = (long(bytes, 8), word(bytes, 16));
        let moment = |at| {
            let micros = long(bytes, at).cast_signed();
            (micros != NEVER).then(|| WallTime::from_micros(micros))
        };
        Self {
            cost: f64::from_bits(long(bytes, 0)),
            timeout: (nanos != NONE).then(|| Duration::new(seconds, nanos)),
            after: moment(24),
            deadline: moment(32),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn extras_read_back() {
        let none = Extras { cost: 1.0, timeout: None, after: None, deadline: None };
        let all = Extras {
            cost: 2.5,
            timeout: Some(Duration::from_millis(1500)),
            after: Some(WallTime::from_micros(-1)),
            deadline: Some(WallTime::from_micros(1 << 50)),
        };
        for extras in [none, all] {
            assert_eq!(Extras::decode(&extras.encode()), extras);
        }
    }
}
