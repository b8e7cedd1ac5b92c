//! Who asks, and what for.
//!
//! | module | concept |
//! |---|---|
//! | [`reader`] | who asks, and so what may be seen |
//! | `query_string`, `accept` | what a request says, checked strictly |

pub(crate) mod accept;
pub(crate) mod query_string;
pub(crate) mod reader;
