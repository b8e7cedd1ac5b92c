//! The cases by name.

use anyhow::Result;
use forebay_stack::{Server, ServiceName};

use super::disk;
use super::processes::{clock, freezes, kills, stops, writers};
use super::rows::{conflicts, events, hang_ups, poison, refusals, twice};
use super::storage::targets::Owed;
use super::storage::{backlog, backups, deletions, full, promotions, targets};
use super::trial::{Target, Trial};
use super::units;
use super::ways::{holes, ragged};

/// A kind of fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Case {
    /// `kill -9` at any moment.
    Kill(Target),
    /// `kill -9` of every service and every server at once.
    KillAll,
    /// SIGTERM of everything, in any order.
    StopAll,
    /// The writer aborts, or loses a notice, at a point of its work.
    Failpoint(&'static str),
    /// SIGSTOP.
    Freeze(Server),
    /// Nothing passes on the way from a service to a server, and nobody is told.
    BlackHole(ServiceName, Server),
    /// Ways that are slow, that are cut, that are reset.
    RaggedLinks,
    /// Streams reach their largest size.
    LogFull,
    /// A shard is away until its streams are full.
    ShardAway,
    /// A shard that facts are derived for takes none until its stream is full, and is made up for from the log or, where the
    /// log is trimmed past what is owed, from what is stored.
    TargetAway(Owed),
    /// A shard is restored from a backup.
    ShardRestored,
    /// The same, and its derived stream has been trimmed past what the backup has.
    TargetRestored,
    /// A shard is lost, and its replica takes its place without the last commits.
    ShardPromoted,
    /// A stream of what was logged is deleted.
    LogDeleted,
    /// A stream of what was derived is deleted.
    DerivedDeleted,
    /// A stream of what was derived is set back to an older copy of itself.
    DerivedSetBack,
    /// The disk of the log is full.
    LogDiskFull,
    /// The disk of a shard is full.
    ShardDiskFull,
    /// A file is replayed while a shard is away.
    ReplayWaits,
    /// The writer that leads is killed, and another one waits for that.
    StandbyKill,
    /// The writer that leads is frozen until another one leads, and goes on then.
    StandbyFreeze,
    /// Two writers that both believe that they lead.
    TwoWriters,
    /// Rows that Postgres refuses for what is in them.
    RowsRefused,
    /// Orders with ids that are taken.
    Conflicts,
    /// Events of orders, before them, behind them and twice, while services are killed.
    Events,
    /// Clients that close their connections at any moment of a request.
    HangUps,
    /// Every request is sent twice.
    RequestsTwice,
    /// A file is replayed twice.
    FileTwice,
    /// Frames are published twice.
    FramesTwice,
    /// Messages in the streams that no writer can store.
    Poison,
    /// A service's clock is ten minutes off.
    Clock(ServiceName),
    /// SIGTERM.
    Stop(ServiceName),
    /// `kill -9` of anybody while buckets move.
    MovesKilled,
    /// Somebody changes rows of buckets that move.
    MovedRows,
    /// The shard that buckets move to dies, and they are given up.
    MovesTargetDead,
}

/// The shard that faults are done to.
const SHARD: usize = 1;

