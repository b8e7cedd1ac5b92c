//! `forebay replay`.

mod delivery;
mod fates;
pub(crate) mod files;
pub(crate) mod ingest;
mod resume;
mod wrong;
