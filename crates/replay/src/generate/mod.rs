//! Plausible orders, the same for the same seed.
//!
//! | module | concept |
//! |---|---|
//! | [`orders`] | orders by a recipe, as lines of JSON |
//! | `skew`, `random` | how unevenly customers order and products sell |
//! | `clock` | times, written fast |

mod clock;
mod orders;
mod random;
mod skew;

use std::io::Write;

pub use orders::{Orders, Recipe};

/// So much is gathered for one write.
const WRITE_BYTES: usize = 1024 * 1024;

/// Writes all orders in large pieces.
///
/// # Errors
/// Those of `out`.
pub fn write(mut orders: Orders, mut out: impl Write) -> std::io::Result<()> {
    let mut buffer = Vec::with_capacity(WRITE_BYTES + 1024);
    while orders.append_next(&mut buffer) {
        if buffer.len() >= WRITE_BYTES {
            out.write_all(&buffer)?;
            buffer.clear();
        }
    }
    out.write_all(&buffer)?;
    out.flush()
}
