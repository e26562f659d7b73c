//! Labels whose values come from users: so many have series of their own, the rest shares one.

use std::{
    collections::{BTreeMap, HashSet},
    sync::{Mutex, PoisonError},
};

/// Values of a label that are named.
const NAMED_MAX: usize = 100;

/// All others.
const OTHER: &str = "other";

/// The labels of this host whose values nobody has listed beforehand.
#[derive(Debug, Default)]
pub(crate) struct Labels {
    pub(crate) flows: Folding,
    pub(crate) tenants: Folding,
}

/// Which values of one label are named: those that came first. That never changes, so no series takes over what another
/// has counted, and the sum over a label is right at any time. A value that is really called `other` joins the rest.
#[derive(Debug, Default)]
pub(crate) struct Folding {
    named: Mutex<HashSet<Box<str>>>,
}

impl Folding {
    /// The value itself, or `other`.
    pub(crate) fn fold<'v>(&self, value: &'v str) -> &'v str {
        // Insertions are whole.
        let mut named = self.named.lock().unwrap_or_else(PoisonError::into_inner);
        if value == OTHER || named.contains(value) {
            return value;
        }
        if named.len() >= NAMED_MAX {
            return OTHER;
        }
        named.insert(value.into());
        value
    }

    /// The sum of each named value, and that of the rest.
    pub(crate) fn sums<'v>(&self, numbers: impl Iterator<Item = (&'v str, u64)>) -> BTreeMap<&'v str, u64> {
        let mut sums = BTreeMap::new();
        for (value, number) in numbers {
            *sums.entry(self.fold(value)).or_default() += number;
        }
        sums
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tenants(numbers: std::ops::Range<u64>) -> Vec<(String, u64)> {
        numbers.map(|n| (format!("tenant {n}"), n)).collect()
    }

    fn sums(folding: &Folding, tenants: &[(String, u64)]) -> BTreeMap<String, u64> {
        let sums = folding.sums(tenants.iter().map(|(tenant, n)| (tenant.as_str(), *n)));
        sums.into_iter().map(|(value, sum)| (value.to_owned(), sum)).collect()
    }

    #[test]
    fn the_first_hundred_are_named_and_the_rest_is_summed() {
        let folding = Folding::default();
        let sums = sums(&folding, &tenants(0..150));
        assert_eq!(sums.len(), 101);
        assert_eq!(sums["tenant 99"], 99);
        assert_eq!(sums[OTHER], (100..150).sum::<u64>());
    }

    #[test]
    fn who_is_named_stays_named_whatever_comes_and_in_whatever_order() {
        let folding = Folding::default();
        let before = sums(&folding, &tenants(0..150));
        let mut reversed = tenants(0..300);
        reversed.reverse();
        let after = sums(&folding, &reversed);
        assert!(before.keys().eq(after.keys()));
        assert_eq!(after.values().sum::<u64>(), (0..300).sum::<u64>());
    }

    #[test]
    fn a_tenant_called_other_is_counted_among_the_others_and_takes_no_name() {
        let folding = Folding::default();
        let mut all = vec![(OTHER.to_owned(), 1000)];
        all.extend(tenants(0..101));
        let sums = sums(&folding, &all);
        assert_eq!((sums.len(), sums[OTHER]), (101, 1100));
    }
}
