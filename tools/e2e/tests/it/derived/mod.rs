//! What follows from stored orders, made anew, made up and compared.

mod backfill;
mod debts;
mod verify;
