//! Which server of a shard answers a read.
//!
//! A replica that was fresh when it was last seen, and has what the read needs, takes the read off the primary. Its answer
//! is believed only if the position in the snapshot of its rows says so too; otherwise the primary is asked at once, whose
//! word counts. Where the primary does not answer, replicas do, however far behind they are: the answer is consistent and
//! says its position, and whoever presents a receipt is not shown less than it names.
//!
//! All of it happens within the time that the shard has. Each server gets half of what is left, the last one all of it.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use forebay_model::{Lane, Position};

use crate::error::ShardError;
use crate::position::patience::Need;
use crate::replica::ask::{Ask, Rows};
use crate::replica::server::{Server, Sight, Work};
use crate::replica::shard::Shard;

/// What is left of the time for one read.
struct Budget(Duration);

impl Shard {
    /// Runs a statement of [`statement`](crate::sql::statement) where it is best run.
    pub(crate) async fn read(&self, lane: Lane, ask: &Ask<'_>, need: Need) -> Result<Rows, ShardError> {
        let began = Instant::now();
        let rows = self.read_somewhere(lane, ask, need).await?;
        self.meter.read(ask.read, began, rows.facts.len());
        Ok(rows)
    }

    /// Does something with a connection to the primary, or else to another server, within the time that a read may take.
    /// For what is no statement over facts.
    pub(crate) async fn with_connection<T>(&self, read: &'static str, work: Work<T>) -> Result<T, ShardError> {
        let began = Instant::now();
        let once = |server, within| Server::with_connection(server, work, within);
        let value = self.first_answer(self.candidates(Lane::Orders), Budget(self.timeout), once).await?;
        self.meter.read(read, began, 0);
        Ok(value)
    }

    /// Does something with a connection to this server and no other.
    pub(crate) async fn look_at<T>(&self, server: &Server, work: Work<T>) -> Result<T, ShardError> {
        let began = Instant::now();
        let value = server.with_connection(work, self.timeout).await.inspect_err(|error| self.meter.failed(error))?;
        self.meter.read("position", began, 0);
        Ok(value)
    }

    /// Notes how far a lane is on a server, and whether that is far enough for a replica to be read.
    pub(crate) fn note(&self, server: &Server, lane: Lane, position: Position) {
        self.known().note(lane, position);
        if self.servers.len() > 1 {
            server.set_sight(lane, Sight { position, is_fresh: self.is_fresh(lane, position) });
        }
    }

    /// Takes servers that have just answered for what they say: those that write, each with its timeline, and those that only
    /// follow. The one with the latest timeline there ever was is the shard's primary. An earlier one was left behind by a
    /// promotion, and does not follow: it is avoided. Who was silent stays what it was, unless another has its place now.
    pub(crate) fn settle(&self, answers: &[(&Server, Option<u32>)]) {
        let seen = answers.iter().filter_map(|(_, timeline)| *timeline).max().unwrap_or_default();
        let latest = self.timeline.fetch_max(seen, Ordering::AcqRel).max(seen);
        match answers.iter().find(|(_, timeline)| *timeline == Some(latest)) {
            Some((primary, _)) => {
                self.servers.iter().for_each(|server| server.set_primary(std::ptr::eq(server, *primary)));
            }
            None => answers.iter().for_each(|(server, _)| server.set_primary(false)),
        }
        for (server, timeline) in answers {
            server.set_avoided(timeline.is_some() && !server.is_primary());
        }
    }

    async fn read_somewhere(&self, lane: Lane, ask: &Ask<'_>, need: Need) -> Result<Rows, ShardError> {
        let mut budget = Budget(self.timeout);
        let mut candidates = self.candidates(lane);
        let mut spare = None;
        if let Some(replica) = self.fresh_replica(lane, need) {
            candidates.retain(|server| !std::ptr::eq(*server, replica));
            let within = budget.share(1 + candidates.len());
            match budget.spend(self.ask(replica, lane, ask, within)).await {
                Ok(rows) if self.is_believed(lane, &rows, need) => return Ok(rows),
                Ok(rows) => {
                    candidates.retain(|server| server.is_primary() && !server.is_avoided());
                    spare = Some(rows);
                }
                Err(error) => self.failed(replica, &error),
            }
        }
        if candidates.is_empty()
            && let Some(rows) = spare
        {
            return Ok(rows);
        }
        let once = |server, within| self.ask(server, lane, ask, within);
        match (self.first_answer(candidates, budget, once).await, spare) {
            (Err(error), Some(rows)) if error.is_outage() => Ok(rows),
            (outcome, _) => outcome,
        }
    }

