//! A picture for browsers and pages.

use std::fmt::Write;

use super::{
    entries,
    layers::{Layers, Route},
    leads_to_end, lines,
    xml::xml_text,
};
use crate::{Edge, EdgeKind, Outline};

const MARGIN: f64 = 20.0;
/// Of a node.
const HEIGHT: f64 = 40.0;
/// Between layers: room for labels.
const BETWEEN: f64 = 56.0;
/// Of a letter, and what a node has beside its text.
const LETTER: f64 = 7.5;
const PADDING: f64 = 24.0;
/// Of the dots at which a flow begins and ends.
const DOT: f64 = 12.0;
/// How far an edge from a node to itself leads out.
const LOOP: f64 = 80.0;
/// Where on their first way labels stand.
const HEIGHTS: [f64; 3] = [0.5, 0.72, 0.28];
/// Of a letter of a label.
const SMALL_LETTER: f64 = 5.6;
/// Letters of a label; the whole text is its title.
const LABEL_MAX: usize = 36;

const HEAD: &str = r##"<defs><marker id="arrow" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="8" markerHeight="8" orient="auto"><path d="M0 0L8 4L0 8z" fill="#555"/></marker></defs>
"##;

// Writing to a String cannot fail; `let _` below says so.

impl Outline {
    /// An SVG picture: nodes from top to bottom, what is followed on an error dashed.
    pub fn to_svg(&self) -> String {
        Picture::of(self).draw(self)
    }
}

struct Picture {
    layers: Layers,
    edges: Vec<Edge>,
    has_end: bool,
}

impl Picture {
    /// The dot where it begins is the first spot, the nodes follow, and the dot where it ends is the last, if there is one.
    fn of(outline: &Outline) -> Self {
        let edges = outline.edges();
        let has_end = leads_to_end(&edges);
        let end = outline.nodes.len() + 1;
        let nodes = outline.nodes.iter().map(|node| width(&node.name).max(width(&node.kind)));
        let widths = [DOT].into_iter().chain(nodes).chain(has_end.then_some(DOT)).collect();
        let begins = entries(outline).map(|entry| (0, entry + 1));
        let others = edges.iter().map(|edge| (edge.from + 1, edge.to.map_or(end, |to| to + 1)));
        let pairs: Vec<(usize, usize)> = begins.chain(others).collect();
        Self { layers: Layers::of(widths, &pairs), edges, has_end }
    }

