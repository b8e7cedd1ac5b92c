//! What a library's tasks need and a service need not know: who starts them, and how long they wait after a failure. It knows
//! nothing of services, and nothing of what is tried.
//!
//! | module | what it has |
//! |---|---|
//! | `backoff` | how long to wait after a failure |
//! | `spawner` | starting a task without knowing who watches it |

mod backoff;
mod spawner;

pub use backoff::Backoff;
pub use spawner::Spawner;
