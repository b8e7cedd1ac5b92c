//! How often each of many things is drawn: the first most, the last least, as in Zipf's law.

use super::random::Random;

/// Draws from 0 to `count` − 1, where number k comes about in proportion to (k + 1)^−`exponent`. Exponent 0 draws evenly.
///
/// It inverts the integral of the density instead of summing it up, so it needs no table: the curve is that of Zipf's
/// law, smoothed a little at its head.
#[derive(Clone, Debug)]
pub(super) struct Skew {
    count: u32,
    /// 1 − exponent, or 0 where the integral is a logarithm.
    power: f64,
    /// The integral over everything.
    area: f64,
}

impl Skew {
    /// `count` must not be 0.
    pub(super) fn new(count: u32, exponent: f64) -> Self {
        let end = f64::from(count) + 1.0;
        let power = if (exponent - 1.0).abs() < 1e-6 { 0.0 } else { 1.0 - exponent };
        let area = if power == 0.0 { end.ln() } else { end.powf(power) - 1.0 };
        Self { count, power, area }
    }

    pub(super) fn draw(&self, random: &mut Random) -> u32 {
        let reached = random.fraction() * self.area;
        let place = if self.power == 0.0 { reached.exp() } else { (reached + 1.0).powf(1.0 / self.power) };
        rank(place).min(self.count - 1)
    }
}

/// A place on the axis from 1 on, as a rank from 0 on.
#[allow(clippy::cast_sign_loss, reason = "places are 1 or more, and a float becomes an integer without overflow")]
fn rank(place: f64) -> u32 {
    (place as u32).saturating_sub(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn draws(exponent: f64) -> Vec<u32> {
        let skew = Skew::new(100, exponent);
        let mut random = Random::new(7);
        let mut counts = vec![0; 100];
        for _ in 0..100_000 {
            counts[skew.draw(&mut random) as usize] += 1;
        }
        counts
    }

    #[test]
    fn without_skew_all_are_equal() {
        assert!(draws(0.0).iter().all(|count| (800..1200).contains(count)));
    }

    #[test]
    fn with_skew_the_first_are_drawn_most_and_none_never() {
        for exponent in [0.8, 1.0, 1.5] {
            let counts = draws(exponent);
            assert!(counts[0] > 2 * counts[3] && counts[3] > 2 * counts[20], "{exponent}: {counts:?}");
            assert!(counts.iter().all(|&count| count > 0), "{exponent}: {counts:?}");
        }
    }
}
