//! Lists, and questions about one.
//!
//! | module | concept |
//! |---|---|
//! | `customer`, `view`, `range` | the endpoints: of a customer, of a view's key, of a time over everybody |
//! | `list`, `listed` | a list that is asked for; a question about one |
//! | `page`, `export`, `totals` | a list by the page; a whole list in one answer; what it comes to |

pub(in crate::http) mod customer;
mod export;
mod list;
mod listed;
mod page;
pub(in crate::http) mod range;
mod totals;
pub(in crate::http) mod view;
