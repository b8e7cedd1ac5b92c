//! Places where a test makes the writer fail: moments in the life of a batch.

use forebay_service::failpoint::Point;

/// Every row is sent, and the position moved, in a transaction that is not committed.
pub(crate) const BEFORE_COMMIT: Point = Point::new("before-commit");
/// The shard has committed, and nobody else knows it.
pub(crate) const AFTER_COMMIT: Point = Point::new("after-commit");
/// The notice is about to be sent. Only a notice may get lost without harm.
pub(crate) const NOTICE: Point = Point::droppable("notice");
/// The notice is sent, and nothing is noted in this process.
pub(crate) const AFTER_NOTICE: Point = Point::new("after-notice");

/// All of them.
pub(crate) const POINTS: [Point; 4] = [BEFORE_COMMIT, AFTER_COMMIT, NOTICE, AFTER_NOTICE];
