//! What processes of one service tell each other of what their clients have taken, so that limits hold over all of them.
//!
//! Each process has buckets of its own, which fill at the whole rate. What a client takes from another process is owed here,
//! and paid out of its bucket before the client may take more, so that all processes together give what one of them would.
//! A client that comes to several at once has the bucket of each at first, and waits that much longer behind it. Where processes
//! do not hear each other, each has its own limits.

use std::collections::HashMap;
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use crate::http::peer::ClientName;

/// How often it is told what was taken.
pub(super) const TELL: Duration = Duration::from_millis(100);
/// A process that was not heard for so long is gone.
const GONE: Duration = Duration::from_secs(3);
/// Alone, a process says that it is there only once in this number of times.
const ALONE: u32 = 10;
/// How many clients are told of at once: those that have taken most.
const TOLD_MAX: usize = 1000;
/// A full bucket, in which time is kept: a second, in nanoseconds. It holds what a client may take in that time, whatever its rate is.
pub(super) const FULL: NonZeroU32 = NonZeroU32::new(1_000_000_000).unwrap();
/// What is less than this waits until it is more: to be told, and to be paid.
const LITTLE: u32 = FULL.get() / 100;

/// What was taken here, and what is owed for others.
#[derive(Debug)]
pub(super) struct Takings {
    /// Tells this process from the others.
    process: u64,
    /// Alone, nothing is counted.
    is_alone: AtomicBool,
    accounts: Mutex<HashMap<ClientName, Account>>,
}

#[derive(Debug, Default)]
struct Account {
    /// Taken here, and not told yet, in nanoseconds of a bucket.
    taken: u64,
    /// Taken elsewhere, and not paid yet.
    owed: u64,
}

/// What is told.
#[derive(Debug, Serialize, Deserialize)]
struct TakingsMessage {
    process: u64,
    taken: Vec<(String, u64)>,
}

/// When it is told next, and who was heard.
#[derive(Debug)]
pub(super) struct Telling {
    silent: u32,
    heard_at: Option<Instant>,
}

impl Default for Takings {
    fn default() -> Self {
        Self { process: rand::random(), is_alone: AtomicBool::new(true), accounts: Mutex::default() }
    }
}

impl Takings {
    /// Takes out of a client's bucket by `take`, which says how long to wait where the bucket does not hold as much: first what is owed
    /// for others, then `share`.
    pub(super) fn take<T>(
        &self,
        name: &ClientName,
        share: NonZeroU32,
        take: impl Fn(NonZeroU32) -> Result<T, Duration>,
    ) -> Result<T, Duration> {
        if self.is_alone.load(Ordering::Relaxed) {
            return take(share);
        }
        let mut accounts = self.accounts();
        let account = accounts.entry(name.clone()).or_default();
        account.pay(&take)?;
        let taken = take(share)?;
        account.taken += u64::from(share.get());
        Ok(taken)
    }

    /// What is to be told now, if anything is.
    pub(super) fn told(&self, telling: &mut Telling) -> Option<Vec<u8>> {
        let is_alone = telling.heard_at.is_none_or(|at| at.elapsed() > GONE);
        self.is_alone.store(is_alone, Ordering::Relaxed);
        telling.silent += 1;
        let taken = self.most_taken();
        if taken.is_empty() && telling.silent < ALONE {
            return None;
        }
        telling.silent = 0;
        serde_json::to_vec(&TakingsMessage { process: self.process, taken }).ok()
    }

    /// Takes in what another process tells, and pays what can be paid at once.
    pub(super) fn hear(
        &self,
        text: &[u8],
        telling: &mut Telling,
        take: impl Fn(&ClientName, NonZeroU32) -> Result<(), Duration>,
    ) {
        let Ok(TakingsMessage { process, taken }) = serde_json::from_slice(text) else { return };
        if process == self.process {
            return;
        }
        if telling.heard_at.replace(Instant::now()).is_none_or(|at| at.elapsed() > GONE) {
            // It is new, and is to know that it is not alone.
            telling.silent = ALONE;
        }
        self.is_alone.store(false, Ordering::Relaxed);
        let mut accounts = self.accounts();
        for (name, share) in taken {
            let name = ClientName::from(name.as_str());
            let account = accounts.entry(name.clone()).or_default();
            account.owed = account.owed.saturating_add(share);
            // Where there is not enough, the client's next request pays the rest.
            let _ = account.pay(&|share| take(&name, share));
        }
    }

    /// Forgets what is settled, and what was too little to be told.
    pub(super) fn forget(&self) {
        let mut accounts = self.accounts();
        accounts.retain(|_, account| account.owed > 0);
        accounts.shrink_to_fit();
    }

    fn most_taken(&self) -> Vec<(String, u64)> {
        let mut accounts = self.accounts();
        let mut much: Vec<_> = accounts.iter_mut().filter(|(_, account)| account.taken >= u64::from(LITTLE)).collect();
        if much.len() > TOLD_MAX {
            much.select_nth_unstable_by_key(TOLD_MAX, |(_, account)| std::cmp::Reverse(account.taken));
            much.truncate(TOLD_MAX);
        }
        let told = |(name, account): (&ClientName, &mut Account)| {
            (name.as_str().to_owned(), std::mem::take(&mut account.taken))
        };
        much.into_iter().map(told).collect()
    }

    fn accounts(&self) -> MutexGuard<'_, HashMap<ClientName, Account>> {
        self.accounts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Account {
    /// Pays what is owed, in pieces: a bucket that holds a little pays a little.
    fn pay<T>(&mut self, take: &impl Fn(NonZeroU32) -> Result<T, Duration>) -> Result<(), Duration> {
        let mut piece = FULL.get();
        while let Some(share) = NonZeroU32::new(self.owed.min(u64::from(piece)) as u32) {
            match take(share) {
                Ok(_) => self.owed -= u64::from(share.get()),
                Err(wait) if share.get() <= LITTLE => return Err(wait),
                Err(_) => piece = share.get() / 2,
            }
        }
        Ok(())
    }
}

impl Default for Telling {
    /// It is told at once that this process is there.
    fn default() -> Self {
        Self { silent: ALONE, heard_at: None }
    }
}
