//! Which server of a shard answers a read.
//!
//! A replica that was fresh when it was last seen, and has what the read needs, takes the read off the primary. Its answer
//! is believed only if the position in the snapshot of its rows says so too; otherwise the primary is asked at once, whose
//! word counts. Where the primary does not answer, replicas do, however far behind they are: the answer is consistent and
//! says its position, and a client that presents a receipt is not shown less than it names.
//!
//! All of it happens within the time that the shard has. Each server gets half of what is left, the last one all of it.

use std::cmp::Reverse;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use forebay_model::{Position, StreamKind};
use forebay_shard::read::{Rows, Statement};
use forebay_shard::{Budget, ShardError, ShardServer, Work};

use crate::position::patience::Need;
use crate::replica::seen::StreamProgress;
use crate::replica::shard::Shard;

impl Shard {
    /// Runs a statement where it is best run.
    pub(crate) async fn read(&self, statement: &Statement<'_>, need: Need) -> Result<Rows, ShardError> {
        let began = Instant::now();
        let rows = self.read_somewhere(statement, need).await?;
        self.meter.read(statement.name(), began, rows.facts.len());
        Ok(rows)
    }

    /// Does something with a connection to the primary, or else to another server, within the time that a read may take.
    /// For what is no statement over facts.
    pub(crate) async fn with_connection<T>(&self, read: &'static str, work: Work<'_, T>) -> Result<T, ShardError> {
        let began = Instant::now();
        let servers = self.candidates(StreamKind::Logged);
        let answer = self.pool.first_answer(servers, Budget::new(self.timeout), |server, within| {
            self.noted(server.with_connection(work, within))
        });
        let value = answer.await?;
        self.meter.read(read, began, 0);
        Ok(value)
    }

    /// Asks a server what it is and how far its streams are.
    pub(crate) async fn look_at(&self, server: &ShardServer) -> Result<(), ShardError> {
        let began = Instant::now();
        let positions = self.noted(server.look(self.timeout)).await?;
        self.meter.read("position", began, 0);
        for stream in positions {
            self.note(server, stream.stream, stream.position);
        }
        Ok(())
    }

    /// Notes how far a stream is on a server, and whether that is far enough for a replica to be read.
    fn note(&self, server: &ShardServer, kind: StreamKind, position: Position) {
        self.known().note(kind, position);
        if self.pool.servers().len() > 1 {
            self.last_seen.set(
                server.number(),
                kind,
                StreamProgress { position, is_fresh: self.is_fresh(kind, position) },
            );
        }
    }

    async fn read_somewhere(&self, statement: &Statement<'_>, need: Need) -> Result<Rows, ShardError> {
        let kind = statement.stream();
        let mut budget = Budget::new(self.timeout);
        let mut candidates = self.candidates(kind);
        let mut spare = None;
        if let Some(replica) = self.fresh_replica(kind, need) {
            candidates.retain(|server| !std::ptr::eq(*server, replica));
            let within = budget.share(1 + candidates.len());
            match budget.spend(self.ask(replica, statement, within)).await {
                Ok(rows) if self.is_believed(kind, &rows, need) => return Ok(rows),
                Ok(rows) => {
                    candidates.retain(|server| self.pool.is_primary(server) && !self.pool.is_avoided(server));
                    spare = Some(rows);
                }
                Err(_) => self.pool.note_failure(replica),
            }
        }
        if candidates.is_empty()
            && let Some(rows) = spare
        {
            return Ok(rows);
        }
        let once = |server, within| self.ask(server, statement, within);
        match (self.pool.first_answer(candidates, budget, once).await, spare) {
            (Err(error), Some(rows)) if error.is_outage() => Ok(rows),
            (outcome, _) => outcome,
        }
    }

    async fn ask(&self, server: &ShardServer, statement: &Statement<'_>, within: Duration) -> Result<Rows, ShardError> {
        let rows = self.noted(statement.run(server, within)).await?;
        self.meter.answered(server);
        if let Some(position) = rows.position {
            self.note(server, statement.stream(), position);
        }
        Ok(rows)
    }

    /// Has a failure measured.
    async fn noted<T>(&self, answer: impl Future<Output = Result<T, ShardError>>) -> Result<T, ShardError> {
        answer.await.inspect_err(|error| self.meter.failed(error))
    }