    /// The answer of the first server that gives one. A question that is at fault itself is asked once.
    async fn first_answer<'a, T, F>(
        &'a self,
        servers: Vec<&'a Server>,
        mut budget: Budget,
        ask: impl Fn(&'a Server, Duration) -> F,
    ) -> Result<T, ShardError>
    where
        F: Future<Output = Result<T, ShardError>>,
    {
        let mut first_error = None;
        let count = servers.len();
        for (place, server) in servers.into_iter().enumerate() {
            let within = budget.share(count - place);
            match budget.spend(ask(server, within)).await {
                Err(error) if error.is_outage() => {
                    self.failed(server, &error);
                    first_error.get_or_insert(error);
                }
                Err(error) => {
                    self.meter.failed(&error);
                    return Err(error);
                }
                Ok(value) => return Ok(value),
            }
        }
        Err(first_error.unwrap_or(ShardError::Slow { shard: self.id(), within: self.timeout }))
    }

    async fn ask(&self, server: &Server, lane: Lane, ask: &Ask<'_>, within: Duration) -> Result<Rows, ShardError> {
        let rows = server.read(ask, within).await?;
        if let Some(position) = rows.position {
            self.note(server, lane, position);
        }
        Ok(rows)
    }

    /// The primary's word is all there is, so it is asked on; a replica can be done without until it was found to answer.
    fn failed(&self, server: &Server, error: &ShardError) {
        self.meter.failed(error);
        if !server.is_primary() {
            server.set_avoided(true);
        }
    }

    /// The replica whose turn it is, of those that may have what a read needs.
    fn fresh_replica(&self, lane: Lane, need: Need) -> Option<&Server> {
        if self.servers.len() == 1 {
            return None;
        }
        let is_fit = |sight: Sight| sight.is_fresh && need.is_met_at(sight.position);
        let is_ready =
            |server: &&Server| !server.is_primary() && !server.is_avoided() && server.sight(lane).is_some_and(is_fit);
        let replicas = self.servers.iter().filter(is_ready);
        let count = replicas.clone().count();
        let turn = if count > 1 { self.turns.fetch_add(1, Ordering::Relaxed) % count } else { 0 };
        replicas.clone().nth(turn)
    }

    /// The primary, then the others, those that have come furthest first; whoever is avoided comes last.
    fn candidates(&self, lane: Lane) -> Vec<&Server> {
        let mut servers: Vec<&Server> = self.servers.iter().collect();
        if servers.len() > 1 {
            servers.sort_by_cached_key(|server| {
                let position = server.sight(lane).map(|sight| (sight.position.incarnation, sight.position.seq));
                (server.is_avoided(), !server.is_primary(), std::cmp::Reverse(position))
            });
        }
        servers
    }

    /// Whether a replica's answer holds what it must.
    fn is_believed(&self, lane: Lane, rows: &Rows, need: Need) -> bool {
        rows.position.is_some_and(|position| need.is_met_at(position) && self.is_fresh(lane, position))
    }

    fn is_fresh(&self, lane: Lane, position: Position) -> bool {
        self.known().lag(lane, position) <= self.replica_lag_max
    }
}

impl Budget {
    /// What one server gets, of so many that are left.
    fn share(&self, servers: usize) -> Duration {
        if servers > 1 { self.0 / 2 } else { self.0 }
    }

