//! Places in the logs: which stream, how far, and what a request's receipt names.

pub mod derived;
pub mod position;
pub mod receipt;
pub mod stream;

pub use derived::DerivedThrough;
pub use position::{Incarnation, Position};
pub use receipt::{Accepted, Receipt};
pub use stream::StreamId;
