//! Places where a test makes the writer fail. They are in every build, off, and cost one branch each.
//!
//! As text: `POINT=ACTION:PROBABILITY`, separated by commas, such as `after-commit=abort:0.01,notice=drop:0.2`.

use std::fmt;
use std::str::FromStr;
use std::sync::OnceLock;

use tracing::warn;

/// What is set is set for the process: what a failpoint does ends the process or looks as if the network had done it.
static FAILPOINTS: OnceLock<Failpoints> = OnceLock::new();

/// A moment in the life of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Point {
    /// Every row is sent, and the position moved, in a transaction that is not committed.
    BeforeCommit,
    /// The shard has committed, and nobody else knows it.
    AfterCommit,
    /// The notice is about to be sent.
    Notice,
    /// The notice is sent, and nothing is noted in this process.
    AfterNotice,
}

/// What happens there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Action {
    /// The process ends at once, with nothing put in order.
    Abort,
    /// What was to be sent is not sent.
    Drop,
}

/// What happens where, and how often. By default nothing.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Failpoints(Vec<(Point, Action, f64)>);

/// What is wrong with the text of failpoints.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no failpoint: write POINT=ACTION:PROBABILITY, such as notice=drop:0.2")]
pub struct NotAFailpoint(String);

impl FromStr for Failpoints {
    type Err = NotAFailpoint;

    fn from_str(text: &str) -> Result<Self, NotAFailpoint> {
        let parts = text.split(',').map(str::trim).filter(|part| !part.is_empty());
        parts.map(|part| read(part).ok_or_else(|| NotAFailpoint(part.to_owned()))).collect::<Result<_, _>>().map(Self)
    }
}

fn read(text: &str) -> Option<(Point, Action, f64)> {
    let (point, rest) = text.split_once('=')?;
    let (action, probability) = rest.split_once(':')?;
    let point = Point::ALL.into_iter().find(|known| known.as_str() == point)?;
    let action = match action {
        "abort" => Action::Abort,
        // Only a notice may get lost without harm.
        "drop" if point == Point::Notice => Action::Drop,
        _ => return None,
    };
    let probability = probability.parse().ok().filter(|probability| (0.0..=1.0).contains(probability))?;
    Some((point, action, probability))
}

impl Point {
    const ALL: [Self; 4] = [Self::BeforeCommit, Self::AfterCommit, Self::Notice, Self::AfterNotice];

    const fn as_str(self) -> &'static str {
        match self {
            Self::BeforeCommit => "before-commit",
            Self::AfterCommit => "after-commit",
            Self::Notice => "notice",
            Self::AfterNotice => "after-notice",
        }
    }
}

impl fmt::Display for Point {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Switches failpoints on, once for the process.
pub(crate) fn install(failpoints: &Failpoints) {
    if failpoints.0.is_empty() {
        return;
    }
    warn!(?failpoints, "failpoints are on: this writer fails on purpose");
    // A second writer of one process, in a test, has the same.
    let _ = FAILPOINTS.set(failpoints.clone());
}

/// Passes a point. Says whether what is to be sent there is dropped.
pub(crate) fn pass(point: Point) -> bool {
    let Some(Failpoints(points)) = FAILPOINTS.get() else { return false };
    let mut is_dropped = false;
    for (_, action, probability) in points.iter().filter(|(other, ..)| *other == point) {
        if rand::random::<f64>() >= *probability {
            continue;
        }
        match action {
            Action::Abort => {
                warn!(%point, "aborting on purpose");
                std::process::abort()
            }
            Action::Drop => is_dropped = true,
        }
    }
    is_dropped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_asked_for_is_read() {
        let read: Failpoints = "before-commit=abort:0.01, notice=drop:0.2".parse().unwrap();
        let expected = vec![(Point::BeforeCommit, Action::Abort, 0.01), (Point::Notice, Action::Drop, 0.2)];
        assert_eq!(read, Failpoints(expected));
        assert_eq!("".parse(), Ok(Failpoints::default()));
    }

    #[test]
    fn nonsense_is_refused() {
        for text in
            ["notice", "notice=drop", "notice=drop:2", "after-commit=drop:1", "lunch=abort:1", "notice=drop:NaN"]
        {
            assert_eq!(text.parse::<Failpoints>(), Err(NotAFailpoint(text.to_owned())));
        }
    }

    #[test]
    fn nothing_fails_unless_asked_to() {
        assert!(Point::ALL.into_iter().all(|point| !pass(point)));
    }
}
