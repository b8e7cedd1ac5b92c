//! What is drawn: throughput over time, and latency by percentile.

use std::time::Instant;

use super::plot::{Axis, Plot, Series};
use crate::load::Outcome;
use crate::progress::RowsSeen;

/// Over how long throughput is averaged, in seconds, so that the writer's batches do not show as teeth.
const AVERAGED_S: f64 = 0.5;
/// Parts of all answers; on the axis each further nine is as far as the one before.
const PARTS: [f64; 13] = [0.0, 0.25, 0.5, 0.75, 0.9, 0.95, 0.975, 0.99, 0.995, 0.9975, 0.999, 0.9995, 0.9999];

/// What is drawn at the end.
#[derive(Clone, Debug, Default)]
pub struct Charts {
    throughput: Vec<Series>,
    latency: Vec<Series>,
}

impl Charts {
    /// Adds how fast rows were committed; an order is that part of a row.
    pub fn throughput(&mut self, name: &str, began: Instant, seen: &[RowsSeen], orders_of_a_row: f64) {
        let samples: Vec<(f64, f64)> =
            seen.iter().map(|seen| ((seen.at - began).as_secs_f64(), seen.rows as f64 * orders_of_a_row)).collect();
        self.throughput.push(Series { name: name.to_owned(), points: rates(&samples), is_dashed: false });
    }

    /// Adds the limit of what was added last: a level, for as long as that took.
    pub fn limit(&mut self, name: &str, per_second: f64) {
        let Some(end) = self.throughput.last().and_then(|series| series.points.last()).map(|point| point.0) else {
            return;
        };
        let points = vec![(0.0, per_second), (end, per_second)];
        self.throughput.push(Series { name: format!("{name}: limit"), points, is_dashed: true });
    }

    /// Adds how long answers took.
    pub fn latency(&mut self, name: &str, outcome: &Outcome) {
        let points = PARTS.iter().map(|&part| (nines(part), outcome.quantile_ms(part).max(0.01).log10())).collect();
        self.latency.push(Series { name: name.to_owned(), points, is_dashed: false });
    }

    /// The plots that there is something for, each with the name of its file.
    pub fn plots(&self) -> Vec<(&'static str, String)> {
        let throughput = Plot {
            title: "orders committed a second, over time (dashed: COPY of the same tuples)",
            x: Axis { name: "seconds", ticks: None },
            y: Axis { name: "orders/s", ticks: None },
            series: &self.throughput,
        };
        let parts = [(0.5, "50 %"), (0.9, "90 %"), (0.99, "99 %"), (0.999, "99.9 %"), (0.9999, "99.99 %")];
        let times = [(0.1, "0.1"), (1.0, "1"), (10.0, "10"), (100.0, "100"), (1000.0, "1000")];
        let latency = Plot {
            title: "time from POST /v1/orders to its 202",
            x: Axis { name: "part of the orders", ticks: Some(parts.map(|(part, name)| (nines(part), name)).to_vec()) },
            y: Axis { name: "ms", ticks: Some(times.map(|(ms, name): (f64, _)| (ms.log10(), name)).to_vec()) },
            series: &self.latency,
        };
        let plots = [("throughput", throughput), ("latency", latency)];
        plots.iter().filter(|(_, plot)| !plot.series.is_empty()).map(|(name, plot)| (*name, plot.svg())).collect()
    }
}

/// How many nines a part has: 0.9 has one, 0.99 two.
fn nines(part: f64) -> f64 {
    -(1.0 - part).log10()
}

/// The rate between samples that are about so far apart, in the middle between them.
fn rates(samples: &[(f64, f64)]) -> Vec<(f64, f64)> {
    let mut points = Vec::new();
    let Some(&(mut at, mut count)) = samples.first() else { return points };
    for (place, &(next_at, next_count)) in samples.iter().enumerate() {
        let is_last = place + 1 == samples.len();
        if next_at - at >= AVERAGED_S || (is_last && next_at - at >= AVERAGED_S / 2.0) {
            points.push((f64::midpoint(at, next_at), (next_count - count) / (next_at - at)));
            (at, count) = (next_at, next_count);
        }
    }
    points
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_is_of_what_came_between_two_samples() {
        let samples = [(0.0, 0.0), (0.1, 100.0), (0.5, 100.0), (1.0, 350.0), (1.1, 400.0)];
        assert_eq!(rates(&samples), [(0.25, 200.0), (0.75, 500.0)]);
        assert_eq!(rates(&[]), []);
    }

    #[test]
    fn each_further_nine_is_as_far_as_the_one_before() {
        assert!((nines(0.9) - 1.0).abs() < 1e-9 && (nines(0.999) - 3.0).abs() < 1e-9 && nines(0.0).abs() < 1e-9);
    }
}
