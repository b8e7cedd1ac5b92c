//! Faults of the ways between services and servers.

pub(super) mod holes;
pub(super) mod ragged;
