//! What several rounds have measured of one thing.

pub mod line;
pub mod rounds;

use serde::Serialize;

/// One number a round.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(transparent)]
pub struct Figure(Vec<f64>);

impl Figure {
    /// Adds a round's number.
    pub fn push(&mut self, number: f64) {
        self.0.push(number);
    }

    /// Whether nothing was measured.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The number in the middle; of an even count the mean of the two in the middle. NaN where nothing was measured.
    pub fn median(&self) -> f64 {
        let mut sorted = self.0.clone();
        sorted.sort_by(f64::total_cmp);
        let middle = sorted.len() / 2;
        match sorted.len() {
            0 => f64::NAN,
            count if count % 2 == 0 => f64::midpoint(sorted[middle - 1], sorted[middle]),
            _ => sorted[middle],
        }
    }

    /// The least and the largest number.
    pub fn spread(&self) -> (f64, f64) {
        let least = self.0.iter().copied().fold(f64::INFINITY, f64::min);
        let most = self.0.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        (least, most)
    }

    /// Each round's number divided by the other's of the same round: the two were measured one after the other.
    #[must_use]
    pub fn over(&self, other: &Self) -> Self {
        Self(self.0.iter().zip(&other.0).map(|(own, other)| own / other).collect())
    }
}

impl FromIterator<f64> for Figure {
    fn from_iter<T: IntoIterator<Item = f64>>(numbers: T) -> Self {
        Self(numbers.into_iter().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(numbers: &[f64]) -> Figure {
        numbers.iter().copied().collect()
    }

    #[test]
    fn one_slow_round_does_not_move_the_median() {
        assert!((of(&[10.0, 1.0, 11.0]).median() - 10.0).abs() < 1e-9);
        assert!((of(&[4.0, 1.0, 3.0, 2.0]).median() - 2.5).abs() < 1e-9);
        assert!((of(&[7.0]).median() - 7.0).abs() < 1e-9);
        assert!(of(&[]).median().is_nan());
    }

    #[test]
    fn a_ratio_is_of_the_same_round() {
        // The machine became half as fast between the rounds; the ratio does not see it.
        let ratio = of(&[60.0, 30.0]).over(&of(&[100.0, 50.0]));
        assert_eq!(ratio.spread(), (0.6, 0.6));
    }
}
