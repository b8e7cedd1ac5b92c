//! Rate limits per client, which hold over all processes of a service together.
//!
//! | module | concept |
//! |---|---|
//! | `rates` | what each client has left |
//! | `takings` | what processes tell each other of what was taken |

mod rates;
mod takings;

pub use rates::{Left, Policy, Rates};
