//! `forebay replay`.

mod apart;
mod delivery;
mod events;
mod fates;
pub(crate) mod files;
mod follow;
pub(crate) mod ingest;
mod interrupted;
mod sources;
pub(crate) mod system;
mod wrong;
