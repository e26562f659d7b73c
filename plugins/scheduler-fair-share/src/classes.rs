//! Which lane a job waits in: one a class.

use std::{
    collections::{HashMap, HashSet},
    hash::BuildHasherDefault,
};

use batchmill_core::{ClassId, Entry, Priority};
use batchmill_plugin::IdHasher;

use crate::shares::ShareId;

type ByClass<T> = HashMap<ClassId, T, BuildHasherDefault<IdHasher>>;

/// What the jobs of a lane have in common.
#[derive(Debug)]
pub(crate) struct Lane {
    pub(crate) leaf: ShareId,
    pub(crate) priority: Priority,
    pub(crate) held: bool,
    /// The share as the host writes it.
    name: Box<str>,
}

/// The lanes of each class. A class has one, as long as its jobs have one share and one priority as promised; a host that
/// breaks this gets one more a share and priority, and its jobs are charged to the right share all the same.
#[derive(Debug, Default)]
pub(crate) struct Classes {
    lanes: Vec<Lane>,
    /// The lane that a job of the class went to last.
    last: ByClass<u32>,
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
        let number = *self.last.get(&entry.class)?;
        let lane = self.lane(number);
        (lane.priority == entry.priority && *lane.name == *entry.share).then_some(number)
    }

    /// The lane of a job with this leaf; a new one gets the number of lanes before it.
    pub(crate) fn lane_of(&mut self, entry: &Entry<'_>, leaf: ShareId) -> u32 {
        let (class, priority) = (entry.class, entry.priority);
        let number = *self.by_keys.entry((class, leaf, priority)).or_insert_with(|| {
            let number = u32::try_from(self.lanes.len()).expect("fewer than 2^32 lanes");
            let held = self.held.contains(&class);
            self.lanes.push(Lane { leaf, priority, held, name: entry.share.into() });
            self.all.entry(class).or_default().push(number);
            number
        });
        self.last.insert(class, number);
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
