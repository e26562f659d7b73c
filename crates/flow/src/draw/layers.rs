//! Where the nodes of a picture stand: in layers, so that edges lead down, and near those they are connected with.
//!
//! Everything takes time in proportion to nodes, edges and the layers that edges pass, which are bounded; two libraries that
//! were tried took a minute for a graph of a hundred nodes with a hundred long edges.

use std::collections::VecDeque;

/// Points at which edges pass layers, at most: with more of them, long edges go straight.
const POINTS_MAX: usize = 20_000;

/// How often each layer is put in order by its neighbours, and moved towards them.
const SWEEPS: usize = 4;

/// Space between neighbours in a layer.
const APART: f64 = 28.0;
/// The width that an edge takes where it passes a layer.
const LANE: f64 = 12.0;

/// An edge that was laid out.
#[derive(Debug)]
pub(super) struct Route {
    pub(super) from: usize,
    pub(super) to: usize,
    /// The spots at which it passes the layers between, from its beginning to its end.
    pub(super) via: Vec<usize>,
}

/// Nodes, and behind them the points at which edges pass layers: spots, each in a layer.
#[derive(Debug, Default)]
pub(super) struct Layers {
    /// The spots of each layer from left to right.
    pub(super) rows: Vec<Vec<usize>>,
    /// By spot.
    pub(super) layer: Vec<usize>,
    /// By spot, its middle; the left edge of the picture is 0.
    pub(super) x: Vec<f64>,
    /// As the edges were given.
    pub(super) routes: Vec<Route>,
    /// So many of the spots are nodes.
    pub(super) nodes: usize,
    /// How far to the right it all reaches.
    pub(super) width: f64,
    widths: Vec<f64>,
    above: Vec<Vec<usize>>,
    below: Vec<Vec<usize>>,
}

impl Layers {
    /// Lays out nodes of these widths. The first is where all others can be reached from.
    pub(super) fn of(widths: Vec<f64>, edges: &[(usize, usize)]) -> Self {
        let down = leading_down(widths.len(), edges);
        let layer = layers(widths.len(), &down);
        let mut layers = Self { nodes: widths.len(), layer, widths, ..Self::default() };
        layers.route(edges);
        layers.fill_rows();
        layers.x = vec![0.0; layers.layer.len()];
        (0..layers.rows.len()).for_each(|row| layers.number(row));
        for _ in 0..SWEEPS {
            layers.sweep(Self::order);
        }
        (0..layers.rows.len()).for_each(|row| layers.spread(row, &vec![0.0; layers.rows[row].len()]));
        for _ in 0..SWEEPS {
            layers.sweep(Self::pull);
        }
        layers.begin_at_zero();
        layers
    }

    fn route(&mut self, edges: &[(usize, usize)]) {
        let span = |(from, to): &(usize, usize)| self.layer[*from].abs_diff(self.layer[*to]).saturating_sub(1);
        let has_room = edges.iter().map(span).sum::<usize>() <= POINTS_MAX;
        (self.above, self.below) = (vec![Vec::new(); self.layer.len()], vec![Vec::new(); self.layer.len()]);
        for (from, to) in edges.iter().copied() {
            let leads_up = self.layer[from] > self.layer[to];
            let (top, bottom) = if leads_up { (to, from) } else { (from, to) };
            let mut via = Vec::new();
            if has_room {
                for layer in self.layer[top] + 1..self.layer[bottom] {
                    via.push(self.layer.len());
                    self.layer.push(layer);
                    self.widths.push(LANE);
                    self.above.push(Vec::new());
                    self.below.push(Vec::new());
                }
                let spots: Vec<usize> = [top].into_iter().chain(via.iter().copied()).chain([bottom]).collect();
                for pair in spots.windows(2).filter(|pair| pair[0] != pair[1]) {
                    self.below[pair[0]].push(pair[1]);
                    self.above[pair[1]].push(pair[0]);
                }
            }
            if leads_up {
                via.reverse();
            }
            self.routes.push(Route { from, to, via });
        }
    }

    fn fill_rows(&mut self) {
        self.rows = vec![Vec::new(); self.layer.iter().max().map_or(0, |last| last + 1)];
        for (spot, layer) in self.layer.iter().enumerate() {
            self.rows[*layer].push(spot);
        }
    }

