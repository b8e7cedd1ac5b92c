//! What a request says, checked strictly.

pub(crate) mod accept;
pub(crate) mod partial;
pub(crate) mod query_string;
