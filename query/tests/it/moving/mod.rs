//! What readers see while units move, step by step and under load, and what SQL says.

mod ledger;
mod load;
mod marks;
mod scene;
mod sql;
mod steps;
