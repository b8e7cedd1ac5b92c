//! What a log has lost, as far as it can be known.

use std::time::Duration;

use anyhow::Result;
use forebay_log::{Log, ReadError, ReadFrom, StreamState, Unreadable, UnreadableFrame};
use forebay_model::{ShardId, StreamKind, Timestamp};
use forebay_shard::StreamPosition;
use serde::{Serialize, Serializer};

/// For how long a frame that is there may not come.
const FRAME_MAX: Duration = Duration::from_secs(10);

/// A loss, and what is known of it.
#[derive(Debug)]
pub(super) struct Loss {
    pub(super) kind: LossKind,
    pub(super) stored: StreamPosition,
    pub(super) state: StreamState,
    /// What is there of a frame that cannot be read.
    unread: Option<UnreadableFrame>,
    /// What the writer says of it.
    pub(super) reason: String,
}

/// How the log does not fit the position.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LossKind {
    /// The stream was deleted and made anew.
    MadeAnew,
    /// Frames that were read are not there, or others are in their place.
    LostTail,
    /// Frames that were not read are not there; this is the next that is.
    Gap {
        /// Its sequence number.
        next: u64,
    },
    /// A frame is not as it was published.
    Damaged {
        /// Its sequence number.
        seq: u64,
    },
    /// A frame is of a format that this version does not know.
    UnknownFormat {
        /// Its sequence number.
        seq: u64,
    },
}

/// As its name: the frames of a gap stand in the detail.
impl Serialize for LossKind {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl LossKind {
    /// Its name in reports.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::MadeAnew => "made_anew",
            Self::LostTail => "lost_tail",
            Self::Gap { .. } => "gap",
            Self::Damaged { .. } => "damaged",
            Self::UnknownFormat { .. } => "unknown_format",
        }
    }
}

impl Loss {
    /// Looks whether the log has lost something, just as a writer does.
    pub(super) async fn find(log: &Log, shard: ShardId, stored: StreamPosition) -> Result<Option<Self>> {
        let stream = stored.stream.on(shard);
        let state = log.stream_state(stream).await?;
        let frame_id = stored.frame_id.parse().ok();
        let after = ReadFrom { position: stored.position, frame_id };
        let looked = match log.read(stream, Some(after)).await {
            // A gap within the stream, or damage, shows itself when the next frame is read.
            Ok(mut reader) if state.last_seq > stored.position.seq => {
                reader.next_batch_within(1, 1, FRAME_MAX).await.map(drop)
            }
            looked => looked.map(drop),
        };
        let kind = match &looked {
            Ok(()) => return Ok(None),
            Err(ReadError::OtherIncarnation { .. }) => LossKind::MadeAnew,
            Err(ReadError::LostTail { .. }) => LossKind::LostTail,
            Err(ReadError::Gap { next, .. }) => LossKind::Gap { next: *next },
            Err(ReadError::Unreadable { seq, why: Unreadable::Damaged(_), .. }) => LossKind::Damaged { seq: *seq },
            Err(ReadError::Unreadable { seq, why: Unreadable::Format { .. }, .. }) => {
                LossKind::UnknownFormat { seq: *seq }
            }
            Err(error) => return Err(error.clone().into()),
        };
        let reason = looked.err().map(|error| error.to_string()).unwrap_or_default();
        let unread = match kind {
            LossKind::Damaged { seq } | LossKind::UnknownFormat { seq } => {
                log.frame(stream, seq).await?.and_then(Result::err)
            }
            _ => None,
        };
        Ok(Some(Self { kind, stored, state, unread, reason }))
    }

    /// Whether accepting it makes the stream another incarnation. One that was made anew is another one already.
    pub(super) fn is_renewed(&self) -> bool {
        match self.kind {
            LossKind::MadeAnew => false,
            LossKind::LostTail => true,
            LossKind::Gap { .. } | LossKind::Damaged { .. } | LossKind::UnknownFormat { .. } => {
                self.stored.stream == StreamKind::Derived
            }
        }
    }

