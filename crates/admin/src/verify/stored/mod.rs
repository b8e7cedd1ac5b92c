//! What a shard stores, against itself and what follows from it.
//!
//! | module | concept |
//! |---|---|
//! | `counters` | rows that were counted against rows that are there |
//! | `statuses` | the status of orders, against what happened to them |
//! | `sums` | what orders are said to come to, against the orders |
//! | `derived` | stored orders against themselves, and what follows from them |
//! | `dead_letters` | what dead letters account for |
//! | `in_force` | the views that a shard derives facts with |
//! | `times` | the times that are noted of orders |
//! | `origins` | orders of stored views and index entries |

pub(super) mod counters;
pub(super) mod dead_letters;
pub(super) mod derived;
pub(super) mod in_force;
pub(super) mod origins;
mod statuses;
mod sums;
pub(super) mod times;
