//! What is read of what was written.

mod exports;
mod reading;
mod staleness;
mod views;
