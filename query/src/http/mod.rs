//! The endpoints: what a request asks for, and its answer.

pub(crate) mod customer;
pub(crate) mod order;
pub(crate) mod page;
pub(crate) mod query_string;
pub(crate) mod range;
pub(crate) mod response;
pub(crate) mod stats;
pub(crate) mod view;