    /// What is gone for certain, and what becomes of the rest.
    pub(super) fn account(&self) -> Vec<String> {
        let mut account = self.account_of_frames();
        if self.is_renewed() {
            account.push("The stream is renewed, so that no position of before is taken for one of now.".to_owned());
        }
        let again = match (self.stored.stream, self.kind) {
            (StreamKind::Logged, LossKind::Gap { .. } | LossKind::Damaged { .. } | LossKind::UnknownFormat { .. }) => {
                None
            }
            (StreamKind::Logged, _) => {
                Some("What follows from the orders that are stored is derived again, for every shard.")
            }
            (StreamKind::Derived, _) => {
                Some("All of it follows from stored orders: the writers of the logged streams derive it again.")
            }
        };
        account.extend(again.map(str::to_owned));
        account
    }

    fn account_of_frames(&self) -> Vec<String> {
        let seq = self.stored.position.seq;
        let since = format!("after {}, when frame {seq} was stored", self.stored.committed_at);
        match self.kind {
            LossKind::MadeAnew => {
                let made_at = Timestamp::from_unix_us(self.state.incarnation.get().cast_signed());
                vec![
                    format!("Lost: what the stream of before held behind frame {seq}; how much, nobody can know."),
                    format!(
                        "These are facts that were logged {since}, and before {made_at}, when this stream was made."
                    ),
                    self.kept(),
                ]
            }
            LossKind::LostTail => vec![
                format!(
                    "Lost: what the stream held behind frame {seq} when it lost its tail; how much, nobody can know."
                ),
                format!("These are facts that were logged {since}. What the shard has stored stays stored."),
                self.kept(),
                String::from("Those that were stored before are counted as duplicates."),
            ],
            LossKind::Gap { next } => vec![
                format!("Lost: frames {} to {}, {} of them.", seq + 1, next - 1, next - 1 - seq),
                format!("These are facts that were logged {since}{}.", self.until()),
                format!("Frame {next} and those behind it are read."),
            ],
            LossKind::Damaged { seq: damaged } if damaged == seq => vec![
                format!(
                    "Nothing is lost that is known: frame {seq} is stored, and its id, which is damaged, cannot be compared."
                ),
                format!(
                    "That this is the stream that was read is only known by its incarnation. Frame {} and those behind it are read.",
                    seq + 1
                ),
            ],
            LossKind::Damaged { seq: damaged } => vec![
                format!("Lost: frame {damaged}, all of it. {}", self.remains()),
                format!("These are facts that were logged {since}."),
                format!("Frame {} and those behind it are read.", damaged + 1),
            ],
            LossKind::UnknownFormat { seq: unknown } => vec![
                format!(
                    "Nothing is lost yet: frame {unknown} is whole, and a writer of the version that made it stores what it holds. Start that one instead of accepting this."
                ),
                format!("Accepted, all of it is lost. {}", self.remains()),
                format!("Frame {} and those behind it are read.", unknown + 1),
            ],
        }
    }

    /// What is there of a frame that cannot be read, to look for what it held.
    fn remains(&self) -> String {
        let Some(UnreadableFrame { headers, payload, .. }) = &self.unread else { return String::new() };
        let headers = headers.lines().collect::<Vec<_>>().join(", ");
        format!("There are {} bytes of it, and as its headers: {headers}.", payload.len())
    }

    fn kept(&self) -> String {
        let StreamState { first_seq, last_seq, frames, .. } = self.state;
        match frames {
            0 => String::from("The stream holds no frames now."),
            _ => format!("Kept: the {frames} frames that it holds now ({first_seq} to {last_seq}) are all read."),
        }
    }

    /// For a gap before the first frame, that frame's time bounds what is lost.
    fn until(&self) -> String {
        match (self.kind, self.state.first_at) {
            (LossKind::Gap { next }, Some(at)) if next == self.state.first_seq => format!(", and before {at}"),
            _ => String::new(),
        }
    }
}
