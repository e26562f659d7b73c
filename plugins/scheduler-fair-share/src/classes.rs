//! Which lane a job waits in: one a class.

use std::{
    collections::{HashMap, HashSet},
    hash::BuildHasherDefault,
};

use batchmill_core::{ClassId, Entry, Priority};
use batchmill_plugin::IdHasher;
use smol_str::SmolStr;

use crate::shares::ShareId;

/// Classes beyond twice those known that still count as numbered from 0 on.
const LISTED: usize = 1024;

type ByClass<T> = HashMap<ClassId, T, BuildHasherDefault<IdHasher>>;

/// What the jobs of a lane have in common.
#[derive(Debug)]
pub(crate) struct Lane {
    pub(crate) leaf: ShareId,
    pub(crate) priority: Priority,
    pub(crate) held: bool,
    class: ClassId,
    /// The share as the host writes it: in place, because each push compares it.
    name: SmolStr,
}

/// The lanes of each class. A class has one, as long as its jobs have one share and one priority as promised; a host that
/// breaks this gets one more a share and priority, and its jobs are charged to the right share all the same.
#[derive(Debug, Default)]
pub(crate) struct Classes {
    lanes: Vec<Lane>,
    /// The lane that a job of each class went to last. A list and no map, because each push asks it: hosts number classes
    /// from 0 on, and one that does not is served by the names.
    last: Vec<u32>,
    all: ByClass<Vec<u32>>,
    by_keys: HashMap<(ClassId, ShareId, Priority), u32>,
    held: HashSet<ClassId, BuildHasherDefault<IdHasher>>,
}

impl Classes {
    pub(crate) fn lane(&self, number: u32) -> &Lane {
        &self.lanes[number as usize]
    }

    /// The lane that the last job of the same kind went to: without this each push would look its share up by name.
    pub(crate) fn same_as_before(&self, entry: &Entry<'_>) -> Option<u32> {
        let number = *self.last.get(entry.class.0 as usize)?;
        let lane = self.lanes.get(number as usize)?;
        let same = lane.class == entry.class && lane.priority == entry.priority && *lane.name == *entry.share;
        same.then_some(number)
    }

    /// The lane of a job with this leaf; a new one gets the number of lanes before it.
    pub(crate) fn lane_of(&mut self, entry: &Entry<'_>, leaf: ShareId) -> u32 {
        let (class, priority) = (entry.class, entry.priority);
        let number = *self.by_keys.entry((class, leaf, priority)).or_insert_with(|| {
            let number = u32::try_from(self.lanes.len()).expect("fewer than 2^32 lanes");
            let held = self.held.contains(&class);
            self.lanes.push(Lane { leaf, priority, held, class, name: entry.share.into() });
            self.all.entry(class).or_default().push(number);
            number
        });
        let place = class.0 as usize;
        if place >= self.last.len() && place <= 2 * self.lanes.len() + LISTED {
            self.last.resize(place + 1, u32::MAX);
        }
        if let Some(last) = self.last.get_mut(place) {
            *last = number;
        }
        number
    }

    /// Holds or releases a class and names the lanes that this changes.
    pub(crate) fn set_held(&mut self, class: ClassId, held: bool) -> &[u32] {
        let changed = if held { self.held.insert(class) } else { self.held.remove(&class) };
        let lanes = self.all.get(&class).filter(|_| changed).map_or(&[][..], Vec::as_slice);
        for number in lanes {
            self.lanes[*number as usize].held = held;
        }
        lanes
    }
}
