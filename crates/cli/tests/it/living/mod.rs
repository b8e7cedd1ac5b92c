//! Orders that something happens to, in a whole system: what is told of them is what a model says that has everything at once.

mod december;
mod history;
mod restored;
mod totals;
