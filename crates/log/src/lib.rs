//! The log: frames of facts in NATS JetStream, and the shard map beside them. Per shard one stream of what was logged, and one of
//! what was derived, with a subject for each lane, and one for control frames.
//!
//! Two promises are kept here. A frame counts as logged only when JetStream has acknowledged it; a service that answers
//! "accepted" waits for [`Log::publish`]. And nothing is skipped silently: a reader compares its position with the
//! stream (incarnation, tail, gaps) whenever it starts or starts anew, compares each frame with its checksum, and stops with
//! a [`ReadError`] where something does not fit. Positions are kept by the reader; no JetStream acknowledgement of a consumer is involved.
//!
//! This crate must never know Postgres, HTTP, or what the tuples of a frame mean: a payload is bytes.
//!
//! What asks the server more than one question gives a boxed future: an `async fn` is compiled in each crate that awaits it, and
//! with it the client library below it. [`Log::publish`], which every frame goes by, does not.
//!
//! | module | concept |
//! |---|---|
//! | [`log`] | the handle on the log: its connection, a copy of the map that is kept current, and what is remembered of the streams |
//! | `settings` | which log, as flags and for this crate |
//! | `error` | why something did not work |
//! | [`name`] | names of streams, subjects and buckets |
//! | [`frame`] | a frame, how it looks as a message, its checksum |
//! | [`publish`] | putting a frame into the log, and how that fails |
//! | [`stream`] | making and trimming streams; which making of one acknowledged a frame, and renewing it; what the server tells |
//! | `connection` | whether a connection stands; how it shows who it is, and whom it trusts |
//! | [`reach`] | reaching a log however long it takes, and following it |
//! | [`reader`] | reading frames on from a position; one frame asked for by its place |
//! | [`map`] | the shard map: bootstrap, change |
//! | [`founding`] | making a system where there is none, and what is said of one that is there |
//! | [`notice`] | commit notices: what a commit touched |
//! | `talk` | what processes of one kind tell each other, beside the log |

mod connection;
mod error;
pub mod founding;
pub mod frame;
#[cfg(any(test, fuzzing))]
pub mod fuzzing;
#[cfg(test)]
mod golden;
pub mod log;
pub mod map;
pub mod name;
pub mod notice;
pub mod publish;
pub mod reach;
pub mod reader;
mod settings;
pub mod stream;
mod talk;

pub use connection::security::NatsSecurity;
pub use error::{LogError, MapError};
pub use founding::{Disagreement, FoundingArgs, FoundingError};
pub use frame::Frame;
pub use frame::headers::FrameFault;
pub use frame::id::FrameId;
pub use frame::kind::FrameKind;
pub use frame::stored::{BadFrame, StoredFrame, Unreadable, UnreadableFrame};
pub use frame::sum::Damage;
pub use log::Log;
pub use name::LogName;
pub use notice::{NOTICE_VERSION, Notice, NoticeFault, NoticeStream};
pub use publish::PublishError;
pub use reach::{LogState, NotFollowed};
pub use reader::{FrameReader, ReadError, ReadFrom};
pub use settings::{LOCAL_NATS, LogArgs, LogSettings};
pub use stream::StreamState;
pub use stream::inspect::{NatsServer, Room};
