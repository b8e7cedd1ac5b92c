//! What readers see while units move, step by step and under load.

mod ledger;
mod load;
mod scene;
mod steps;
