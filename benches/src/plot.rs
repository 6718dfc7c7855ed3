//! An SVG of frontiers: recall to the right, queries a second upwards, both so that equal steps are equal factors.
//!
//! Recall is drawn by what is missing (0.9, 0.99 and 0.999 stand equally far apart), the rate by its logarithm.

use serde::{Deserialize, Serialize};
use std::fmt::Write;

const WIDTH: f64 = 980.0;
const HEIGHT: f64 = 560.0;
const LEFT: f64 = 78.0;
const RIGHT: f64 = 230.0;
const TOP: f64 = 48.0;
const BOTTOM: f64 = 56.0;

/// Recalls that are marked, as far as they are in sight.
const RECALL_MARKS: [f64; 8] = [0.80, 0.90, 0.95, 0.98, 0.99, 0.995, 0.999, 0.9995];

/// Left and right end of the picture.
const RECALL_LEAST: f64 = 0.85;
const RECALL_MOST: f64 = 0.9995;

/// Told apart by most eyes, also where the picture is printed grey: dark and light take turns.
const COLOURS: [&str; 12] = [
    "#c1121f", "#1d4e89", "#2a9d8f", "#e09f3e", "#6a4c93", "#7f5539", "#3a86c8", "#8ab17d", "#ef6f9a", "#5c5c5c",
    "#00798c", "#b08968",
];

/// A picture of several contestants.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Picture {
    /// Above it.
    pub title: String,
    /// The contestants, the most important one first.
    pub series: Vec<Series>,
}

/// One contestant.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Series {
    /// In the legend.
    pub name: String,
    /// Recall, and queries a second.
    pub points: Vec<(f64, f64)>,
}

impl Series {
    /// The points that no other point beats in both, by rising recall.
    fn frontier(&self) -> Vec<(f64, f64)> {
        let mut points = self.points.clone();
        points.sort_by(|a, b| b.0.total_cmp(&a.0).then(b.1.total_cmp(&a.1)));
        let mut best = 0.0;
        points.retain(|(_, rate)| {
            let better = *rate > best;
            best = f64::max(best, *rate);
            better
        });
        points.reverse();
        points
    }
}

/// Where recall stands on its axis.
fn nines(recall: f64) -> f64 {
    -(1.0 - recall.min(RECALL_MOST)).log10()
}

/// Draws it.
pub fn svg(picture: &Picture) -> String {
    let series: Vec<(&str, Vec<(f64, f64)>)> = picture
        .series
        .iter()
        .map(|one| {
            let seen = one.frontier().into_iter().filter(|(recall, _)| *recall >= RECALL_LEAST);
            (one.name.as_str(), seen.collect())
        })
        .collect();
    let rates = series.iter().flat_map(|(_, points)| points.iter().map(|(_, rate)| *rate));
    let (least, most) = rates.fold((f64::INFINITY, 0.0f64), |(a, b), rate| (a.min(rate), b.max(rate)));
    let (least, most) = if most > 0.0 { (least.log10() - 0.05, most.log10() + 0.05) } else { (0.0, 1.0) };
    let across = (WIDTH - LEFT - RIGHT) / (nines(RECALL_MOST) - nines(RECALL_LEAST));
    let x = |recall: f64| LEFT + (nines(recall) - nines(RECALL_LEAST)) * across;
    let y = |rate: f64| HEIGHT - BOTTOM - (rate.log10() - least) / (most - least) * (HEIGHT - TOP - BOTTOM);
    let mut out = String::new();
    let _ = writeln!(
        out,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" font-family=\"sans-serif\" font-size=\"13\">\n\
         <rect width=\"{WIDTH}\" height=\"{HEIGHT}\" fill=\"white\"/>\n\
         <text x=\"{LEFT}\" y=\"26\" font-size=\"16\" font-weight=\"bold\">{}</text>",
        escaped(&picture.title)
    );
    axes(&mut out, (least, most), &x, &y);
    for (at, (name, points)) in series.iter().enumerate().rev() {
        let (colour, wide) = (COLOURS[at % COLOURS.len()], if at == 0 { 3.5 } else { 1.8 });
        let dash = if at >= COLOURS.len() { " stroke-dasharray=\"6 4\"" } else { "" };
        let line: Vec<String> =
            points.iter().map(|(recall, rate)| format!("{:.1},{:.1}", x(*recall), y(*rate))).collect();
        let _ = writeln!(
            out,
            "<polyline points=\"{}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"{wide}\" stroke-linejoin=\"round\"{dash}/>",
            line.join(" ")
        );
        for (recall, rate) in points {
            let _ = writeln!(
                out,
                "<circle cx=\"{:.1}\" cy=\"{:.1}\" r=\"{:.1}\" fill=\"{colour}\"/>",
                x(*recall),
                y(*rate),
                wide + 0.7
            );
        }
        let (from, down) = (WIDTH - RIGHT + 18.0, TOP + 12.0 + 22.0 * at as f64);
        let weight = if at == 0 { " font-weight=\"bold\"" } else { "" };
        let _ = writeln!(
            out,
            "<line x1=\"{from}\" y1=\"{down}\" x2=\"{}\" y2=\"{down}\" stroke=\"{colour}\" stroke-width=\"{wide}\"{dash}/>\n\
             <text x=\"{}\" y=\"{}\"{weight}>{}</text>",
            from + 26.0,
            from + 34.0,
            down + 4.5,
            escaped(name)
        );
    }
    out.push_str("</svg>\n");
    out
}

