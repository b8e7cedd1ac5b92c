//! Units, wherever they are: which shard answers for one, and for all of them, by what the shards say in the snapshots of their rows. The rules are
//! those of [`forebay_model::ownership::reader`].
//!
//! Where nothing has ever moved, it is one flag: a read is of the shard that the map names, and the snapshot of its rows says that every row up to its position
//! was decided there.
//!
//! | module | concept |
//! |---|---|
//! | `follow` | one unit, from shard to shard |
//! | `pick` | all of them, each from one shard |
//! | `places` | where that lies which a receipt names |

pub(crate) mod follow;
pub(crate) mod pick;
pub(crate) mod places;

pub(crate) use follow::UnitRows;
pub(crate) use places::Places;
