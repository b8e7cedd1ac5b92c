//! Orders that do not lie in files of this machine.

mod database;
mod exports;
mod objects;
