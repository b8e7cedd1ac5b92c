//! What goes wrong, and how often.

/// Something that a run lets happen at most as often as its budget says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// A writer dies between what it publishes and its commit.
    Crash,
    /// A writer repeats a publish, and the first attempt arrives much later.
    Echo,
    /// A mover decides something, and does it later.
    SlowMover,
    /// A database fails over to its replica.
    Failover,
    /// The replica comes as far as the database.
    Replica,
    /// A move is turned back.
    TurnBack,
    /// A log takes no frames for a while.
    Full,
    /// A reader is slow between its looks.
    SlowReader,
    /// A reader of all shards is slow between them.
    Overview,
    /// `x` is archived.
    Archive,
    /// A row that was copied is lost at the target.
    Loss,
    /// Somebody cleans beside the log. Only by mistake.
    Cleaner,
}

/// How often each may still happen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Budget([u8; Fault::Cleaner as usize + 1]);

impl Budget {
    /// Each as often as it is named.
    pub(crate) fn and(mut self, faults: &[Fault]) -> Self {
        for &fault in faults {
            self.0[fault as usize] += 1;
        }
        self
    }

    pub(crate) fn of(self, fault: Fault) -> u8 {
        self.0[fault as usize]
    }

    pub(crate) fn has(self, fault: Fault) -> bool {
        self.of(fault) > 0
    }

    pub(crate) fn spend(&mut self, fault: Fault) {
        self.0[fault as usize] -= 1;
    }
}
