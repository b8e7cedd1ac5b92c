//! What was measured, for people and for machines.
//!
//! | module | concept |
//! |---|---|
//! | [`machine`] | when, of what, and on which machine |
//! | [`measured`] | all that was measured |
//! | `table` | a line as cells; the table that is printed |
//! | `markdown` | the page that is kept |
//! | [`charts`] | throughput over time, and latency by percentile |
//! | `plot` | lines on axes, as SVG |

pub mod charts;
pub mod machine;
mod markdown;
pub mod measured;
mod plot;
mod table;

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::figure::line::Line;
use charts::Charts;

pub use machine::Machine;
pub use measured::Report;

/// Where reports go, from the top of the repository.
const RESULTS: &str = "tools/bench/results";
const RECORD: &str = "tools/bench";

impl Report {
    /// The report, as it is printed.
    pub fn to_text(&self) -> String {
        let mut parts = vec![self.run.heading(), table::table(self).to_string()];
        parts.extend(self.failed.iter().map(|failed| format!("not measured: {failed}")));
        let costs: Vec<String> = self.lines.iter().filter_map(table::cost).collect();
        if !costs.is_empty() {
            parts.push("CPU seconds of the values, all rounds (`load` is what makes the load):".to_owned());
            parts.extend(costs);
        }
        parts.push(format!("{} s", self.took_s));
        parts.join("\n")
    }

    /// A line in few words.
    pub fn brief(line: &Line) -> String {
        table::cells(line).join(" | ")
    }

    /// Writes JSON and plots, and where the figures are to be kept, the page as well. Gives what was written.
    ///
    /// # Errors
    /// Where that cannot be done.
    pub fn write(&self, charts: &Charts, record: bool) -> Result<String> {
        let base = format!("{RESULTS}/{}-{}", self.run.date(), self.run.commit);
        let mut written = vec![write(format!("{base}.json"), &serde_json::to_string_pretty(&self.to_json()?)?)?];
        for (name, plot) in charts.plots() {
            written.push(write(format!("{base}-{name}.svg"), &plot)?);
            if record {
                written.push(write(format!("{RECORD}/{name}.svg"), &plot)?);
            }
        }
        if record {
            let plots: Vec<&str> = charts.plots().iter().map(|(name, _)| *name).collect();
            written.push(write(format!("{RECORD}/RESULTS.md"), &markdown::page(self, &plots))?);
        }
        Ok(written.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(", "))
    }

    /// What people see computed stands there for machines as well.
    fn to_json(&self) -> Result<serde_json::Value> {
        let mut json = serde_json::to_value(self)?;
        let lines = json.get_mut("lines").and_then(serde_json::Value::as_array_mut);
        for (json, line) in lines.into_iter().flatten().zip(&self.lines) {
            json["value_median"] = line.value.median().into();
            json["limit_median"] = (!line.limit.is_empty()).then(|| line.limit.median()).into();
            json["ratio"] = line.ratio().into();
            json["is_met"] = line.is_met().into();
        }
        Ok(json)
    }
}

fn write(path: String, text: &str) -> Result<PathBuf> {
    let path = PathBuf::from(path);
    let write = || {
        std::fs::create_dir_all(path.parent().unwrap_or(Path::new(".")))?;
        std::fs::write(&path, text)
    };
    write().with_context(|| format!("cannot write {}", path.display()))?;
    Ok(path)
}
