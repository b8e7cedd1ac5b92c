//! What the model promises about whole orders: every fault is named, everything else comes through unchanged.
#![allow(missing_docs, clippy::unwrap_used)]

mod facts;
mod golden;
mod orders;
mod ownership;
