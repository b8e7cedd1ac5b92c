//! Which shard owns a unit of the key space, and how that changes while orders flow: positions decide, not clocks.
//!
//! What a shard owns stands in its own database, beside its position. Only control frames of its own log change it, each in the
//! transaction that moves the position over it, and only to a higher epoch. So it does not matter how old the map of an ingest was,
//! or how long a process was stopped between a decision and a publish. The map says what happens next to a unit that is under way,
//! and changes by compare-and-swap; a mover does what follows from the map and from what the shards say, so that any
//! process can go on with it, and several at once do no harm.
//!
//! A move of a unit from A to B, with the epochs of the map that decide it:
//!
//! | the map says | into B's log | into A's log | then |
//! |---|---|---|---|
//! | `copying@e` | `receiving@e` | `copying@e` | A stores, and publishes what it stores to B's log, too; a mover copies what was there before |
//! | `releasing@e+1` | `awaiting@e+1` | `released@e+1` | A sends on what comes, B parks it |
//! | `routed@e+2` | | | ingest writes to B; both sides stand still, and are compared |
//! | `active@e+3` | `owned@e+3` | | B compares once more, decides what it has parked, and owns |
//! | `owned`, still `@e+3` | | `cleaned@e+3`, later | A keeps its rows for a while |
//! | or before that `turned_back@f` | `cleaned@f`, behind A's | `owned@f` | A owns, and what B has parked goes to A |
//!
//! Nothing here does anything: each function is given what was seen, and says what follows. `tests/moves` of this crate explores
//! these very functions exhaustively; `docs/decisions/0020-positions-decide-who-owns.md` says why they are so.
//!
//! | module | concept |
//! |---|---|
//! | [`unit`](mod@unit) | what has one owner |
//! | [`state`] | what a shard says of a unit |
//! | [`change`] | what a control frame says of a unit |
//! | [`taking`] | what a control frame does |
//! | [`copied`] | rows that a move brings, in the log |
//! | [`rows`] | what a writer does with a row, and with a copy |
//! | [`entry`] | what the map says of a unit that is under way |
//! | [`mover`] | what is to be done next, to move a unit |
//! | [`reader`] | which shard answers for a unit |
//! | [`sums`] | what rows come to, so that two shards can be compared |
//!
//! What is stored or sent of it ([`Ownership`] in a shard's table, [`Change`] in control frames, [`MoveEntry`] in the map) is JSON of the version
//! [`VERSION`]. A field or a state that is not known is refused, never passed over.

pub mod change;
pub mod copied;
pub mod entry;
pub mod mover;
pub mod reader;
pub mod rows;
pub mod state;
pub mod sums;
pub mod taking;
pub mod unit;

pub use change::{Change, Inheritance, NewState};
pub use copied::{Copied, CopiedPlace};
pub use entry::{MoveEntry, Phase};
pub use mover::{Act, Compared, Next, Scene, Side, Wishes};
pub use reader::{Logged, Pick, Reading, Sighting};
pub use rows::{CopyFate, RowFate};
pub use state::{MoveId, Ownership, State, Tenure};
pub use sums::{DailySums, Sum, Sums};
pub use taking::{Duty, Taken};
pub use unit::Unit;

/// The version of what is stored and sent of all this.
pub const VERSION: u8 = 1;