fn axes(out: &mut String, (least, most): (f64, f64), x: &impl Fn(f64) -> f64, y: &impl Fn(f64) -> f64) {
    let (right, floor) = (WIDTH - RIGHT, HEIGHT - BOTTOM);
    for mark in RECALL_MARKS.into_iter().filter(|mark| (RECALL_LEAST..=RECALL_MOST).contains(mark)) {
        let at = x(mark);
        let _ = writeln!(
            out,
            "<line x1=\"{at:.1}\" y1=\"{TOP}\" x2=\"{at:.1}\" y2=\"{floor}\" stroke=\"#ddd\"/>\n\
             <text x=\"{at:.1}\" y=\"{}\" text-anchor=\"middle\">{mark}</text>",
            floor + 20.0
        );
    }
    for power in 0..7 {
        for digit in [1.0, 2.0, 5.0] {
            let rate = digit * 10f64.powi(power);
            if (least..=most).contains(&rate.log10()) {
                let at = y(rate);
                let _ = writeln!(
                    out,
                    "<line x1=\"{LEFT}\" y1=\"{at:.1}\" x2=\"{right}\" y2=\"{at:.1}\" stroke=\"#ddd\"/>\n\
                     <text x=\"{}\" y=\"{:.1}\" text-anchor=\"end\">{rate}</text>",
                    LEFT - 8.0,
                    at + 4.5
                );
            }
        }
    }
    let _ = writeln!(
        out,
        "<rect x=\"{LEFT}\" y=\"{TOP}\" width=\"{}\" height=\"{}\" fill=\"none\" stroke=\"#444\"/>\n\
         <text x=\"{}\" y=\"{}\" text-anchor=\"middle\">recall@10</text>\n\
         <text transform=\"translate(18 {}) rotate(-90)\" text-anchor=\"middle\">queries a second, one thread</text>",
        right - LEFT,
        floor - TOP,
        f64::midpoint(LEFT, right),
        HEIGHT - 14.0,
        f64::midpoint(TOP, floor)
    );
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::{Picture, Series, svg};

    #[test]
    fn only_the_frontier_is_drawn_and_names_are_escaped() {
        let points = vec![(0.99, 10.0), (0.9, 30.0), (0.95, 5.0), (0.2, 100.0)];
        let drawn = svg(&Picture { title: "a<b".into(), series: vec![Series { name: "one".into(), points }] });
        assert_eq!(drawn.matches("<circle").count(), 2);
        assert!(drawn.contains("a&lt;b"));
    }
}
