//! Parquet files: orders written as one, and any file's columns read as texts.
//!
//! This crate must never know where orders come from and where they go: no database, no HTTP, no runtime. It turns borrowed
//! parts of orders into bytes, and bytes into cells. It holds a bounded part of a file, however long the file is.
//!
//! | module | concept |
//! |---|---|
//! | [`order`] | an order as a row, and the columns it has |
//! | [`writer`] | writes orders, group by group |
//! | [`table`] | reads the columns of any file, some rows at a time |
//! | `column` | one column of a group of rows |
//! | `kind`, `decimal` | what a column's values mean, and how they are written as texts |

mod column;
mod decimal;
mod kind;
pub mod order;
pub mod table;
pub mod writer;

pub use order::{Order, Shape};
pub use parquet::errors::ParquetError;
pub use table::Table;
pub use writer::OrderWriter;
