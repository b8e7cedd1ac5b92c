//! The frames of a stream, decoded, and the way out where one has halted because its log has lost something or is damaged.
//!
//! | module | concept |
//! |---|---|
//! | `show` | frames, one after the other |
//! | `frame` | what is known of a frame |
//! | `accept_loss` | going on after a loss |
//! | `loss` | what was lost, and where to go on |

mod accept_loss;
mod frame;
mod loss;
mod show;

pub use accept_loss::{KnownLoss, LogReport, LossReport, accept_loss};
pub use frame::FrameReport;
pub use loss::LossKind;
pub use show::{Met, Selection, show};
