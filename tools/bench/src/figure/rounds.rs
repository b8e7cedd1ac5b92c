//! Value and limit in turns: A B, B A, A B, so that a machine that grows slower hits both alike.

use anyhow::Result;

use super::Figure;

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// What Forebay does.
    Value,
    /// What could be done.
    Limit,
}

/// Both sides of a row.
#[derive(Clone, Debug, Default)]
pub struct Pair {
    /// What Forebay does.
    pub value: Figure,
    /// What could be done.
    pub limit: Figure,
}

/// The sides in their order, two a round.
pub fn turns(rounds: usize) -> impl Iterator<Item = Side> {
    (0..rounds).flat_map(|round| match round % 2 {
        0 => [Side::Value, Side::Limit],
        _ => [Side::Limit, Side::Value],
    })
}

/// Measures both sides in turns.
///
/// # Errors
/// The first that `measure` has.
pub async fn in_turns(rounds: usize, mut measure: impl AsyncFnMut(Side) -> Result<f64>) -> Result<Pair> {
    let mut pair = Pair::default();
    for side in turns(rounds) {
        let number = measure(side).await?;
        match side {
            Side::Value => pair.value.push(number),
            Side::Limit => pair.limit.push(number),
        }
    }
    Ok(pair)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_side_is_first_as_often_as_it_is_second() {
        use Side::{Limit, Value};
        assert_eq!(turns(3).collect::<Vec<_>>(), [Value, Limit, Limit, Value, Value, Limit]);
    }

    #[tokio::test]
    async fn numbers_of_a_round_stay_together() {
        let mut time = 0.0;
        let pair = in_turns(2, async |side| {
            time += 1.0;
            Ok(if side == Side::Value { time } else { time * 100.0 })
        });
        let pair = pair.await.unwrap();
        assert_eq!(pair.value, Figure::from_iter([1.0, 4.0]));
        assert_eq!(pair.limit, Figure::from_iter([200.0, 300.0]));
    }
}