    /// The replica whose turn it is, of those that may have what a read needs.
    fn fresh_replica(&self, kind: StreamKind, need: Need) -> Option<&ShardServer> {
        if self.pool.servers().len() == 1 {
            return None;
        }
        let is_fit = |seen: StreamProgress| seen.is_fresh && need.is_met_at(seen.position);
        let is_ready = |server: &&ShardServer| {
            !self.pool.is_primary(server)
                && !self.pool.is_avoided(server)
                && self.last_seen.get(server.number(), kind).is_some_and(is_fit)
        };
        let replicas = self.pool.servers().iter().filter(is_ready);
        let count = replicas.clone().count();
        let turn = if count > 1 { self.turns.fetch_add(1, Ordering::Relaxed) % count } else { 0 };
        replicas.clone().nth(turn)
    }

    /// The primary, then the others, those that have come furthest first; those that are avoided come last.
    fn candidates(&self, kind: StreamKind) -> Vec<&ShardServer> {
        let mut servers = self.pool.in_turn();
        if servers.len() > 1 {
            servers.sort_by_cached_key(|server| {
                let seen = self.last_seen.get(server.number(), kind);
                let position = seen.map(|seen| (seen.position.incarnation, seen.position.seq));
                (self.pool.is_avoided(server), !self.pool.is_primary(server), Reverse(position))
            });
        }
        servers
    }

    /// Whether a replica's answer holds what it must.
    fn is_believed(&self, kind: StreamKind, rows: &Rows, need: Need) -> bool {
        rows.position.is_some_and(|position| need.is_met_at(position) && self.is_fresh(kind, position))
    }

    fn is_fresh(&self, kind: StreamKind, position: Position) -> bool {
        self.known().lag(kind, position) <= self.replica_lag_max
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::replica::shard::ReadSettings;
    use forebay_model::{Incarnation, ShardId};

    const KIND: StreamKind = StreamKind::Logged;

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

    /// The number of the replica that a read goes to.
    fn chosen(shard: &Shard, need: Need) -> Option<usize> {
        shard.fresh_replica(KIND, need).map(ShardServer::number)
    }

    fn numbers(shard: &Shard) -> Vec<usize> {
        shard.candidates(KIND).iter().map(|server| server.number()).collect()
    }

    #[tokio::test]
    async fn replicas_take_turns_and_the_primary_rests() {
        let shard = shard();
        assert_eq!(chosen(&shard, Need::default()), None, "they were not seen yet");
        shard.note(&shard.pool.servers()[1], KIND, at(7));
        assert_eq!(chosen(&shard, Need::default()), Some(1));
        shard.note(&shard.pool.servers()[2], KIND, at(7));
        let turns: Vec<_> = (0..4).map(|_| chosen(&shard, Need::default())).collect();
        assert!(turns[0] != turns[1] && turns[..2] == turns[2..], "{turns:?}");
        shard.pool.note_failure(&shard.pool.servers()[1]);
        assert_eq!(chosen(&shard, Need::default()), Some(2));
        assert_eq!(shard.fresh_replica(StreamKind::Derived, Need::default()).map(ShardServer::number), None);
    }

    #[tokio::test]
    async fn a_replica_that_is_not_known_to_have_what_is_needed_is_not_asked() {
        let shard = shard();
        shard.note(&shard.pool.servers()[1], KIND, at(5));
        shard.note(&shard.pool.servers()[2], KIND, at(7));
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
        let believes = |seq: u64, need| shard.is_believed(KIND, &rows(Some(at(seq))), need);
        shard.note(&shard.pool.servers()[1], KIND, at(5));
        shard.known().note(KIND, at(6));
        assert!(believes(5, Need::default()), "it is behind only since now");
        assert!(!believes(5, needs(Some(6), None)) && !believes(5, needs(None, Some(6))));
        assert!(!shard.is_believed(KIND, &rows(None), Need::default()));
        let began = Instant::now();
        while believes(5, Need::default()) {
            assert!(began.elapsed() < Duration::from_secs(10), "however long it is behind");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        assert!(began.elapsed() > shard.replica_lag_max / 2 && believes(6, Need::default()));
        assert_eq!(chosen(&shard, Need::default()), Some(1), "as it was when it was last seen");
        shard.note(&shard.pool.servers()[1], KIND, at(5));
        assert_eq!(chosen(&shard, Need::default()), None);
    }

    #[tokio::test]
    async fn the_primary_comes_first_then_the_furthest_and_last_those_that_failed() {
        let shard = shard();
        shard.note(&shard.pool.servers()[2], KIND, at(5));
        assert_eq!(numbers(&shard), [0, 2, 1]);
        shard.note(&shard.pool.servers()[1], KIND, at(7));
        assert_eq!(numbers(&shard), [0, 1, 2]);
        shard.pool.note_failure(&shard.pool.servers()[1]);
        assert_eq!(numbers(&shard), [0, 2, 1]);
    }
}
