//! Jobs that are alike for queueing.

use std::{collections::HashMap, hash::BuildHasher};

use batchmill_core::{ClassId, LimitKeys, Priority, SharePath, Tenant};
use foldhash::quality::FixedState;

use crate::{NewJob, resources::DemandId};

/// What the jobs of a class have in common.
#[derive(Debug)]
pub(crate) struct Class {
    pub(crate) tenant: Tenant,
    pub(crate) priority: Priority,
    share: Option<SharePath>,
    pub(crate) limits: LimitKeys,
    /// What they ask for.
    pub(crate) demand: DemandId,
    /// Where the jobs of its tenant are counted.
    place: u32,
    /// The class with the same hash that was made before it.
    before: Option<ClassId>,
}

impl Class {
    /// Whose share its jobs count against.
    pub(crate) fn share(&self) -> &str {
        self.share.as_ref().map_or_else(|| self.tenant.as_str(), SharePath::as_str)
    }

    fn is_of(&self, job: &NewJob, demand: DemandId) -> bool {
        self.priority == job.priority
            && self.demand == demand
            && self.limits.is_the_same(&job.limits)
            && self.tenant == job.tenant
            && self.share == job.share
    }

    fn is_equal(&self, job: &NewJob, demand: DemandId) -> bool {
        self.priority == job.priority
            && self.demand == demand
            && self.tenant == job.tenant
            && self.share == job.share
            && self.limits == job.limits
    }
}

/// All classes there were: one for each tenant, priority, share, demand and limit keys. Where keys of many kinds meet there may be
/// as many classes as jobs, so what they have in common is kept once.
#[derive(Debug, Default)]
pub(crate) struct Classes {
    list: Vec<Class>,
    /// Each tenant in the order in which it was first seen, with its jobs that are queued in the scheduler. Not in the classes: this
    /// is written for every job, and what is only read stays in the cache of every core.
    tenants: Vec<(Tenant, u64)>,
    places: HashMap<Tenant, u32>,
    /// The newest class of each hash.
    known: HashMap<u64, ClassId, FixedState>,
    /// Where classes were found lately, by a hash that costs less than theirs: no more than a hint.
    recent: Vec<ClassId>,
    /// The same in every process, because a decision must follow from events alone. The standard one took a quarter of all
    /// that a job under two limits costs.
    hasher: FixedState,
}

/// How many places are kept in mind.
const RECENT: usize = 4096;

/// Where a class like that of this job was found. Limit keys that were made as one are told apart by where they are.
fn hint(job: &NewJob) -> usize {
    let keys = job.limits.iter().as_slice().as_ptr() as u64;
    let share = job.share.as_ref().map_or(0, |share| ends_of(share.as_str()));
    let parts = [ends_of(job.tenant.as_str()), share, u64::from(job.priority.0), keys];
    let sum = parts.into_iter().fold(0_u64, |sum, part| (sum ^ part).wrapping_mul(SPREAD).rotate_left(32));
    usize::try_from(sum % RECENT as u64).expect("it is small")
}

/// An odd number without a pattern.
const SPREAD: u64 = 0x9e37_79b9_7f4a_7c15;

/// How a text begins and ends, in a number.
fn ends_of(text: &str) -> u64 {
    let bytes = text.as_bytes();
    match (bytes.first_chunk(), bytes.last_chunk()) {
        (Some(first), Some(last)) => u64::from(u32::from_le_bytes(*first)) << 32 | u64::from(u32::from_le_bytes(*last)),
        _ => bytes.iter().fold(0, |sum, byte| sum << 8 | u64::from(*byte)),
    }
}

impl Classes {
    pub(crate) fn of(&mut self, job: &NewJob, demand: DemandId) -> ClassId {
        // Jobs come in runs of one class: look at the newest before hashing.
        if let Some(class) = self.list.last()
            && class.is_of(job, demand)
        {
            return self.id_at(self.list.len() - 1);
        }
        let hint = hint(job);
        if let Some(id) = self.recent.get(hint).copied()
            && self.list.get(id.0 as usize).is_some_and(|class| class.is_of(job, demand))
        {
            return id;
        }
        let id = self.look_up(job, demand);
        self.recent.resize(RECENT, id);
        self.recent[hint] = id;
        id
    }