impl Case {
    /// Every case.
    pub const ALL: [Self; 58] = [
        Self::Kill(Target::Service(ServiceName::Ingest)),
        Self::Kill(Target::Service(ServiceName::Writer)),
        Self::Kill(Target::Service(ServiceName::Query)),
        Self::Kill(Target::Server(Server::Nats)),
        Self::Kill(Target::Server(Server::Redis)),
        Self::Kill(Target::Server(Server::Postgres(SHARD))),
        Self::KillAll,
        Self::StopAll,
        Self::Failpoint("before-commit=abort:0.02"),
        Self::Failpoint("after-commit=abort:0.02"),
        Self::Failpoint("after-derived=abort:0.05"),
        Self::Failpoint("before-noted=abort:0.2"),
        Self::Failpoint("notice=abort:0.02"),
        Self::Failpoint("notice=drop:0.3"),
        Self::Failpoint("after-notice=abort:0.02"),
        Self::Freeze(Server::Nats),
        Self::Freeze(Server::Redis),
        Self::Freeze(Server::Postgres(SHARD)),
        Self::BlackHole(ServiceName::Ingest, Server::Nats),
        Self::BlackHole(ServiceName::Writer, Server::Nats),
        Self::BlackHole(ServiceName::Writer, Server::Postgres(SHARD)),
        Self::BlackHole(ServiceName::Query, Server::Postgres(SHARD)),
        Self::BlackHole(ServiceName::Query, Server::Redis),
        Self::BlackHole(ServiceName::Query, Server::Nats),
        Self::RaggedLinks,
        Self::LogFull,
        Self::ShardAway,
        Self::TargetAway(Owed::InLog),
        Self::TargetAway(Owed::Trimmed),
        Self::ShardRestored,
        Self::TargetRestored,
        Self::ShardPromoted,
        Self::ReplayWaits,
        Self::LogDeleted,
        Self::DerivedDeleted,
        Self::DerivedSetBack,
        Self::LogDiskFull,
        Self::ShardDiskFull,
        Self::StandbyKill,
        Self::StandbyFreeze,
        Self::TwoWriters,
        Self::RowsRefused,
        Self::Conflicts,
        Self::Events,
        Self::HangUps,
        Self::RequestsTwice,
        Self::FileTwice,
        Self::FramesTwice,
        Self::Poison,
        Self::Clock(ServiceName::Ingest),
        Self::Clock(ServiceName::Writer),
        Self::Clock(ServiceName::Query),
        Self::Stop(ServiceName::Ingest),
        Self::Stop(ServiceName::Writer),
        Self::Stop(ServiceName::Query),
        Self::MovesKilled,
        Self::MovedRows,
        Self::MovesTargetDead,
    ];

    /// What people call it, such as `kill-writer`.
    pub fn name(self) -> String {
        match self {
            Self::Kill(target) => format!("kill-{}", target.name()),
            Self::KillAll => "kill-all".to_owned(),
            Self::StopAll => "stop-all".to_owned(),
            Self::Failpoint(text) => {
                format!("failpoint-{}", text.split(':').next().unwrap_or_default().replace('=', "-"))
            }
            Self::Freeze(server) => format!("freeze-{}", Target::Server(server).name()),
            Self::BlackHole(part, server) => {
                format!("black-hole-{}-{}", Target::Service(part).name(), Target::Server(server).name())
            }
            Self::RaggedLinks => "ragged-links".to_owned(),
            Self::LogFull => "log-full".to_owned(),
            Self::ShardAway => "shard-away".to_owned(),
            Self::TargetAway(Owed::InLog) => "target-away".to_owned(),
            Self::TargetAway(Owed::Trimmed) => "target-away-trimmed".to_owned(),
            Self::ShardRestored => "shard-restored".to_owned(),
            Self::TargetRestored => "target-restored".to_owned(),
            Self::ShardPromoted => "shard-promoted".to_owned(),
            Self::ReplayWaits => "replay-waits".to_owned(),
            Self::LogDeleted => "log-deleted".to_owned(),
            Self::DerivedDeleted => "derived-deleted".to_owned(),
            Self::DerivedSetBack => "derived-set-back".to_owned(),
            Self::StandbyKill => "standby-kill".to_owned(),
            Self::StandbyFreeze => "standby-freeze".to_owned(),
            Self::TwoWriters => "two-writers".to_owned(),
            Self::RowsRefused => "rows-refused".to_owned(),
            Self::Events => "events".to_owned(),
            Self::Conflicts => "conflicts".to_owned(),
            Self::HangUps => "hang-ups".to_owned(),
            Self::LogDiskFull => "log-disk-full".to_owned(),
            Self::ShardDiskFull => "shard-disk-full".to_owned(),
            Self::RequestsTwice => "requests-twice".to_owned(),
            Self::FileTwice => "file-twice".to_owned(),
            Self::FramesTwice => "frames-twice".to_owned(),
            Self::Poison => "poison".to_owned(),
            Self::Clock(part) => format!("clock-{}", Target::Service(part).name()),
            Self::Stop(part) => format!("stop-{}", Target::Service(part).name()),
            Self::MovesKilled => "moves-killed".to_owned(),
            Self::MovedRows => "moved-rows".to_owned(),
            Self::MovesTargetDead => "moves-target-dead".to_owned(),
        }
    }

