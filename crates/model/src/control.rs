//! Control frames: what a writer has to take note of at a position of a logged stream. They carry no rows.
//!
//! A decision that stands in the map takes effect at the control frame that tells it, in the transaction that moves the position
//! over it, and only where its epoch is higher than that of the last one of its kind. So it does not matter how often it is
//! appended, by whom, or in which order.

use serde::{Deserialize, Serialize};

use crate::routing::Epoch;
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
}

impl Control {
    /// The epoch of the map that has decided it.
    pub fn epoch(&self) -> Epoch {
        match self {
            Self::Views { epoch, .. } => *epoch,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_and_what_is_not_known_is_refused() {
        let views = Control::Views { epoch: Epoch(7), in_force: "seller=items[].seller_id".parse().unwrap() };
        let text = r#"{"views":{"epoch":7,"in_force":[{"id":1,"name":"seller","path":"items[].seller_id"}]}}"#;
        assert_eq!(serde_json::to_string(&views).unwrap(), text);
        assert_eq!(serde_json::from_str::<Control>(text).unwrap(), views);
        for strange in ["", "{}", r#"{"moves":{"epoch":7}}"#, r#"{"views":{"epoch":7}}"#] {
            assert!(serde_json::from_str::<Control>(strange).is_err(), "{strange}");
        }
    }
}
