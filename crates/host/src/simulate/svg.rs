//! The report as a picture: for each config the share of the machine over time, the jobs that wait, and, where attempts are few,
//! which ran where.

use std::fmt::Write;

use batchmill_core::format_duration;
use batchmill_flow::xml_text;
use batchmill_simulate::{Bar, Played};

use super::{Report, Run, json::Columns};

const WIDTH: f64 = 960.0;
const LEFT: f64 = 60.0;
const RIGHT: f64 = 20.0;
const TITLE: f64 = 34.0;
const AREA: f64 = 160.0;
const QUEUE: f64 = 90.0;
const LANE: f64 = 9.0;
const GAP: f64 = 26.0;
const LEGEND: f64 = 18.0;
/// Tenants with a colour of their own; the others share the last.
const COLOURS: [&str; 11] = [
    "#4269d0", "#efb118", "#ff725c", "#6cc5b0", "#3ca951", "#ff8ab7", "#a463f2", "#97bbf5", "#9c6b4e", "#c9b03f",
    "#9498a0",
];
const LANES_MAX: u32 = 64;
const POINTS_MAX: usize = 240;

// Writing to a String cannot fail; `let _` below says so.

pub(super) fn svg(report: &Report) -> String {
    let (mut body, mut top) = (String::new(), 10.0);
    for run in &report.runs {
        top = draw(&mut body, run, report.seed, top) + GAP;
    }
    let mut svg = String::new();
    let _ = writeln!(
        svg,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{WIDTH}\" height=\"{top}\" viewBox=\"0 0 {WIDTH} {top}\" \
         font-family=\"sans-serif\" font-size=\"11\">"
    );
    let _ = writeln!(svg, "<rect width=\"{WIDTH}\" height=\"{top}\" fill=\"#ffffff\"/>");
    svg.push_str(&body);
    svg.push_str("</svg>\n");
    svg
}

/// Draws one config from `top` on; where it ends.
fn draw(out: &mut String, run: &Run, seed: u64, top: f64) -> f64 {
    let played = &run.played;
    let title = format!(
        "{} ({}): {} on {} slots, {:.1}% used, seed {seed}",
        run.config,
        run.scheduler,
        format_duration(played.makespan),
        played.slots,
        played.utilisation() * 100.0
    );
    text(out, 10.0, top + 18.0, &title, "font-size=\"14\" font-weight=\"bold\"");
    let mut top = areas(out, played, top + TITLE) + GAP;
    top = queues(out, played, top) + GAP;
    if let Some(bars) = played.bars.as_ref().filter(|_| played.slots <= LANES_MAX) {
        top = lanes(out, played, bars, top) + GAP;
    }
    legend(out, played, top)
}

/// Which part of the machine each tenant had, one on top of the other.
fn areas(out: &mut String, played: &Played, top: f64) -> f64 {
    let columns = Columns::of(&played.windows, POINTS_MAX);
    let offered = columns.step().as_secs_f64() * f64::from(played.slots);
    frame(out, top, AREA, "100%", "part of the machine");
    let mut below = vec![0.0; columns.count()];
    for (colour, rows) in coloured(played) {
        let mut above = below.clone();
        for row in rows {
            let used = columns.used(row).into_iter();
            above.iter_mut().zip(used).for_each(|(sum, used)| *sum += used.as_secs_f64() / offered);
        }
        let step = |place: usize| columns.step().as_secs_f64() * place as f64;
        let x = |place: usize| across(played, step(place).min(played.makespan.as_secs_f64()));
        let y = |part: f64| top + AREA * (1.0 - part.min(1.0));
        let mut path = String::new();
        for (place, part) in above.iter().enumerate() {
            let _ = write!(path, "{:.1},{:.1} {:.1},{:.1} ", x(place), y(*part), x(place + 1), y(*part));
        }
        for (place, part) in below.iter().enumerate().rev() {
            let _ = write!(path, "{:.1},{:.1} {:.1},{:.1} ", x(place + 1), y(*part), x(place), y(*part));
        }
        let _ = writeln!(out, "<polygon points=\"{}\" fill=\"{colour}\"/>", path.trim_end());
        below = above;
    }
    times(out, played, top + AREA);
    top + AREA
}

/// How many jobs of each tenant wait for their first start.
fn queues(out: &mut String, played: &Played, top: f64) -> f64 {
    let columns = Columns::of(&played.windows, POINTS_MAX);
    let lines: Vec<(&str, Vec<u64>)> = coloured(played)
        .into_iter()
        .map(|(colour, rows)| {
            let mut sums = vec![0; columns.count()];
            for row in rows {
                sums.iter_mut().zip(columns.waiting(row)).for_each(|(sum, waiting)| *sum += waiting);
            }
            (colour, sums)
        })
        .collect();
    let most = lines.iter().flat_map(|(_, line)| line).copied().max().unwrap_or(0).max(1);
    frame(out, top, QUEUE, &most.to_string(), "jobs that wait");
    for (colour, line) in lines {
        let point = |(place, waiting): (usize, &u64)| {
            let x = across(played, columns.step().as_secs_f64() * place as f64);
            format!("{x:.1},{:.1}", top + QUEUE * (1.0 - *waiting as f64 / most as f64))
        };
        let points: Vec<String> = line.iter().enumerate().map(point).collect();
        let points = points.join(" ");
        let _ = writeln!(out, "<polyline points=\"{points}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"1.5\"/>");
    }
    top + QUEUE
}

