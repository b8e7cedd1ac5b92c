//! Rows that store orders.

pub(super) mod ack;
pub(super) mod again;
pub(super) mod backlog;
pub(super) mod events;
pub(super) mod post;
pub(super) mod readable;
pub(super) mod replay;
pub(super) mod shards;
pub(super) mod stored;
pub(super) mod verify;
