//! What stands in the tables, and for how long.

mod comparison;
mod dropped_view;
mod figures;
mod loss;
mod merges;
mod partitions;
mod places;
mod statuses;
mod tenants;
