//! A line as cells, and the table that is printed.

use comfy_table::presets::UTF8_FULL_CONDENSED;
use comfy_table::{ContentArrangement, Table};

use super::measured::Report;
use crate::figure::Figure;
use crate::figure::line::{Line, Target, Unit};

/// What stands above the cells.
pub(super) const HEAD: [&str; 7] = ["row", "what", "value", "limit", "ratio", "target", "met"];

/// How wide it is, on a screen as in a file.
const WIDTH: u16 = 150;

/// The table.
pub(super) fn table(report: &Report) -> Table {
    let mut table = Table::new();
    table.load_style(UTF8_FULL_CONDENSED).set_content_arrangement(ContentArrangement::Dynamic).set_header(HEAD);
    table.set_width(WIDTH);
    for line in &report.lines {
        table.add_row(cells(line));
    }
    for row in &report.left_out {
        table.add_row([row, "only with --full", "", "", "", "", ""]);
    }
    table
}

/// A line, as it stands in tables.
pub(super) fn cells(line: &Line) -> [String; 7] {
    let beside = if line.beside.is_empty() { String::new() } else { format!("; beside: {}", line.beside) };
    let note = if line.note.is_empty() { String::new() } else { format!(" ({})", line.note) };
    let limit = if line.limit.is_empty() { String::new() } else { figure(&line.limit, line.unit) };
    [
        line.row.to_owned(),
        format!("{}{note}{beside}", line.what),
        figure(&line.value, line.unit),
        limit,
        ratio(line),
        target(line),
        line.is_met().map_or("", |is_met| if is_met { "yes" } else { "NO" }).to_owned(),
    ]
}

/// The CPU time of a line's value; `None` where it was not measured.
pub(super) fn cost(line: &Line) -> Option<String> {
    let parts: Vec<String> =
        line.cost.iter().filter(|(_, seconds)| *seconds >= 0.05).map(|(who, s)| format!("{who} {s:.1}")).collect();
    let load = line.cost.part("load") * 100.0;
    (!parts.is_empty()).then(|| format!("  {}: {} ({load:.0} % of it load)", line.row, parts.join(", ")))
}

fn figure(figure: &Figure, unit: Unit) -> String {
    let (least, most) = figure.spread();
    let median = number(figure.median(), unit);
    let suffix = match unit {
        Unit::OrdersPerSecond | Unit::RequestsPerSecond | Unit::RowsPerSecond => "/s",
        Unit::Milliseconds => " ms",
        Unit::Microseconds => " µs",
        Unit::Megabytes => " MB",
        Unit::Bytes => " B",
        Unit::Orders => "",
    };
    if (most - least).abs() < f64::EPSILON {
        return format!("{median}{suffix}");
    }
    format!("{median}{suffix} ({}–{})", number(least, unit), number(most, unit))
}

fn number(number: f64, unit: Unit) -> String {
    match unit {
        Unit::Milliseconds if number < 10.0 => format!("{number:.2}"),
        Unit::Milliseconds | Unit::Orders => format!("{number:.1}"),
        Unit::Megabytes => format!("{number:.0}"),
        _ => grouped(number),
    }
}

/// With a comma before every three digits.
fn grouped(number: f64) -> String {
    let digits = format!("{number:.0}");
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

fn ratio(line: &Line) -> String {
    let Some(ratio) = line.ratio() else { return String::new() };
    let (least, most) = line.value.over(&line.limit).spread();
    if most - least < 0.005 { format!("{ratio:.2}") } else { format!("{ratio:.2} ({least:.2}–{most:.2})") }
}

fn target(line: &Line) -> String {
    match line.target {
        Target::RatioAtLeast(least) => format!("≥ {least:.2}"),
        Target::RatioAtMost(most) => format!("≤ {most:.2} ×"),
        Target::AtLeast(least) => format!("≥ {}", figure(&Figure::from_iter([least]), line.unit)),
        Target::AtMost(most) => format!("≤ {}", figure(&Figure::from_iter([most]), line.unit)),
        Target::None => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_has_the_medians_and_how_far_the_rounds_were_apart() {
        let line =
            Line::new("replay", "a file", Unit::OrdersPerSecond, Figure::from_iter([60_000.0, 50_000.0, 70_000.0]))
                .beside("COPY", Figure::from_iter([100_000.0, 100_000.0, 100_000.0]))
                .target(Target::RatioAtLeast(0.6));
        let cells = cells(&line);
        assert_eq!(cells[1], "a file; beside: COPY");
        assert_eq!(cells[2], "60,000/s (50,000–70,000)");
        assert_eq!(cells[3..], ["100,000/s", "0.60 (0.50–0.70)", "≥ 0.60", "yes"]);
    }

    #[test]
    fn milliseconds_keep_the_digits_that_matter() {
        let line = Line::new("ack", "p50", Unit::Milliseconds, Figure::from_iter([0.614])).target(Target::AtMost(15.0));
        assert_eq!(cells(&line)[2..], ["0.61 ms", "", "", "≤ 15.0 ms", "yes"]);
        assert_eq!([grouped(999.0), grouped(1000.4), grouped(12_345_678.0)], ["999", "1,000", "12,345,678"]);
    }
}
