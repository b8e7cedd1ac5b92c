//! Places where a test makes a service fail. They are in every build, off, and cost one branch each.
//!
//! As text: `POINT=ACTION[:PROBABILITY]`, separated by commas, such as `after-commit=abort:0.01,notice=drop:0.2`. Every task
//! of a [`Lifecycle`](crate::lifecycle::Lifecycle) is a point of its own, `task:NAME`.

use std::str::FromStr;
use std::sync::OnceLock;

use tracing::warn;

use crate::settings::command_line::BadSetting;

/// What is set is set for the process: what a failpoint does ends the process or looks as if the network had done it.
static FAILPOINTS: OnceLock<Failpoints> = OnceLock::new();

/// What the names of tasks' points begin with.
const TASK: &str = "task:";

/// A moment in the work of a service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Point {
    name: &'static str,
    is_droppable: bool,
}

/// What happens there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Action {
    /// The process ends at once, with nothing put in order.
    Abort,
    /// The task that passes the point panics.
    Panic,
    /// What was to be sent is not sent.
    Drop,
}

#[derive(Clone, Debug, PartialEq)]
struct Failpoint {
    point: String,
    action: Action,
    probability: f64,
}

/// What happens where, and how often. By default nothing.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Failpoints(Vec<Failpoint>);

/// What is wrong with the text of failpoints.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a failpoint: write POINT=ACTION or POINT=ACTION:PROBABILITY, such as notice=drop:0.2")]
pub struct NotAFailpoint(String);

impl Point {
    /// A point where the process may be made to fail.
    pub const fn new(name: &'static str) -> Self {
        Self { name, is_droppable: false }
    }

    /// A point before something is sent that may get lost without harm.
    pub const fn droppable(name: &'static str) -> Self {
        Self { name, is_droppable: true }
    }

    /// Passes the point. Says whether what is to be sent there is dropped.
    pub fn pass(self) -> bool {
        FAILPOINTS.get().is_some_and(|failpoints| failpoints.pass(self.name))
    }
}

impl Failpoints {
    /// Switches failpoints on, once for the process.
    pub(crate) fn install(&self) {
        if self.0.is_empty() {
            return;
        }
        warn!(failpoints = ?self.0, "failpoints are on: this service fails on purpose");
        // A second service of one process, in a test, has the same.
        let _ = FAILPOINTS.set(self.clone());
    }

    /// Checks that what is switched on can happen in a service with these points. A point that this service does not have is
    /// another's, because one variable is for all services of a system; it is told in the log, in case it is misspelt.
    ///
    /// # Errors
    /// [`BadSetting`] names the first point at which nothing is sent that could be dropped.
    pub fn check(&self, points: &[Point]) -> Result<(), BadSetting> {
        for Failpoint { point, action, .. } in &self.0 {
            let known = points.iter().find(|known| known.name == point);
            let is_droppable = known.is_none_or(|known| known.is_droppable) && !point.starts_with(TASK);
            if *action == Action::Drop && !is_droppable {
                return Err(BadSetting::new(format!("--failpoints: nothing can be dropped at {point}")));
            }
            if known.is_none() && !point.starts_with(TASK) {
                warn!(point, "this service does not have this failpoint");
            }
        }
        Ok(())
    }

    /// Passes the point of a task.
    pub(crate) fn pass_task(&self, name: &str) {
        if !self.0.is_empty() {
            self.pass(&format!("{TASK}{name}"));
        }
    }

    fn pass(&self, name: &str) -> bool {
        let mut is_dropped = false;
        for Failpoint { action, probability, .. } in self.0.iter().filter(|failpoint| failpoint.point == name) {
            if rand::random::<f64>() >= *probability {
                continue;
            }
            match action {
                Action::Abort => {
                    warn!(point = name, "aborting on purpose");
                    std::process::abort()
                }
                Action::Panic => panic!("on purpose, at the failpoint {name}"),
                Action::Drop => is_dropped = true,
            }
        }
        is_dropped
    }
}

impl FromStr for Failpoints {
    type Err = NotAFailpoint;

    fn from_str(text: &str) -> Result<Self, NotAFailpoint> {
        let parts = text.split(',').map(str::trim).filter(|part| !part.is_empty());
        parts.map(|part| read(part).ok_or_else(|| NotAFailpoint(part.to_owned()))).collect::<Result<_, _>>().map(Self)
    }
}

fn read(text: &str) -> Option<Failpoint> {
    let (point, rest) = text.rsplit_once('=')?;
    let (action, probability) = rest.split_once(':').unwrap_or((rest, "1"));
    let action = [Action::Abort, Action::Panic, Action::Drop].into_iter().find(|known| known.as_str() == action)?;
    let probability = probability.parse().ok().filter(|probability| (0.0..=1.0).contains(probability))?;
    Some(Failpoint { point: point.to_owned(), action, probability })
}

impl Action {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Abort => "abort",
            Self::Panic => "panic",
            Self::Drop => "drop",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const POINTS: [Point; 2] = [Point::new("before-commit"), Point::droppable("notice")];

    fn failpoint(point: &str, action: Action, probability: f64) -> Failpoint {
        Failpoint { point: point.to_owned(), action, probability }
    }

    #[test]
    fn failpoints_are_read_with_their_action_and_chance() {
        let read: Failpoints = "before-commit=abort:0.01, notice=drop:0.2,task:read orders/0=panic".parse().unwrap();
        let expected = vec![
            failpoint("before-commit", Action::Abort, 0.01),
            failpoint("notice", Action::Drop, 0.2),
            failpoint("task:read orders/0", Action::Panic, 1.0),
        ];
        assert_eq!(read, Failpoints(expected));
        assert!(read.check(&POINTS).is_ok());
        assert_eq!("".parse(), Ok(Failpoints::default()));
    }

    #[test]
    fn a_failpoint_that_cannot_be_meant_is_refused() {
        for text in ["notice", "notice=", "notice=drop:2", "notice=sleep", "notice=drop:NaN"] {
            assert_eq!(text.parse::<Failpoints>(), Err(NotAFailpoint(text.to_owned())));
        }
        for (text, is_fine) in
            [("before-commit=drop", false), ("task:x=drop", false), ("of-another-service=drop", true)]
        {
            assert_eq!(text.parse::<Failpoints>().unwrap().check(&POINTS).is_ok(), is_fine, "{text}");
        }
    }

    #[test]
    fn nothing_fails_unless_asked_to() {
        assert!(POINTS.into_iter().all(|point| !point.pass()));
    }
}
