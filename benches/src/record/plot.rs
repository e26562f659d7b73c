//! A suite as a picture: one panel a case, one bar a side, its range as a thin line.

use std::fmt::Write;

use super::{CaseRecord, SideRecord, SuiteRecord, number};
use crate::measure::{Kind, Unit};

const WIDTH: f64 = 900.0;
const MARGIN: f64 = 16.0;
/// Where bars begin, and how long they may be.
const BARS: f64 = 330.0;
const BAR_MAX: f64 = 330.0;
const ROW: f64 = 22.0;
const PANEL_HEAD: f64 = 30.0;

/// Values that are further apart than this do not show on a plain scale.
const LOGARITHMIC_FROM: f64 = 50.0;

/// The picture, as SVG.
pub(super) fn svg(suite: &SuiteRecord) -> String {
    let (mut body, mut top) = (String::new(), MARGIN);
    for case in &suite.cases {
        top = panel(&mut body, case, top);
    }
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height:.0}\" width=\"{WIDTH}\" \
         font-family=\"system-ui, sans-serif\" font-size=\"12\">\n\
         <title>{title}</title>\n<rect width=\"100%\" height=\"100%\" fill=\"#ffffff\"/>\n{body}</svg>\n",
        height = top + MARGIN,
        title = escaped(&format!("{}: {}", suite.name, suite.about)),
    )
}

/// Draws a case and says where the next begins.
fn panel(body: &mut String, case: &CaseRecord, top: f64) -> f64 {
    let scale = Scale::of(case);
    let less = (case.unit != Unit::JobsPerSecond).then_some("less is better");
    let notes: Vec<&str> = less.into_iter().chain(scale.is_logarithmic().then_some("logarithmic")).collect();
    let notes = if notes.is_empty() { String::new() } else { format!(" ({})", notes.join(", ")) };
    let title = escaped(&format!("{}{notes}", case.name));
    text(body, MARGIN, top + 18.0, "font-weight=\"bold\" fill=\"#1f2328\"", &title);
    let mut y = top + PANEL_HEAD;
    for side in &case.sides {
        row(body, case, side, &scale, y);
        y += ROW;
    }
    y + 8.0
}

fn row(body: &mut String, case: &CaseRecord, side: &SideRecord, scale: &Scale, y: f64) {
    let base = y + 14.0;
    text(body, BARS - 10.0, base, "text-anchor=\"end\" fill=\"#1f2328\"", &escaped(&side.name));
    let (Some(median), Some((low, high))) = (side.median(), side.range()) else {
        text(body, BARS, base, "fill=\"#8b949e\" font-style=\"italic\"", "skipped");
        return;
    };
    let (length, color) = (scale.length(median), color(side.kind));
    let _ = writeln!(
        body,
        "<rect x=\"{BARS}\" y=\"{:.1}\" width=\"{length:.1}\" height=\"14\" rx=\"2\" fill=\"{color}\"/>",
        y + 3.0
    );
    let [from, to] = [low, high].map(|value| BARS + scale.length(value));
    let middle = y + 10.0;
    let _ = writeln!(
        body,
        "<line x1=\"{from:.1}\" y1=\"{middle:.1}\" x2=\"{to:.1}\" y2=\"{middle:.1}\" stroke=\"#1f2328\" \
         stroke-opacity=\"0.6\" stroke-width=\"1.5\"/>"
    );
    let ratio = case.ratio(side).map(|ratio| format!(" · {}", number::times(ratio))).unwrap_or_default();
    let label = format!("{}{ratio}", number::value(median, case.unit));
    text(body, to.max(BARS + length) + 8.0, base, "fill=\"#57606a\"", &escaped(&label));
}

fn text(body: &mut String, x: f64, y: f64, attributes: &str, text: &str) {
    let _ = writeln!(body, "<text x=\"{x:.1}\" y=\"{y:.1}\" {attributes}>{text}</text>");
}

fn color(kind: Kind) -> &'static str {
    match kind {
        Kind::Batchmill => "#1f77b4",
        Kind::ByHand => "#8c959f",
        Kind::Outside => "#c9a26d",
    }
}

/// From values to lengths.
struct Scale {
    /// Where a logarithmic scale begins.
    from: Option<f64>,
    to: f64,
}

impl Scale {
    fn of(case: &CaseRecord) -> Self {
        let ranges = || case.sides.iter().filter_map(SideRecord::range);
        let lowest = ranges().map(|(low, _)| low).fold(f64::INFINITY, f64::min);
        let highest = ranges().map(|(_, high)| high).fold(0.0, f64::max);
        let is_wide = lowest > 0.0 && highest / lowest > LOGARITHMIC_FROM;
        Self { from: is_wide.then(|| lowest / 2.0), to: highest }
    }

    fn is_logarithmic(&self) -> bool {
        self.from.is_some()
    }

    fn length(&self, value: f64) -> f64 {
        let share = match self.from {
            Some(from) => (value / from).ln() / (self.to / from).ln(),
            None if self.to > 0.0 => value / self.to,
            None => 0.0,
        };
        BAR_MAX * share.clamp(0.0, 1.0)
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::{super::tests::suite, *};

    #[test]
    fn every_side_has_a_bar_or_says_that_it_was_skipped() {
        let picture = svg(&suite());
        assert_eq!(picture.matches("height=\"14\"").count(), 2, "{picture}");
        assert!(picture.contains(">skipped</text>") && picture.contains("3,000,000 jobs/s · 3.00 ×"));
        assert!(picture.contains("no-op jobs &amp; more") && !picture.contains("(logarithmic)"));
    }

    #[test]
    fn values_far_apart_are_shown_by_their_magnitude() {
        let mut suite = suite();
        suite.cases[0].sides[0].values = vec![600.0];
        let picture = svg(&suite);
        assert!(picture.contains("(logarithmic)"));
        suite.cases[0].unit = Unit::Nanoseconds;
        assert!(svg(&suite).contains("(less is better, logarithmic)"));
        let scale = Scale::of(&suite.cases[0]);
        assert!(scale.length(600.0) > 10.0 && scale.length(3_100_000.0) == BAR_MAX);
    }

    #[test]
    fn nothing_measured_is_no_division_by_zero() {
        let mut suite = suite();
        suite.cases[0].sides.iter_mut().for_each(|side| side.values.clear());
        assert!(!svg(&suite).contains("NaN"));
    }
}
