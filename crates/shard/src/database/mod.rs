//! What a server says of itself and of its database, beside the lanes' tables.
//!
//! | module | concept |
//! |---|---|
//! | `server` | version, role, settings, connections, clock |
//! | `footprint` | what the database takes, and where on a disk it lies |
//! | `foreign_table` | tables that are not ours |

mod footprint;
mod foreign_table;
mod server;

pub use footprint::Footprint;
pub use foreign_table::foreign_table;
pub use server::{ServerReport, clock};