    async fn spend<T>(&mut self, work: impl Future<Output = T>) -> T {
        let began = Instant::now();
        let value = work.await;
        self.0 = self.0.saturating_sub(began.elapsed());
        value
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::replica::shard::ReadSettings;
    use forebay_model::{Incarnation, ShardId};

    const LANE: Lane = Lane::Orders;

    /// A shard of three servers; they need not be there to be chosen.
    fn shard() -> Shard {
        let urls = [1, 2, 3].map(|port| format!("postgres://forebay@127.0.0.1:{port}/forebay"));
        let settings = ReadSettings {
            connections_max: 1,
            timeout: Duration::from_secs(1),
            replica_lag_max: Duration::from_millis(200),
        };
        Shard::new(ShardId(0), &urls.join("|").parse().unwrap(), settings)
    }

    fn at(seq: u64) -> Position {
        Position { incarnation: Incarnation::new(1), seq }
    }

    fn needs(target: Option<u64>, floor: Option<u64>) -> Need {
        Need { target: target.map(at), floor: floor.map(at) }
    }

    /// The place of the replica that a read goes to.
    fn chosen(shard: &Shard, need: Need) -> Option<usize> {
        let chosen = shard.fresh_replica(LANE, need)?;
        shard.servers.iter().position(|server| std::ptr::eq(server, chosen))
    }

    fn places(shard: &Shard) -> Vec<&str> {
        shard.candidates(LANE).iter().map(|server| &server.name()["127.0.0.1:".len()..][..1]).collect()
    }

    #[tokio::test]
    async fn replicas_take_turns_and_the_primary_rests() {
        let shard = shard();
        assert_eq!(chosen(&shard, Need::default()), None, "nobody has seen them yet");
        shard.note(&shard.servers[1], LANE, at(7));
        assert_eq!(chosen(&shard, Need::default()), Some(1));
        shard.note(&shard.servers[2], LANE, at(7));
        let turns: Vec<_> = (0..4).map(|_| chosen(&shard, Need::default())).collect();
        assert!(turns[0] != turns[1] && turns[..2] == turns[2..], "{turns:?}");
        shard.servers[1].set_avoided(true);
        assert_eq!(chosen(&shard, Need::default()), Some(2));
        assert_eq!(shard.fresh_replica(Lane::Views, Need::default()).map(Server::name), None);
    }

    #[tokio::test]
    async fn a_replica_that_is_not_known_to_have_what_is_needed_is_not_asked() {
        let shard = shard();
        shard.note(&shard.servers[1], LANE, at(5));
        shard.note(&shard.servers[2], LANE, at(7));
        for need in [needs(Some(6), None), needs(None, Some(7)), needs(Some(5), Some(6))] {
            assert_eq!([chosen(&shard, need), chosen(&shard, need)], [Some(2), Some(2)], "{need:?}");
        }
        assert_eq!(chosen(&shard, needs(Some(8), None)), None);
        let elsewhere = Position { incarnation: Incarnation::new(2), seq: 1 };
        assert_eq!(chosen(&shard, Need { target: Some(elsewhere), floor: None }), None);
    }

    #[tokio::test]
    async fn an_answer_from_too_far_behind_is_not_believed_and_its_replica_not_asked_again() {
        let shard = shard();
        let rows = |position| Rows { position, ..Rows::default() };
        let believes = |seq: u64, need| shard.is_believed(LANE, &rows(Some(at(seq))), need);
        shard.note(&shard.servers[1], LANE, at(5));
        shard.known().note(LANE, at(6));
        assert!(believes(5, Need::default()), "it is behind only since now");
        assert!(!believes(5, needs(Some(6), None)) && !believes(5, needs(None, Some(6))));
        assert!(!shard.is_believed(LANE, &rows(None), Need::default()));
        let began = Instant::now();
        while believes(5, Need::default()) {
            assert!(began.elapsed() < Duration::from_secs(10), "however long it is behind");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        assert!(began.elapsed() > shard.replica_lag_max / 2 && believes(6, Need::default()));
        assert_eq!(chosen(&shard, Need::default()), Some(1), "as it was when it was last seen");
        shard.note(&shard.servers[1], LANE, at(5));
        assert_eq!(chosen(&shard, Need::default()), None);
    }

    #[tokio::test]
    async fn the_primary_comes_first_then_who_is_furthest_and_last_who_is_avoided() {
        let shard = shard();
        shard.note(&shard.servers[2], LANE, at(5));
        assert_eq!(places(&shard), ["1", "3", "2"]);
        shard.note(&shard.servers[1], LANE, at(7));
        assert_eq!(places(&shard), ["1", "2", "3"]);
        shard.servers[0].set_avoided(true);
        assert_eq!(places(&shard), ["2", "3", "1"]);
    }

    #[tokio::test]
    async fn who_writes_the_latest_timeline_is_the_primary() {
        let shard = shard();
        let [a, b, c] = [0, 1, 2].map(|place| &shard.servers[place]);
        let primary = || shard.servers.iter().position(Server::is_primary);
        assert_eq!(primary(), Some(0), "as the settings have it");
        shard.settle(&[(b, None), (c, None)]);
        assert_eq!(primary(), Some(0), "it is silent, and nobody has its place");
        shard.settle(&[(b, Some(2)), (c, None)]);
        assert_eq!(primary(), Some(1));
        shard.settle(&[(a, Some(1)), (b, Some(2)), (c, None)]);
        assert_eq!(primary(), Some(1), "the old one is back, and was left behind");
        assert_eq!([a, b, c].map(Server::is_avoided), [true, false, false]);
        shard.settle(&[(a, Some(1)), (c, None)]);
        assert_eq!(primary(), Some(1), "silence does not give its place to the old one");
        shard.settle(&[(a, None), (b, None), (c, None)]);
        assert_eq!(primary(), None);
        shard.settle(&[(a, Some(3)), (c, Some(3))]);
        assert_eq!(primary(), Some(0));
    }

    #[test]
    fn each_server_gets_half_of_what_is_left_and_the_last_one_the_rest() {
        let budget = Budget(Duration::from_secs(2));
        assert_eq!([3, 2, 1].map(|servers| budget.share(servers).as_millis()), [1000, 1000, 2000]);
    }
}
