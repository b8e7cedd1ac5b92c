//! Control frames: what a writer has to take note of at a position of a stream. They carry no rows.
//!
//! A decision that stands in the map takes effect at the control frame that tells it, in the transaction that moves the position
//! over it, and only where its epoch is higher than that of the last one about the same. So it does not matter how often it is
//! appended, by whom, or in which order.

use serde::{Deserialize, Serialize};

use crate::StreamKind;
use crate::ownership::Change;
use crate::shard_id::Epoch;
use crate::view::ViewSet;

/// What a control frame says. As JSON it is an object with the kind as its one key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Control {
    /// Whatever is committed behind it is derived with these views.
    Views {
        /// The epoch of the map that says so.
        epoch: Epoch,
        /// All of them.
        in_force: ViewSet,
    },
    /// What the shard is to a unit from here on. It stands in the stream by which the unit's facts come.
    Owner(Change),
}

impl Control {
    /// The epoch of the map that has decided it.
    pub fn epoch(&self) -> Epoch {
        match self {
            Self::Views { epoch, .. } => *epoch,
            Self::Owner(change) => change.epoch,
        }
    }

    /// The kind of stream in which it is said.
    pub fn stream(&self) -> StreamKind {
        match self {
            Self::Views { .. } => StreamKind::Logged,
            Self::Owner(change) => change.unit.stream(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ownership::{MoveEntry, Unit};
    use crate::{Bucket, ShardId};

    #[test]
    fn what_is_written_is_read_and_what_is_not_known_is_refused() {
        let views = Control::Views { epoch: Epoch(7), in_force: "seller=items[].seller_id".parse().unwrap() };
        let text = r#"{"views":{"epoch":7,"in_force":[{"id":1,"name":"seller","path":"items[].seller_id"}]}}"#;
        assert_eq!(serde_json::to_string(&views).unwrap(), text);
        assert_eq!(serde_json::from_str::<Control>(text).unwrap(), views);
        let unit = Unit::of(StreamKind::Derived, Bucket::new(17).unwrap());
        let entry = MoveEntry::begin(unit, Epoch(8), ShardId(0), ShardId(1));
        let owner = Control::Owner(entry.to_source().unwrap());
        let text = r#"{"owner":{"unit":{"bucket":{"stream":"derived","number":17}},"epoch":8,"move":8,"state":{"copying":{"to":1}}}}"#;
        assert_eq!(serde_json::to_string(&owner).unwrap(), text);
        assert_eq!(serde_json::from_str::<Control>(text).unwrap(), owner);
        assert_eq!((views.stream(), owner.stream()), (StreamKind::Logged, StreamKind::Derived));
        for strange in ["", "{}", r#"{"moves":{"epoch":7}}"#, r#"{"views":{"epoch":7}}"#] {
            assert!(serde_json::from_str::<Control>(strange).is_err(), "{strange}");
        }
    }
}
