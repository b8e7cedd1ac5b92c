//! `forebay replay`.

mod apart;
mod database;
mod delivery;
mod events;
mod exports;
mod fates;
pub(crate) mod files;
mod follow;
pub(crate) mod ingest;
mod killed;
mod objects;
mod resume;
pub(crate) mod system;
mod wrong;
