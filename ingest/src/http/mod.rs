//! The routes, and what their bodies may be.

pub(crate) mod batch;
pub(crate) mod event;
pub(crate) mod media;
pub(crate) mod order;
