//! Lines on axes, as SVG: no more than the two plots of a report need.

use std::fmt::Write;

/// An axis; without ticks of its own it begins at 0 and has round numbers.
pub(super) struct Axis {
    pub(super) name: &'static str,
    pub(super) ticks: Option<Vec<(f64, &'static str)>>,
}

/// A line, and what it is called.
#[derive(Clone, Debug)]
pub(super) struct Series {
    pub(super) name: String,
    pub(super) points: Vec<(f64, f64)>,
    pub(super) is_dashed: bool,
}

/// Lines on axes.
pub(super) struct Plot<'a> {
    pub(super) title: &'static str,
    pub(super) x: Axis,
    pub(super) y: Axis,
    pub(super) series: &'a [Series],
}

const WIDTH: f64 = 860.0;
const HEIGHT: f64 = 420.0;
/// Room for numbers to the left and below, for the title above, and for names to the right.
const LEFT: f64 = 70.0;
const TOP: f64 = 40.0;
const RIGHT: f64 = 270.0;
const BOTTOM: f64 = 50.0;
const COLOURS: [&str; 5] = ["#0b6e99", "#d9730d", "#448361", "#9065b0", "#b03030"];

impl Plot<'_> {
    pub(super) fn svg(&self) -> String {
        let points = || self.series.iter().flat_map(|series| &series.points);
        let x = Scale::new(&self.x, points().map(|point| point.0), LEFT, WIDTH - RIGHT);
        let y = Scale::new(&self.y, points().map(|point| point.1), HEIGHT - BOTTOM, TOP);
        let mut svg = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" font-family=\"sans-serif\" \
             font-size=\"12\">\n<rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n<text x=\"{LEFT}\" y=\"22\" \
             font-size=\"14\">{}</text>\n",
            self.title
        );
        let (bottom, right) = (HEIGHT - BOTTOM, WIDTH - RIGHT);
        // Writing into a String cannot fail.
        for (at, name) in &x.ticks {
            let at = x.place(*at);
            let _ = writeln!(svg, "<path d=\"M{at:.1} {TOP}V{bottom}\" stroke=\"#ddd\"/>");
            let _ = writeln!(svg, "<text x=\"{at:.1}\" y=\"{}\" text-anchor=\"middle\">{name}</text>", bottom + 18.0);
        }
        for (at, name) in &y.ticks {
            let at = y.place(*at);
            let _ = writeln!(svg, "<path d=\"M{LEFT} {at:.1}H{right}\" stroke=\"#ddd\"/>");
            let _ = writeln!(svg, "<text x=\"{}\" y=\"{:.1}\" text-anchor=\"end\">{name}</text>", LEFT - 8.0, at + 4.0);
        }
        let middle = f64::midpoint(LEFT, right);
        let _ =
            writeln!(svg, "<text x=\"{middle}\" y=\"{}\" text-anchor=\"middle\">{}</text>", HEIGHT - 10.0, self.x.name);
        let _ = writeln!(svg, "<text x=\"8\" y=\"{}\">{}</text>", TOP - 6.0, self.y.name);
        for (place, series) in self.series.iter().enumerate() {
            svg += &series.svg(place, &x, &y);
        }
        svg + "</svg>\n"
    }
}

impl Series {
    fn svg(&self, place: usize, x: &Scale, y: &Scale) -> String {
        let points: Vec<String> =
            self.points.iter().map(|point| format!("{:.1},{:.1}", x.place(point.0), y.place(point.1))).collect();
        let dashes = if self.is_dashed { " stroke-dasharray=\"6 4\"" } else { "" };
        let style = format!("fill=\"none\" stroke=\"{}\" stroke-width=\"2\"{dashes}", COLOURS[place % COLOURS.len()]);
        let (begin, height) = (WIDTH - RIGHT + 14.0, TOP + 14.0 + 20.0 * place as f64);
        format!(
            "<polyline {style} points=\"{}\"/>\n<path {style} d=\"M{begin} {height}h22\"/>\n<text x=\"{}\" y=\"{}\">{}</text>\n",
            points.join(" "),
            begin + 28.0,
            height + 4.0,
            self.name
        )
    }
}

/// How numbers become places on an axis.
struct Scale {
    ticks: Vec<(f64, String)>,
    least: f64,
    most: f64,
    from: f64,
    to: f64,
}

impl Scale {
    fn new(axis: &Axis, numbers: impl Iterator<Item = f64>, from: f64, to: f64) -> Self {
        let (least, most) = numbers.fold((0.0, 0.0), |(least, most): (f64, f64), n| (least.min(n), most.max(n)));
        let ticks: Vec<(f64, String)> = match &axis.ticks {
            Some(ticks) => ticks.iter().map(|(at, name)| (*at, (*name).to_owned())).collect(),
            None => round_numbers(most).map(|at| (at, format!("{at}"))).collect(),
        };
        let most = if axis.ticks.is_none() { ticks.last().map_or(most, |tick| tick.0) } else { most };
        let ticks = ticks.into_iter().filter(|tick| tick.0 <= most && tick.0 >= least).collect();
        Self { ticks, least, most: most.max(least + f64::EPSILON), from, to }
    }

    fn place(&self, number: f64) -> f64 {
        self.from + (number - self.least) / (self.most - self.least) * (self.to - self.from)
    }
}

/// From 0 in five to ten steps of 1, 2 or 5 times a power of ten, up to what is not less than `most`.
fn round_numbers(most: f64) -> impl Iterator<Item = f64> {
    let power = 10_f64.powf((most.max(1e-9) / 5.0).log10().floor());
    let step = [5.0, 2.0, 1.0].into_iter().map(|times| times * power).find(|step| step * 5.0 <= most).unwrap_or(power);
    (0..=(most / step).ceil() as u32).map(move |number| f64::from(number) * step)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_on_an_axis_are_round_and_reach_beyond_the_largest() {
        assert_eq!(round_numbers(57_600.0).collect::<Vec<_>>().last(), Some(&60_000.0));
        assert_eq!(round_numbers(57_600.0).count(), 7);
        let second = round_numbers(230_000.0).nth(1).unwrap();
        assert!((second - 20_000.0).abs() < 1e-6, "{second}");
    }

    #[test]
    fn what_is_larger_stands_higher() {
        let y = Scale::new(&Axis { name: "", ticks: None }, [1.0, 10.0].into_iter(), 370.0, 40.0);
        assert!(y.place(10.0) < y.place(1.0));
        assert!((y.place(0.0) - 370.0).abs() < 1e-9);
    }
}
