//! Places where a test makes the writer fail: moments in the life of a batch.

use forebay_service::failpoint::Point;

/// Every row is sent, and the position moved, in a transaction that is not committed.
pub(crate) const BEFORE_COMMIT: Point = Point::new("before-commit");
/// The shard has committed, and nobody else knows it.
pub(crate) const AFTER_COMMIT: Point = Point::new("after-commit");
/// What a commit has brought is acknowledged by a derived stream, and nobody has noted it.
pub(crate) const AFTER_DERIVED: Point = Point::new("after-derived");
/// What was derived is about to be noted, where there is nothing to commit.
pub(crate) const BEFORE_NOTED: Point = Point::new("before-noted");
/// The notice is about to be sent. Only a notice may get lost without harm.
pub(crate) const NOTICE: Point = Point::droppable("notice");
/// The notice is sent, and nothing is noted in this process.
pub(crate) const AFTER_NOTICE: Point = Point::new("after-notice");

/// All of them.
pub(crate) const POINTS: [Point; 6] = [BEFORE_COMMIT, AFTER_COMMIT, AFTER_DERIVED, BEFORE_NOTED, NOTICE, AFTER_NOTICE];
