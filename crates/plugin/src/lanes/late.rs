//! Tokens of a lane that came after others that were queued later: those of retried jobs.

use std::{collections::BTreeMap, ops::RangeBounds};

use batchmill_core::{MonoTime, Token};

/// When it was queued, and its number among those that came late.
pub(super) type LateKey = (MonoTime, u64);

/// Ordered by `enqueued`, then by order of arrival. Most lanes never have any, and there are thousands of lanes: until then
/// it is one pointer.
pub(super) struct Late<N>(Option<Box<Arrivals<N>>>);

struct Arrivals<N> {
    waiting: BTreeMap<LateKey, (Token, N)>,
    count: u64,
}

impl<N> Default for Late<N> {
    fn default() -> Self {
        Self(None)
    }
}

impl<N: Copy> Late<N> {
    fn waiting(&self) -> Option<&BTreeMap<LateKey, (Token, N)>> {
        self.0.as_ref().map(|arrivals| &arrivals.waiting)
    }

    pub(super) fn insert(&mut self, token: Token, enqueued: MonoTime, note: N) -> LateKey {
        let arrivals = self.0.get_or_insert_with(|| Box::new(Arrivals { waiting: BTreeMap::new(), count: 0 }));
        arrivals.count += 1;
        let key = (enqueued, arrivals.count);
        arrivals.waiting.insert(key, (token, note));
        key
    }

    pub(super) fn first(&self) -> Option<(LateKey, Token)> {
        let (key, (token, _)) = self.waiting()?.first_key_value()?;
        Some((*key, *token))
    }

    pub(super) fn pop_first(&mut self) -> Option<(MonoTime, Token, N)> {
        let ((enqueued, _), (token, note)) = self.0.as_mut()?.waiting.pop_first()?;
        Some((enqueued, token, note))
    }

    pub(super) fn remove(&mut self, key: LateKey) {
        if let Some(arrivals) = &mut self.0 {
            arrivals.waiting.remove(&key);
        }
    }

    pub(super) fn get(&self, key: LateKey) -> Option<(Token, N)> {
        self.waiting()?.get(&key).copied()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (LateKey, Token)> {
        self.waiting().into_iter().flatten().map(|(key, (token, _))| (*key, *token))
    }

    pub(super) fn len(&self) -> usize {
        self.waiting().map_or(0, BTreeMap::len)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.waiting().is_none_or(BTreeMap::is_empty)
    }

    pub(super) fn count(&self, keys: impl RangeBounds<LateKey>) -> usize {
        self.waiting().map_or(0, |waiting| waiting.range(keys).count())
    }
}
