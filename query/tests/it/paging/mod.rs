//! Lists and look-ups, page by page.

mod answers;
mod lists;
mod lookups;
mod many;
mod mistakes;
mod plans;
mod round_trip;
mod tenants;
pub(crate) mod walk;
