//! The page that is kept.

use super::measured::Report;
use super::table;

/// The page, with these plots.
pub(super) fn page(report: &Report, plots: &[&str]) -> String {
    let mut parts = vec![
        "# Results".to_owned(),
        "Written by `./dev bench --record`; what the rows mean is in [README.md](README.md).".to_owned(),
        report.run.heading().lines().map(|line| format!("- {line}")).collect::<Vec<_>>().join("\n"),
        lines(report),
    ];
    parts.extend(report.failed.iter().map(|failed| format!("Not measured: {failed}")));
    let costs: Vec<String> = report.lines.iter().filter_map(table::cost).collect();
    if !costs.is_empty() {
        parts.push("CPU seconds of the values, all rounds (`load` is what makes the load):".to_owned());
        parts.push(format!("```\n{}\n```", costs.join("\n")));
    }
    parts.extend(plots.iter().map(|plot| format!("![{plot}]({plot}.svg)")));
    parts.iter().map(|part| part.trim_end()).collect::<Vec<_>>().join("\n\n") + "\n"
}

fn lines(report: &Report) -> String {
    let mut rows = vec![row(&table::HEAD), row(&table::HEAD.map(|_| "---"))];
    rows.extend(report.lines.iter().map(|line| row(&table::cells(line))));
    rows.extend(report.left_out.iter().map(|left_out| row(&[left_out, "only with --full", "", "", "", "", ""])));
    rows.concat()
}

fn row(cells: &[impl AsRef<str>]) -> String {
    let cells: Vec<&str> = cells.iter().map(AsRef::as_ref).collect();
    format!("| {} |\n", cells.join(" | "))
}
