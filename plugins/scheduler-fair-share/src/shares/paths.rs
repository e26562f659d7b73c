//! From the names of shares to their place in the tree.

use std::collections::{BTreeMap, HashMap};

use super::{About, Kind, NOWHERE, ROOT, Share, ShareId, Shares};
use crate::Options;

/// Which share a path names. Shares are made when they are first named, and stay.
///
/// Empty parts do not count: `a//b/` is `a/b`. A share with jobs of its own and shares within it keeps its own jobs in a
/// leaf beside those.
#[derive(Debug)]
pub(crate) struct Paths {
    weights: BTreeMap<Box<str>, f64>,
    default_weight: f64,
    /// The leaf of each name, as it was written.
    leaves: HashMap<Box<str>, ShareId>,
    /// The share at each path.
    shares: HashMap<Box<str>, ShareId>,
    /// The leaf for own jobs of each inner share that has some.
    own: HashMap<ShareId, ShareId>,
}

impl Paths {
    pub(crate) fn new(options: &Options) -> Self {
        let weights = options.weights.iter().map(|(path, weight)| (path.as_str().into(), *weight));
        Self {
            weights: weights.collect(),
            default_weight: options.default_weight,
            leaves: HashMap::new(),
            shares: HashMap::from([("".into(), ROOT)]),
            own: HashMap::new(),
        }
    }

    /// The leaf that jobs with this share belong to.
    pub(crate) fn leaf(&mut self, shares: &mut Shares, name: &str) -> ShareId {
        if let Some(leaf) = self.leaves.get(name) {
            return *leaf;
        }
        let leaf = self.make_leaf(shares, name);
        self.leaves.insert(name.into(), leaf);
        leaf
    }

    fn make_leaf(&mut self, shares: &mut Shares, name: &str) -> ShareId {
        let mut parts = parts(name).peekable();
        let (mut id, mut path) = (ROOT, String::new());
        while let Some(part) = parts.next() {
            if !path.is_empty() {
                path.push('/');
            }
            path.push_str(part);
            let kind = if parts.peek().is_some() { Kind::Inner } else { Kind::Leaf };
            id = match self.shares.get(&*path) {
                None => self.make(shares, &path, id, kind),
                Some(leaf) if kind == Kind::Inner && shares.get(*leaf).kind == Kind::Leaf => {
                    self.make_room(shares, *leaf)
                }
                Some(known) => *known,
            };
        }
        match shares.get(id).kind {
            Kind::Leaf => id,
            Kind::Inner => {
                *self.own.entry(id).or_insert_with(|| shares.add(&path, id, self.default_weight, Kind::Leaf))
            }
        }
    }

    fn make(&mut self, shares: &mut Shares, path: &str, parent: ShareId, kind: Kind) -> ShareId {
        let id = shares.add(path, parent, self.weight(path), kind);
        self.shares.insert(path.into(), id);
        id
    }

    /// The weight of the share at a path.
    pub(crate) fn weight(&self, path: &str) -> f64 {
        self.weights.get(&*joined(path)).copied().unwrap_or(self.default_weight)
    }

    /// Gives the share at a path another weight, now or when it is made.
    pub(crate) fn set_weight(&mut self, shares: &mut Shares, path: &str, weight: f64) {
        let path = joined(path);
        if let Some(id) = self.shares.get(&*path) {
            shares.set_weight(*id, weight);
        }
        self.weights.insert(path.into(), weight);
    }

    /// A leaf gets shares within it: an inner share takes its place, and the leaf is the first one within.
    fn make_room(&mut self, shares: &mut Shares, leaf: ShareId) -> ShareId {
        let (parent, About { path, weight, .. }) = (shares.get(leaf).parent, shares.about(leaf));
        let (path, weight) = (path.clone(), *weight);
        let inner = shares.add(&path, parent, weight, Kind::Inner);
        let old = shares.get(leaf);
        let Share { pass, joined_at, last_turn, usual, .. } = *old;
        let moved = shares.get_mut(inner);
        (moved.pass, moved.joined_at, moved.last_turn, moved.usual) = (pass, joined_at, last_turn, usual);
        let waits = shares.places[leaf as usize] != NOWHERE;
        if waits {
            shares.fronts[parent as usize].set(&mut shares.places, leaf, None);
        }
        let own = Share::new(inner, self.default_weight, Kind::Leaf);
        *shares.get_mut(leaf) = Share { usual, ..own };
        shares.abouts[leaf as usize].weight = self.default_weight;
        // All that was used was its own; what is told of that is still to be told.
        let kept = shares.about(leaf).kept;
        shares.abouts[inner as usize].kept = kept;
        if shares.decay.is_some() {
            shares.keep(leaf, kept);
        }
        if waits {
            shares.line_up(leaf);
            shares.line_up(inner);
        }
        self.shares.insert(path, inner);
        self.own.insert(inner, leaf);
        inner
    }
}

/// A path in its one spelling.
fn joined(path: &str) -> String {
    parts(path).collect::<Vec<_>>().join("/")
}

fn parts(path: &str) -> impl Iterator<Item = &str> {
    path.split('/').filter(|part| !part.is_empty())
}
