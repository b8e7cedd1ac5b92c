//! The log: frames of facts in NATS JetStream streams, one stream per lane and shard, and the shard map beside them.
//!
//! Two promises are kept here. A frame counts as logged only when JetStream has acknowledged it; whoever answers
//! "accepted" waits for [`Log::publish`]. And nothing is skipped silently: a reader compares its position with the
//! stream (incarnation, tail, gaps) whenever it starts or starts anew, and stops with a [`ReadError`] where they
//! disagree. Positions are kept by whoever reads; no JetStream acknowledgement of a consumer is involved.
//!
//! This crate must never know Postgres, HTTP, or what the tuples of a frame mean: a payload is bytes.
//!
//! | module | concept |
//! |---|---|
//! | [`log`] | the handle on the log: its connection |
//! | `settings` | which log, and how its streams are made, as flags and for this crate |
//! | `error` | why something did not work |
//! | [`name`] | names of streams, subjects and buckets |
//! | [`frame`] | a frame, and how it looks as a message |
//! | [`publish`] | putting a frame into the log, and how that fails |
//! | `message` | one message of a stream, asked for by its place |
//! | `incarnation` | which making of a stream acknowledged a frame |
//! | [`stream`] | making, inspecting and trimming streams |
//! | [`reach`] | reaching a log however long it takes, and following it |
//! | [`inspect`] | what the server tells of itself and of its streams |
//! | `renewal` | making a stream another incarnation |
//! | [`reader`] | reading frames on from a position |
//! | [`map`] | the shard map: bootstrap, change, watch |
//! | [`notice`] | commit notices: what a commit touched |

mod error;
pub mod frame;
#[cfg(any(test, fuzzing))]
pub mod fuzzing;
mod incarnation;
pub mod inspect;
mod link;
pub mod log;
pub mod map;
mod message;
pub mod name;
pub mod notice;
pub mod publish;
pub mod reach;
pub mod reader;
mod renewal;
mod settings;
pub mod stream;

pub use error::LogError;
pub use frame::{BadFrame, Frame, FrameFault, FrameId, StoredFrame};
pub use inspect::{NatsServer, Room};
pub use log::Log;
pub use map::MapError;
pub use name::LogName;
pub use notice::{NOTICE_VERSION, Notice, NoticeFault, NoticeStream};
pub use publish::PublishError;
pub use reach::{LogState, NotFollowed};
pub use reader::{FrameReader, ReadError, ReadFrom};
pub use settings::{LOCAL_NATS, LogArgs, LogSettings, StreamArgs};
pub use stream::StreamState;
