//! Which server of a shard is asked first, and which after it.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::error::ShardError;
use super::server::ShardServer;
use super::shard_pool::ShardPool;
use crate::connection::session::Role;

/// What is left of the time for one read.
#[derive(Debug)]
pub struct Budget(Duration);

impl ShardPool {
    /// The server that writes the latest timeline that was ever seen.
    pub fn primary(&self) -> Option<&ShardServer> {
        let timeline = self.inner.latest_timeline.load(Ordering::Acquire);
        self.servers().iter().find(|server| server.role() == Some(Role::Primary { timeline }))
    }

    /// Whether a server is the shard's primary, as far as is known.
    pub fn is_primary(&self, server: &ShardServer) -> bool {
        self.primary().is_some_and(|primary| std::ptr::eq(primary, server))
    }

    /// Whether to ask a server only where no other answers: it failed when it was last asked, or writes without being
    /// the primary.
    pub fn is_avoided(&self, server: &ShardServer) -> bool {
        let writes = matches!(server.role(), Some(Role::Primary { .. }));
        server.is_failing() || writes && !self.is_primary(server)
    }

    /// Notes that a read of a server failed. A replica can be done without until it was found to answer; there is only one
    /// primary, so that is asked on.
    pub fn note_failure(&self, server: &ShardServer) {
        if !self.is_primary(server) {
            server.set_failing(true);
        }
    }

    /// Every server: the primary first, then the others, and those that are avoided last.
    pub fn in_turn(&self) -> Vec<&ShardServer> {
        let mut servers: Vec<&ShardServer> = self.servers().iter().collect();
        if servers.len() > 1 {
            servers.sort_by_cached_key(|server| (self.is_avoided(server), !self.is_primary(server)));
        }
        servers
    }

    /// The answer of the first server that gives one. A question that is at fault itself is asked once.
    ///
    /// # Errors
    /// The first server's, where none answers.
    pub async fn first_answer<'a, T, F>(
        &'a self,
        servers: Vec<&'a ShardServer>,
        mut budget: Budget,
        ask: impl Fn(&'a ShardServer, Duration) -> F,
    ) -> Result<T, ShardError>
    where
        F: Future<Output = Result<T, ShardError>>,
    {
        let within = budget.0;
        let mut first_error = None;
        let count = servers.len();
        for (place, server) in servers.into_iter().enumerate() {
            let share = budget.share(count - place);
            match budget.spend(ask(server, share)).await {
                Err(error) if error.is_outage() => {
                    self.note_failure(server);
                    first_error.get_or_insert(error);
                }
                outcome => return outcome,
            }
        }
        Err(first_error.unwrap_or(ShardError::Slow { shard: self.shard(), within }))
    }
}

impl Budget {
    /// All of the time is left.
    pub fn new(time: Duration) -> Self {
        Self(time)
    }

    /// What one server gets, where this many are left: half of the time, and the last one all of it.
    pub fn share(&self, servers: usize) -> Duration {
        if servers > 1 { self.0 / 2 } else { self.0 }
    }

    /// Does work, and counts its time.
    pub async fn spend<T>(&mut self, work: impl Future<Output = T>) -> T {
        let began = Instant::now();
        let value = work.await;
        self.0 = self.0.saturating_sub(began.elapsed());
        value
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pool::PoolSettings;
    use forebay_model::ShardId;

    /// A pool of three servers; they need not be there to be chosen.
    fn pool() -> ShardPool {
        let urls = [1, 2, 3].map(|port| format!("postgres://forebay@127.0.0.1:{port}/forebay"));
        ShardPool::new(ShardId(0), &urls.join("|").parse().unwrap(), &PoolSettings::default())
    }

    fn writes(timeline: u32) -> Role {
        Role::Primary { timeline }
    }

    #[test]
    fn an_old_primary_that_comes_back_does_not_get_its_place() {
        let pool = pool();
        let primary = || pool.primary().map(ShardServer::number);
        let set = |number: usize, role| pool.servers()[number].set_role(role);
        assert_eq!(primary(), Some(0), "as the settings have it");
        set(1, Role::Standby);
        set(2, Role::Standby);
        assert_eq!(primary(), Some(0), "it is silent, and no other has its place");
        set(1, writes(2));
        assert_eq!(primary(), Some(1));
        set(0, writes(1));
        assert_eq!(primary(), Some(1), "the old one is back, and was left behind");
        assert_eq!(
            pool.servers().iter().map(|server| pool.is_avoided(server)).collect::<Vec<_>>(),
            [true, false, false]
        );
        set(1, Role::Standby);
        assert_eq!(primary(), None, "nor when the new one follows");
        set(2, writes(3));
        set(0, writes(3));
        assert_eq!(primary(), Some(0));
        assert!(pool.is_avoided(&pool.servers()[2]), "two that write the same timeline are not read both");
    }

    #[test]
    fn a_replica_that_failed_is_asked_last_and_the_primary_stays_first() {
        let pool = pool();
        let numbers = || pool.in_turn().iter().map(|server| server.number()).collect::<Vec<_>>();
        assert_eq!(numbers(), [0, 1, 2]);
        pool.note_failure(&pool.servers()[1]);
        pool.note_failure(&pool.servers()[0]);
        assert_eq!(numbers(), [0, 2, 1]);
        pool.servers()[0].set_failing(true);
        assert_eq!(numbers(), [2, 0, 1]);
    }

    #[test]
    fn each_server_gets_half_of_what_is_left_and_the_last_one_the_rest() {
        let budget = Budget::new(Duration::from_secs(2));
        assert_eq!([3, 2, 1].map(|servers| budget.share(servers).as_millis()), [1000, 1000, 2000]);
    }
}
