//! `forebay replay`.

mod apart;
mod database;
mod delivery;
mod fates;
pub(crate) mod files;
mod follow;
pub(crate) mod ingest;
mod resume;
mod wrong;
