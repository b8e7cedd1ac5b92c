//! Runs that do not come to their end at once.

mod killed;
mod resume;