/// Which attempt ran in which slot.
fn lanes(out: &mut String, played: &Played, bars: &[Bar], top: f64) -> f64 {
    let height = f64::from(played.slots) * LANE;
    frame(out, top, height, &played.slots.to_string(), "slots");
    let colours: Vec<(&str, Vec<usize>)> = coloured(played);
    for bar in bars {
        let colour = colours.iter().find(|(_, rows)| rows.contains(&bar.row)).map_or("#000000", |(colour, _)| *colour);
        let (from, upto) = (across(played, bar.from.as_secs_f64()), across(played, bar.upto.as_secs_f64()));
        let y = top + f64::from(bar.slot) * LANE;
        let _ = writeln!(
            out,
            "<rect x=\"{from:.1}\" y=\"{:.1}\" width=\"{:.1}\" height=\"{:.1}\" fill=\"{colour}\"/>",
            y + 1.0,
            (upto - from - 0.4).max(0.4),
            LANE - 2.0
        );
    }
    top + height
}

fn legend(out: &mut String, played: &Played, top: f64) -> f64 {
    let mut left = LEFT;
    let mut line = top;
    for (colour, rows) in coloured(played) {
        let name = match rows.as_slice() {
            [row] if !played.shares[*row].name.is_empty() => clip(&played.shares[*row].name),
            rows => format!("{} others", rows.iter().map(|row| played.shares[*row].tenants).sum::<u64>()),
        };
        let width = 30.0 + 6.5 * name.chars().count() as f64;
        if left + width > WIDTH - RIGHT {
            (left, line) = (LEFT, line + LEGEND);
        }
        let _ = writeln!(out, "<rect x=\"{left}\" y=\"{}\" width=\"10\" height=\"10\" fill=\"{colour}\"/>", line - 9.0);
        text(out, left + 14.0, line, &name, "");
        left += width;
    }
    line + LEGEND
}

/// Rows by colour, the tenants with most jobs first; those without a colour of their own together.
fn coloured(played: &Played) -> Vec<(&'static str, Vec<usize>)> {
    let mut rows: Vec<usize> = (0..played.shares.len()).collect();
    rows.sort_by_key(|row| (played.shares[*row].name.is_empty(), std::cmp::Reverse(played.shares[*row].jobs)));
    let own = if rows.len() > COLOURS.len() { COLOURS.len() - 1 } else { rows.len() };
    let rest = rows.split_off(own);
    let mut colours: Vec<_> = COLOURS.into_iter().zip(rows.into_iter().map(|row| vec![row])).collect();
    if !rest.is_empty() {
        colours.push((COLOURS[COLOURS.len() - 1], rest));
    }
    colours
}

fn across(played: &Played, seconds: f64) -> f64 {
    LEFT + (WIDTH - LEFT - RIGHT) * seconds / played.makespan.as_secs_f64().max(f64::MIN_POSITIVE)
}

fn frame(out: &mut String, top: f64, height: f64, most: &str, what: &str) {
    let width = WIDTH - LEFT - RIGHT;
    let _ = writeln!(
        out,
        "<rect x=\"{LEFT}\" y=\"{top:.1}\" width=\"{width}\" height=\"{height:.1}\" fill=\"#f6f6f6\" stroke=\"#cccccc\"/>"
    );
    text(out, LEFT - 4.0, top + 10.0, most, "text-anchor=\"end\"");
    text(out, LEFT - 4.0, top + height, "0", "text-anchor=\"end\"");
    text(out, LEFT, top - 4.0, what, "fill=\"#666666\"");
}

fn times(out: &mut String, played: &Played, bottom: f64) {
    for quarter in 0_u32..=4 {
        let moment = played.makespan * quarter / 4;
        let anchor = ["start", "middle", "middle", "middle", "end"][quarter as usize];
        let x = across(played, moment.as_secs_f64());
        text(out, x, bottom + 13.0, &format_duration(moment), &format!("text-anchor=\"{anchor}\" fill=\"#666666\""));
    }
}

fn text(out: &mut String, x: f64, y: f64, words: &str, style: &str) {
    let _ = writeln!(out, "<text x=\"{x:.1}\" y=\"{y:.1}\" {style}>{}</text>", xml_text(words));
}

fn clip(name: &str) -> String {
    const LONGEST: usize = 40;
    if name.chars().count() <= LONGEST {
        name.to_owned()
    } else {
        name.chars().take(LONGEST - 1).chain(['…']).collect()
    }
}
