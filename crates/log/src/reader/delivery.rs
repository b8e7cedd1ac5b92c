//! What a message says that a consumer sends: a frame's place, or what has become of a request.

use async_nats::StatusCode;

/// Where a delivered message stands. Source: ADR-15, the reply subject of JetStream messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Delivered {
    /// In the stream.
    pub(crate) seq: u64,
    /// In what the consumer has delivered.
    pub(crate) delivered: u64,
}

impl Delivered {
    /// From `$JS.ACK.<stream>.<consumer>.<times delivered>.<stream seq>.<consumer seq>.<time>.<pending>`, or the form
    /// that has domain and account before the stream.
    pub(crate) fn parse(reply: &str) -> Option<Self> {
        let tokens = reply.strip_prefix("$JS.ACK.")?;
        let skip = if tokens.split('.').count() >= 9 { 5 } else { 3 };
        let mut tokens = tokens.split('.').skip(skip);
        let seq = tokens.next()?.parse().ok()?;
        let delivered = tokens.next()?.parse().ok()?;
        Some(Self { seq, delivered })
    }
}

/// What a status message means for the present request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Signal {
    /// The server still has it.
    Alive,
    /// It has ended.
    Done,
    /// The next frame is larger than it allowed, or than what was left of it.
    BytesUsedUp,
    /// It is of an earlier request.
    Stale,
    /// The consumer is of no use any more.
    Broken,
}

/// What a status message means; `is_present` says whether it is of the present request. Source: the status messages of
/// pull requests in the NATS documentation (ADR-9, ADR-13).
pub(crate) fn signal(status: Option<StatusCode>, description: &str, is_present: bool) -> Signal {
    match status.map(|status| status.as_u16()) {
        Some(100) => Signal::Alive,
        Some(404 | 408) if is_present => Signal::Done,
        Some(404 | 408) => Signal::Stale,
        Some(409) if description.contains("Exceeds MaxBytes") => {
            if is_present {
                Signal::BytesUsedUp
            } else {
                Signal::Stale
            }
        }
        Some(409) if description.contains("Batch Completed") => {
            if is_present {
                Signal::Done
            } else {
                Signal::Stale
            }
        }
        // Consumer deleted, leadership change, server shutdown, no responders.
        _ => Signal::Broken,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_of_the_reply_subject_are_read() {
        let place = Some(Delivered { seq: 70, delivered: 7 });
        assert_eq!(Delivered::parse("$JS.ACK.s.c.1.70.7.1700000000000000000.3"), place);
        assert_eq!(Delivered::parse("$JS.ACK._.hash.s.c.1.70.7.1700000000000000000.3"), place);
        assert_eq!(Delivered::parse("$JS.ACK._.hash.s.c.1.70.7.1700000000000000000.3.token"), place);
        for strange in ["", "$JS.ACK.", "$JS.ACK.s.c.1.x.7.1.3", "_INBOX.a.1", "$JS.FC.s.c.1.70.7.1.3"] {
            assert_eq!(Delivered::parse(strange), None, "{strange}");
        }
    }

    #[test]
    fn status_messages_are_understood() {
        let of =
            |code: u16, text: &str, is_present| signal(Some(StatusCode::from_u16(code).unwrap()), text, is_present);
        assert_eq!(of(100, "Idle Heartbeat", true), Signal::Alive);
        assert_eq!(of(408, "Request Timeout", true), Signal::Done);
        assert_eq!(of(408, "Request Timeout", false), Signal::Stale);
        assert_eq!(of(409, "Message Size Exceeds MaxBytes", true), Signal::BytesUsedUp);
        assert_eq!(of(409, "Batch Completed", true), Signal::Done);
        assert_eq!(of(409, "Consumer Deleted", true), Signal::Broken);
        assert_eq!(of(503, "", true), Signal::Broken);
        assert_eq!(signal(None, "", true), Signal::Broken);
    }
}