    /// Settings of all services that the case needs.
    pub(super) fn settings(self) -> &'static [(&'static str, &'static str)] {
        match self {
            Self::LogFull | Self::ShardAway | Self::TargetAway(_) | Self::ReplayWaits => full::SETTINGS,
            _ => &[],
        }
    }

    /// The shard that has a replica, if one has.
    pub(super) fn replicated(self) -> Option<usize> {
        (self == Self::ShardPromoted).then_some(SHARD)
    }

    /// Whether `forebay verify --full` has the last word.
    pub(super) fn is_verified(self) -> bool {
        matches!(
            self,
            Self::HangUps
                | Self::Conflicts
                | Self::Events
                | Self::DerivedSetBack
                | Self::MovesKilled
                | Self::MovedRows
                | Self::MovesTargetDead
        )
    }

    /// Why the case cannot be run on this machine, if it cannot.
    pub fn obstacle(self) -> Option<String> {
        match self {
            Self::Clock(_) => clock::obstacle(),
            Self::LogDiskFull | Self::ShardDiskFull => disk::obstacle(),
            _ => None,
        }
    }

    /// Does the faults, and heals them.
    pub(super) async fn inject(self, trial: &mut Trial) -> Result<()> {
        match self {
            Self::Kill(target) => kills::kill(trial, target).await,
            Self::KillAll => kills::everything(trial).await,
            Self::StopAll => stops::everything(trial).await,
            Self::Failpoint(text) => kills::failpoint(trial, text).await,
            Self::Freeze(server) => freezes::freeze(trial, server).await,
            Self::BlackHole(part, server) => holes::black_hole(trial, part, server).await,
            Self::RaggedLinks => ragged::ragged(trial).await,
            Self::LogFull => full::log(trial).await,
            Self::ShardAway => full::shard(trial, SHARD).await,
            Self::TargetAway(owed) => targets::away(trial, SHARD, owed).await,
            Self::ShardRestored => backups::restore(trial, SHARD).await,
            Self::TargetRestored => backups::restore_trimmed(trial, SHARD).await,
            Self::ShardPromoted => promotions::promote(trial, SHARD).await,
            Self::ReplayWaits => backlog::replay(trial, SHARD).await,
            Self::LogDeleted => deletions::delete(trial, SHARD).await,
            Self::DerivedDeleted => targets::delete(trial, SHARD).await,
            Self::DerivedSetBack => targets::set_back(trial, SHARD).await,
            Self::StandbyKill => writers::kill(trial).await,
            Self::StandbyFreeze => writers::freeze(trial).await,
            Self::TwoWriters => writers::two(trial).await,
            Self::RowsRefused => refusals::refuse(trial, SHARD).await,
            Self::Conflicts => conflicts::conflict(trial).await,
            Self::Events => events::happen(trial).await,
            Self::HangUps => hang_ups::hang_up(trial).await,
            Self::LogDiskFull => full::log_disk(trial).await,
            Self::ShardDiskFull => full::shard_disk(trial, SHARD).await,
            Self::RequestsTwice => twice::requests(trial).await,
            Self::FileTwice => twice::file(trial).await,
            Self::FramesTwice => twice::frames(trial).await,
            Self::Poison => poison::poison(trial).await,
            Self::Clock(part) => clock::shift(trial, part).await,
            Self::Stop(part) => stops::stop(trial, part).await,
            Self::MovesKilled => units::kills::kill(trial).await,
            Self::MovedRows => units::rows::change(trial).await,
            Self::MovesTargetDead => units::dead::target(trial, SHARD).await,
        }
    }
}
