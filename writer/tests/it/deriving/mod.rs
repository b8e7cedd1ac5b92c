//! What follows from stored orders.

mod debts;
mod derives;