    fn draw(&self, outline: &Outline) -> String {
        let labels = self.labels();
        let reach = |label: &Label| label.short.chars().count() as f64 * SMALL_LETTER / 2.0;
        let left = labels.iter().map(|label| label.x - reach(label) - MARGIN).fold(0.0, f64::min);
        let right = self.layers.width + 2.0 * MARGIN;
        let width = labels.iter().map(|label| label.x + reach(label) + MARGIN).fold(right, f64::max) - left;
        let height = self.layers.rows.len() as f64 * (HEIGHT + BETWEEN) - BETWEEN + 2.0 * MARGIN;
        let mut out = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width:.0}\" height=\"{height:.0}\" \
             viewBox=\"{left:.0} 0 {width:.0} {height:.0}\" font-family=\"sans-serif\" font-size=\"12\" \
             text-anchor=\"middle\">\n"
        );
        let _ = writeln!(out, "<title>{}</title>", xml_text(&outline.name));
        out.push_str(HEAD);
        let _ = writeln!(out, "<rect x=\"{left:.0}\" width=\"{width:.0}\" height=\"{height:.0}\" fill=\"#fff\"/>");
        // Nodes lie over edges, and labels over both.
        for (place, route) in self.layers.routes.iter().enumerate() {
            self.edge(&mut out, route, self.edge_of(place));
        }
        self.dot(&mut out, 0, "begins");
        for (place, node) in outline.nodes.iter().enumerate() {
            self.node(&mut out, place + 1, &node.name, &node.kind);
        }
        if self.has_end {
            self.dot(&mut out, outline.nodes.len() + 1, "END");
        }
        labels.iter().for_each(|label| label.write(&mut out));
        out.push_str("</svg>\n");
        out
    }

    /// None is the way from where the flow begins to an entry node.
    fn edge_of(&self, route: usize) -> Option<&Edge> {
        let entries = self.layers.routes.len() - self.edges.len();
        route.checked_sub(entries).map(|place| &self.edges[place])
    }

    fn edge(&self, out: &mut String, route: &Route, edge: Option<&Edge>) {
        let is_dashed = edge.is_some_and(|edge| edge.kind == EdgeKind::OnError);
        let style = if is_dashed { " stroke-dasharray=\"4 3\"" } else { "" };
        let path = if route.from == route.to { self.around(route.from) } else { path(&self.points(route)) };
        let _ = writeln!(
            out,
            "<path d=\"{path}\" fill=\"none\" stroke=\"#555\" stroke-width=\"1.3\" marker-end=\"url(#arrow)\"{style}/>"
        );
    }

    /// What is said on edges. Those that begin at one node stand at different heights.
    fn labels(&self) -> Vec<Label> {
        let mut labels = Vec::new();
        let (mut node, mut nth) = (None, 0);
        for (place, route) in self.layers.routes.iter().enumerate() {
            let Some(edge) = self.edge_of(place) else { continue };
            let words = lines(&edge.kind.to_string()).collect::<Vec<_>>().join(" ");
            if words.is_empty() {
                continue;
            }
            nth = if node.replace(route.from) == Some(route.from) { nth + 1 } else { 0 };
            let (x, y) = match &self.points(route)[..] {
                _ if route.from == route.to => (self.x(route.from) + LOOP, self.y(route.from)),
                [from, to, ..] => between(*from, *to, HEIGHTS[nth % HEIGHTS.len()]),
                _ => continue,
            };
            labels.push(Label { x, y, short: shortened(&words), words });
        }
        labels
    }

    /// The points that an edge passes, from side to side.
    fn points(&self, route: &Route) -> Vec<(f64, f64)> {
        let leads_down = self.layers.layer[route.from] < self.layers.layer[route.to];
        let side = |spot: usize, lower: bool| {
            let half = if self.is_node(spot) { HEIGHT / 2.0 } else { DOT / 2.0 };
            (self.x(spot), self.y(spot) + if lower { half } else { -half })
        };
        let via = route.via.iter().map(|spot| (self.x(*spot), self.y(*spot)));
        [side(route.from, leads_down)].into_iter().chain(via).chain([side(route.to, !leads_down)]).collect()
    }

    /// The way of an edge that leads from a node to itself.
    fn around(&self, spot: usize) -> String {
        let (x, y) = (self.x(spot), self.y(spot) + HEIGHT / 2.0);
        format!("M{x:.1} {y:.1}c{LOOP} 30 {LOOP} {:.1} 0 {:.1}", -HEIGHT - 30.0, -HEIGHT)
    }

    fn node(&self, out: &mut String, spot: usize, name: &str, kind: &str) {
        let width = width(name).max(width(kind));
        let (x, y) = (self.x(spot), self.y(spot));
        let _ = writeln!(
            out,
            "<rect x=\"{:.1}\" y=\"{:.1}\" width=\"{width:.1}\" height=\"{HEIGHT}\" rx=\"6\" fill=\"#f4f7fb\" \
             stroke=\"#4269d0\"/>\n<text x=\"{x:.1}\" y=\"{:.1}\" font-weight=\"bold\">{}</text>\n\
             <text x=\"{x:.1}\" y=\"{:.1}\" fill=\"#666\">{}</text>",
            x - width / 2.0,
            y - HEIGHT / 2.0,
            y - 3.0,
            xml_text(name),
            y + 13.0,
            xml_text(kind)
        );
    }

    fn dot(&self, out: &mut String, spot: usize, title: &str) {
        let (x, y) = (self.x(spot), self.y(spot));
        let _ =
            writeln!(out, "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"{}\"><title>{title}</title></circle>", DOT / 2.0);
    }

    /// And no dot.
    fn is_node(&self, spot: usize) -> bool {
        spot > 0 && spot + usize::from(self.has_end) < self.layers.nodes
    }

    fn x(&self, spot: usize) -> f64 {
        self.layers.x[spot] + MARGIN
    }

    fn y(&self, spot: usize) -> f64 {
        MARGIN + self.layers.layer[spot] as f64 * (HEIGHT + BETWEEN) + HEIGHT / 2.0
    }
}

/// What is said on an edge, and where its middle is.
struct Label {
    x: f64,
    y: f64,
    short: String,
    words: String,
}

impl Label {
    fn write(&self, out: &mut String) {
        let (x, y) = (self.x, self.y + 3.0);
        let (words, short) = (xml_text(&self.words), xml_text(&self.short));
        let _ = writeln!(
            out,
            "<text x=\"{x:.1}\" y=\"{y:.1}\" font-size=\"10\" fill=\"#333\" stroke=\"#fff\" stroke-width=\"3\" \
             paint-order=\"stroke\"><title>{words}</title>{short}</text>"
        );
    }
}

fn shortened(words: &str) -> String {
    match words.char_indices().nth(LABEL_MAX) {
        Some((cut, _)) => format!("{}…", &words[..cut]),
        None => words.to_owned(),
    }
}

/// A curve through points that leaves and reaches each of them upright.
fn path(points: &[(f64, f64)]) -> String {
    let mut path = format!("M{:.1} {:.1}", points[0].0, points[0].1);
    for pair in points.windows(2) {
        let (from, to) = (pair[0], pair[1]);
        let middle = f64::midpoint(from.1, to.1);
        let _ = write!(path, "C{:.1} {middle:.1} {:.1} {middle:.1} {:.1} {:.1}", from.0, to.0, to.0, to.1);
    }
    path
}

/// A point of that curve, as far down as `share` of it.
fn between(from: (f64, f64), to: (f64, f64), share: f64) -> (f64, f64) {
    let bend = share * share * (3.0 - 2.0 * share);
    (from.0 + (to.0 - from.0) * bend, from.1 + (to.1 - from.1) * share)
}

/// About how wide a text is with its box: letters of Asian scripts take two places.
fn width(text: &str) -> f64 {
    let places: f64 = text.chars().map(|letter| if letter >= '\u{1100}' { 2.0 } else { 1.0 }).sum();
    places * LETTER + PADDING
}
