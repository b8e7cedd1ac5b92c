//! Orders and what happens to them: as they come, as they are taken, and as they are answered.

pub mod accepted;
pub mod change;
pub mod event;
pub mod lookup;
pub mod new_order;
pub mod order;
pub mod receipt;
