//! A result as Markdown, as JSON and as a picture.

use crate::build::{Choice, Cost};
use crate::data::Set;
use crate::error::Result;
use crate::filters::Line;
use crate::measure::{LEVELS, Point, best};
use crate::plot::{Picture, Series, svg};
use serde_json::json;
use std::fmt::Write;
use std::fs;
use std::path::Path;

/// Everything measured of one set.
#[derive(Debug)]
pub struct Report<'a> {
    /// The set.
    pub set: &'a Set,
    /// What was chosen.
    pub choice: &'a Choice,
    /// One for each number of threads.
    pub builds: Vec<Cost>,
    /// What the calibration says.
    pub calibrated: String,
    /// The sweep.
    pub points: Vec<Point>,
    /// By default effort, and exactly.
    pub besides: Vec<Point>,
    /// Under the filters.
    pub filtered: Vec<Line>,
}

impl Report<'_> {
    /// All of it as Markdown.
    pub fn markdown(&self) -> String {
        let mut out = String::new();
        let _ = writeln!(out, "\n## {}, {} rows; {}\n", self.set.title, self.set.base.rows(), self.choice);
        self.builds(&mut out);
        self.frontier(&mut out);
        self.sweep(&mut out);
        if !self.filtered.is_empty() {
            self.filters(&mut out);
        }
        out
    }

    fn builds(&self, out: &mut String) {
        out.push_str(
            "| build threads | s | cpu s | hash of the bytes | open ms | in memory, B/vector (grown) | codes | route | full, mapped |\n\
             |---|---|---|---|---|---|---|---|---|\n",
        );
        for cost in &self.builds {
            let _ = writeln!(
                out,
                "| {} | {:.2} | {:.2} | {} | {:.0} | {:.0} ({:.0}) | {:.0} | {:.0} | {:.0} |",
                cost.threads,
                cost.seconds,
                cost.cpu_seconds,
                cost.hash,
                cost.open_seconds * 1e3,
                cost.resident_bytes,
                cost.grown_bytes,
                cost.codes_bytes,
                cost.route_bytes,
                cost.full_bytes
            );
        }
        let _ = writeln!(out, "\nCalibrated: {}.\n", self.calibrated);
    }

    fn frontier(&self, out: &mut String) {
        out.push_str("| recall@10 at least | QPS | QPS of cpu time | ef | recall@10 |\n|---|---|---|---|---|\n");
        for (level, point) in LEVELS.iter().zip(best(&self.points)) {
            let _ = match point {
                Some(point) => writeln!(
                    out,
                    "| {level} | {:.0} | {:.0} | {} | {:.4} |",
                    point.qps, point.qps_cpu, point.effort, point.recall
                ),
                None => writeln!(out, "| {level} | not reached | | | |"),
            };
        }
        out.push('\n');
    }

    fn sweep(&self, out: &mut String) {
        out.push_str(
            "| route | ef | recall@10 | QPS | QPS of cpu time | p50 µs | p99 µs | coded | full | expanded |\n\
             |---|---|---|---|---|---|---|---|---|---|\n",
        );
        for (at, point) in self.points.iter().chain(&self.besides).enumerate() {
            let _ = writeln!(
                out,
                "| {}{} | {} | {:.4} | {:.0} | {:.0} | {:.0} | {:.0} | {:.0} | {:.0} | {:.0} |",
                if at == self.points.len() { "default: " } else { "" },
                point.route,
                point.effort,
                point.recall,
                point.qps,
                point.qps_cpu,
                point.p50_us,
                point.p99_us,
                point.coded,
                point.full,
                point.expanded
            );
        }
    }

    fn filters(&self, out: &mut String) {
        out.push_str(
            "\n| filter | matching | considered, µs | plan | ef | recall@10 | complete | p50 µs | p99 µs | coded | full | in vain |\n\
             |---|---|---|---|---|---|---|---|---|---|---|---|\n",
        );
        for line in &self.filtered {
            let considered: Vec<String> =
                line.considered.iter().map(|(route, cost)| format!("{route} {cost:.0}")).collect();
            let _ = writeln!(
                out,
                "| {} | {} | {} | {}{} | {} | {:.4} | {} | {:.0} | {:.0} | {:.0} | {:.0} | {} |",
                line.filter,
                line.matching,
                considered.join(", "),
                if line.default { "default: " } else { "" },
                line.route,
                line.effort,
                line.recall,
                line.complete.0,
                line.p50_us,
                line.p99_us,
                line.coded,
                line.full,
                line.in_vain
            );
        }
    }

    /// Writes `NAME.json` and `NAME.svg` into a folder.
    pub fn write(&self, folder: &Path) -> Result<()> {
        fs::create_dir_all(folder)?;
        let name = &self.set.name;
        let all = json!({
            "set": name, "rows": self.set.base.rows(), "choice": self.choice.to_string(),
            "builds": self.builds, "points": self.points, "besides": self.besides, "filtered": self.filtered,
        });
        fs::write(folder.join(format!("ann-{name}.json")), serde_json::to_string_pretty(&all)?)?;
        let points = self.points.iter().map(|point| (point.recall, point.qps)).collect();
        let series = vec![Series { name: "nigh".to_owned(), points }];
        let picture = Picture { title: self.set.title.to_owned(), series };
        Ok(fs::write(folder.join(format!("ann-{name}.svg")), svg(&picture))?)
    }
}
