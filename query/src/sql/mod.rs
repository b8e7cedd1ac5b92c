//! The statements, their parameters and rows, and how they stay cheap over many partitions.

mod calendar;
pub(crate) mod key;
pub(crate) mod parameters;
pub(crate) mod row;
pub mod statement;
pub(crate) mod window;
