//! One transaction: every lane of a stream, one position.

mod arrange;
pub(super) mod attempt;
mod awaited;
pub(super) mod bisect;
pub(super) mod owner;
mod part;
mod restate;
mod staging;
pub(crate) mod sums;
#[cfg(test)]
mod tests;
mod times;
