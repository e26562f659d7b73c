//! What shares are entitled to, and how fairly they got it.

use std::collections::BTreeMap;

use batchmill_core::Shares;

use crate::Windows;

/// The part of the machine that each of these shares gets while all of them have jobs waiting. Without weights all get the
/// same.
pub(crate) fn entitled(names: &[&str], shares: Option<&mut dyn Shares>) -> Vec<f64> {
    let Some(shares) = shares else { return vec![1.0 / names.len().max(1) as f64; names.len()] };
    let mut inside: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let paths: Vec<Vec<String>> = names.iter().map(|name| path_of(name, names)).collect();
    for path in &paths {
        let mut parent = String::new();
        for node in path {
            let children = inside.entry(parent).or_default();
            if !children.contains(node) {
                children.push(node.clone());
            }
            parent = node.clone();
        }
    }
    let weight = |node: &String| if node.ends_with(OWN) { 1.0 } else { shares.weight(node) };
    let sums: BTreeMap<&String, f64> =
        inside.iter().map(|(parent, children)| (parent, children.iter().map(weight).sum())).collect();
    let part = |path: &Vec<String>| {
        let parents = std::iter::once(String::new()).chain(path.iter().cloned());
        path.iter().zip(parents).map(|(node, parent)| weight(node) / sums[&parent]).product()
    };
    paths.iter().map(part).collect()
}

/// Stands for the jobs of a share that has others within it.
const OWN: char = '/';

/// The shares from the top down to a leaf, each by its path.
fn path_of(name: &str, names: &[&str]) -> Vec<String> {
    let (mut path, mut nodes) = (String::new(), Vec::new());
    for part in name.split('/').filter(|part| !part.is_empty()) {
        if !path.is_empty() {
            path.push('/');
        }
        path.push_str(part);
        nodes.push(path.clone());
    }
    let has_inner = names
        .iter()
        .any(|other| other.strip_prefix(&*path).is_some_and(|rest| rest.starts_with('/') && rest.len() > 1));
    if has_inner || path.is_empty() {
        nodes.push(format!("{path}{OWN}"));
    }
    nodes
}

/// What each got by what it was entitled to, over the windows throughout which at least two had jobs waiting: counted are
/// those that did. `None` for those that never competed.
pub(crate) fn received(windows: &Windows, entitled: &[f64]) -> Vec<Option<f64>> {
    let mut sums = vec![(0.0, 0.0); entitled.len()];
    for window in 0..windows.count {
        let competing: Vec<usize> = (0..entitled.len()).filter(|row| windows.throughout[*row][window]).collect();
        if competing.len() < 2 {
            continue;
        }
        let used = |row: &usize| windows.used[*row][window].as_secs_f64();
        let (all, parts): (f64, f64) =
            (competing.iter().map(used).sum(), competing.iter().map(|row| entitled[*row]).sum());
        for row in competing {
            sums[row].0 += used(&row);
            sums[row].1 += all * entitled[row] / parts;
        }
    }
    sums.into_iter().map(|(got, due)| (due > 0.0).then(|| got / due)).collect()
}

/// Jain, Chiu and Hawe 1984: 1 where all got alike, 1/n where one of n got everything.
pub(crate) fn jain(received: &[Option<f64>]) -> Option<f64> {
    let known: Vec<f64> = received.iter().flatten().copied().collect();
    let (sum, squares) = (known.iter().sum::<f64>(), known.iter().map(|x| x * x).sum::<f64>());
    (known.len() > 1 && squares > 0.0).then(|| sum * sum / (known.len() as f64 * squares))
}

#[cfg(test)]
mod tests {
    use batchmill_core::Scheduler;
    use batchmill_scheduler_fair_share::{FairShare, Options};

    use super::*;

    #[test]
    fn the_parts_of_a_tree_are_products_down_to_the_leaf() {
        let options = Options::default().weight("research", 3.0).weight("research/alice", 2.0);
        let mut scheduler = FairShare::new(&options).unwrap();
        let names = ["research/alice", "research/bob", "research", "archive"];
        let parts = entitled(&names, scheduler.shares());
        for (part, expected) in parts.iter().zip([0.375, 0.1875, 0.1875, 0.25]) {
            assert!((part - expected).abs() < 1e-12, "{parts:?}");
        }
        assert_eq!(entitled(&["a", "b"], None), [0.5, 0.5]);
    }

    #[test]
    fn fairness_is_one_where_all_got_alike() {
        assert_eq!(jain(&[Some(1.0), Some(1.0), None]), Some(1.0));
        assert_eq!(jain(&[Some(2.0), Some(0.0)]), Some(0.5));
        assert_eq!(jain(&[Some(1.0), None]), None);
    }
}
