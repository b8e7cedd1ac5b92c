//! What the model promises about whole orders: every fault is named, everything else comes through unchanged.
#![allow(missing_docs)]

mod facts;
mod orders;
