//! When a service may leave questions without any answer: while it is dead because somebody has killed or stopped it.

use std::time::{Duration, Instant};

use forebay_stack::ServiceName;

use crate::load::answers::Answer;

/// For how long a service may be away in one go, with its restart.
const AWAY_MAX: Duration = Duration::from_secs(30);
/// How many questions of one client an outage can cut off: the one that is in flight, and one that still gets through to the
/// socket of the dying process.
const CUT_MAX: usize = 2;
/// How long after that a client may notice what has happened to its question.
const NOTICED_WITHIN: Duration = Duration::from_secs(1);

/// Every time that a service was away.
#[derive(Debug, Default)]
pub(super) struct Outages(Vec<Outage>);

#[derive(Clone, Copy, Debug)]
struct Outage {
    part: ServiceName,
    from: Instant,
    to: Option<Instant>,
}

impl Outages {
    /// It goes now.
    pub(super) fn begin(&mut self, part: ServiceName) {
        self.0.push(Outage { part, from: Instant::now(), to: None });
    }

    /// It is there again.
    pub(super) fn end(&mut self, part: ServiceName) {
        if let Some(outage) = self.0.iter_mut().rev().find(|outage| outage.part == part) {
            outage.to.get_or_insert_with(Instant::now);
        }
    }

    /// What is wrong with questions that a service has left without an answer, as sentences. That number of clients ask it, one
    /// question each at a time.
    pub(super) fn judge(&self, part: ServiceName, answers: &[Answer], clients: usize) -> Vec<String> {
        let outages: Vec<&Outage> = self.0.iter().filter(|outage| outage.part == part).collect();
        let unanswered = || answers.iter().filter(|answer| answer.status.is_none());
        let unexplained = unanswered().filter(|answer| !outages.iter().any(|outage| outage.explains(answer))).count();
        let cut = unanswered().filter(|answer| !answer.is_unreachable).count();
        let mut faults = Vec::new();
        if unexplained > 0 {
            faults.push(format!("{unexplained} questions to {part:?} got no answer at all while it was there"));
        }
        if cut > CUT_MAX * clients * outages.len() {
            faults.push(format!("{cut} questions to {part:?} were cut off by {} outages", outages.len()));
        }
        for outage in outages {
            let took = outage.to.unwrap_or_else(Instant::now) - outage.from;
            if took > AWAY_MAX {
                faults.push(format!("{part:?} was away for {took:?}"));
            }
        }
        faults
    }
}

impl Outage {
    fn explains(&self, answer: &Answer) -> bool {
        let to = self.to.unwrap_or_else(Instant::now);
        answer.asked <= to && (self.from..=to + NOTICED_WITHIN).contains(&answer.answered)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unanswered(asked: Instant, after: Duration) -> Answer {
        Answer {
            asked,
            answered: asked + after,
            status: None,
            is_unreachable: false,
            shards: Vec::new(),
            has_retry_after: false,
            orders: 1,
        }
    }

    #[test]
    fn silence_is_excused_only_while_the_service_is_away_and_only_as_often_as_there_are_clients() {
        let (from, second) = (Instant::now(), Duration::from_secs(1));
        let outage = Outage { part: ServiceName::Ingest, from, to: Some(from + second) };
        let outages = Outages(vec![outage]);
        let in_time = unanswered(from, second);
        assert_eq!(outages.judge(ServiceName::Ingest, std::slice::from_ref(&in_time), 1), Vec::<String>::new());
        assert_eq!(outages.judge(ServiceName::Ingest, &vec![in_time.clone(); CUT_MAX + 1], 1).len(), 1);
        assert_eq!(outages.judge(ServiceName::Query, &[in_time], 1).len(), 2);
        assert_eq!(outages.judge(ServiceName::Ingest, &[unanswered(from + 2 * second, second / 2)], 1).len(), 1);
        assert_eq!(outages.judge(ServiceName::Ingest, &[unanswered(from, 5 * second)], 1).len(), 1);
        let long = Outage { to: Some(from + 60 * second), ..outage };
        assert_eq!(Outages(vec![long]).judge(ServiceName::Ingest, &[], 1).len(), 1);
    }
}