    fn look_up(&mut self, job: &NewJob, demand: DemandId) -> ClassId {
        let hash = self.hasher.hash_one((&job.tenant, job.priority, &job.share, demand, &job.limits));
        let newest = self.known.get(&hash).copied();
        let mut next = newest;
        while let Some(id) = next {
            let class = self.get(id);
            if class.is_equal(job, demand) {
                return id;
            }
            next = class.before;
        }
        let id = self.id_at(self.list.len());
        let place = self.place_of(&job.tenant);
        self.list.push(Class {
            tenant: job.tenant.clone(),
            priority: job.priority,
            demand,
            share: job.share.clone(),
            limits: job.limits.clone(),
            place,
            before: newest,
        });
        self.known.insert(hash, id);
        id
    }

    /// The class of jobs that are like those of `id` but ask for something else.
    pub(crate) fn asking_for(&mut self, id: ClassId, demand: DemandId) -> ClassId {
        let Class { tenant, priority, share, limits, .. } = self.get(id);
        let mut job = NewJob::default();
        (job.tenant, job.priority) = (tenant.clone(), *priority);
        (job.share, job.limits) = (share.clone(), limits.clone());
        self.of(&job, demand)
    }

    fn id_at(&self, place: usize) -> ClassId {
        ClassId(u32::try_from(place).expect("fewer than 2^32 classes: a batch has fewer jobs"))
    }

    pub(crate) fn get(&self, id: ClassId) -> &Class {
        &self.list[id.0 as usize]
    }

    fn place_of(&mut self, tenant: &Tenant) -> u32 {
        if let Some(place) = self.places.get(tenant) {
            return *place;
        }
        let place = u32::try_from(self.tenants.len()).expect("fewer tenants than classes");
        self.tenants.push((tenant.clone(), 0));
        self.places.insert(tenant.clone(), place);
        place
    }

    /// How many jobs are queued in the scheduler of the tenant of a class.
    pub(crate) fn queued(&mut self, id: ClassId) -> &mut u64 {
        let place = self.get(id).place;
        &mut self.tenants[place as usize].1
    }

    /// The same of all tenants there were, in the order in which they were first seen.
    pub(crate) fn queued_by_tenant(&self) -> &[(Tenant, u64)] {
        &self.tenants
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

    use batchmill_core::{Key, LimitId, LimitKey};

    use super::*;

    fn job(share: Option<&str>, key: Option<&str>) -> NewJob {
        let key = key.map(|key| LimitKey {
            limit: LimitId(0),
            key: Some(Key::new(key).unwrap()),
            units: NonZeroU32::MIN.get(),
        });
        let share = share.map(|share| SharePath::new(share).unwrap());
        NewJob { share, limits: key.into_iter().collect(), ..NewJob::default() }
    }

    #[test]
    fn jobs_are_of_one_class_if_tenant_priority_share_and_keys_are_equal() {
        let mut classes = Classes::default();
        let mut of = |share, key| classes.of(&job(share, key), DemandId::NONE).0;
        assert_eq!([of(None, None), of(Some("a/b"), None), of(None, Some("k")), of(None, Some("l"))], [0, 1, 2, 3]);
        assert_eq!([of(None, Some("l")), of(None, Some("k")), of(Some("a/b"), None), of(None, None)], [3, 2, 1, 0]);
        assert_eq!((classes.get(ClassId(0)).share(), classes.get(ClassId(1)).share()), ("default", "a/b"));
    }

    #[test]
    fn classes_with_one_hash_are_told_apart() {
        let mut classes = Classes::default();
        let first = classes.of(&job(None, Some("k")), DemandId::NONE);
        let hash = *classes.known.keys().next().unwrap();
        let other = classes.of(&job(None, Some("l")), DemandId::NONE);
        // As if both had the hash of the second.
        let second = *classes.known.keys().find(|known| **known != hash).unwrap();
        classes.list[other.0 as usize].before = Some(first);
        classes.known = [(second, other)].into_iter().collect();
        assert_eq!(classes.of(&job(None, Some("l")), DemandId::NONE), other);
    }
}