    /// Visits each layer with the neighbours above, then each with those below.
    fn sweep(&mut self, visit: impl Fn(&mut Self, usize, &[Vec<usize>])) {
        let (above, below) = (std::mem::take(&mut self.above), std::mem::take(&mut self.below));
        (1..self.rows.len()).for_each(|row| visit(self, row, &above));
        (0..self.rows.len().saturating_sub(1)).rev().for_each(|row| visit(self, row, &below));
        (self.above, self.below) = (above, below);
    }

    /// Puts a layer in the order of the middles of its neighbours. Until there are places, `x` is the place in the order.
    fn order(&mut self, row: usize, neighbours: &[Vec<usize>]) {
        let middle = |spot: &usize| mean(neighbours[*spot].iter().map(|near| self.x[*near])).unwrap_or(self.x[*spot]);
        let mut spots: Vec<(f64, usize)> = self.rows[row].iter().map(|spot| (middle(spot), *spot)).collect();
        spots.sort_by(|one, other| one.0.total_cmp(&other.0));
        self.rows[row] = spots.into_iter().map(|(_, spot)| spot).collect();
        self.number(row);
    }

    fn number(&mut self, row: usize) {
        self.rows[row].iter().enumerate().for_each(|(at, spot)| self.x[*spot] = at as f64);
    }

    /// Moves a layer towards its neighbours.
    fn pull(&mut self, row: usize, neighbours: &[Vec<usize>]) {
        let wish = |spot: &usize| mean(neighbours[*spot].iter().map(|near| self.x[*near])).unwrap_or(self.x[*spot]);
        let wishes: Vec<f64> = self.rows[row].iter().map(wish).collect();
        self.spread(row, &wishes);
    }

    /// Places the spots of a layer as near to where they wish to be as their widths allow.
    fn spread(&mut self, row: usize, wishes: &[f64]) {
        let spots = &self.rows[row];
        let mut right = f64::NEG_INFINITY;
        let mut off = 0.0;
        for (spot, wish) in spots.iter().zip(wishes) {
            let half = self.widths[*spot] / 2.0;
            let x = wish.max(right + half);
            (self.x[*spot], right) = (x, x + half + APART);
            off += wish - x;
        }
        let shift = off / spots.len().max(1) as f64;
        spots.iter().for_each(|spot| self.x[*spot] += shift);
    }

    fn begin_at_zero(&mut self) {
        let left = self.x.iter().zip(&self.widths).map(|(x, width)| x - width / 2.0).fold(f64::INFINITY, f64::min);
        self.x.iter_mut().for_each(|x| *x -= left);
        self.width = self.x.iter().zip(&self.widths).map(|(x, width)| x + width / 2.0).fold(0.0, f64::max);
    }
}

/// The edges without those that lead back to where they come from.
fn leading_down(nodes: usize, edges: &[(usize, usize)]) -> Vec<(usize, usize)> {
    let mut following = vec![Vec::new(); nodes];
    edges.iter().for_each(|(from, to)| following[*from].push(*to));
    let (mut entered, mut left) = (vec![false; nodes], vec![false; nodes]);
    let mut down = Vec::new();
    for begin in 0..nodes {
        let mut path = vec![(begin, 0)];
        if std::mem::replace(&mut entered[begin], true) {
            continue;
        }
        while let Some((node, tried)) = path.last_mut() {
            let from = *node;
            let Some(to) = following[from].get(*tried).copied() else {
                left[from] = true;
                path.pop();
                continue;
            };
            *tried += 1;
            let leads_back = entered[to] && !left[to];
            if !leads_back {
                down.push((from, to));
            }
            if !std::mem::replace(&mut entered[to], true) {
                path.push((to, 0));
            }
        }
    }
    down
}

/// By node, the length of the longest way to it.
fn layers(nodes: usize, down: &[(usize, usize)]) -> Vec<usize> {
    let (mut following, mut missing) = (vec![Vec::new(); nodes], vec![0; nodes]);
    for (from, to) in down {
        following[*from].push(*to);
        missing[*to] += 1;
    }
    let mut ready: VecDeque<usize> = (0..nodes).filter(|node| missing[*node] == 0).collect();
    let mut layer = vec![0; nodes];
    while let Some(from) = ready.pop_front() {
        for to in following[from].iter().copied() {
            layer[to] = layer[to].max(layer[from] + 1);
            missing[to] -= 1;
            if missing[to] == 0 {
                ready.push_back(to);
            }
        }
    }
    layer
}

fn mean(values: impl Iterator<Item = f64>) -> Option<f64> {
    let (sum, count) = values.fold((0.0, 0.0), |(sum, count), value| (sum + value, count + 1.0));
    (count > 0.0).then(|| sum / count)
}
