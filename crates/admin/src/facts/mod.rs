//! Facts as a shard has them.
//!
//! | module | concept |
//! |---|---|
//! | `order` | an order as a shard has it |
//! | `columns` | facts by column, compared |
//! | `owed` | what a shard owes to another |

pub(crate) mod columns;
pub(crate) mod order;
pub(crate) mod owed;
