//! What must hold for bytes from anywhere: one function per fuzz target. Each panics where it does not hold.
//!
//! Only fuzz targets and tests are built with this module; the tests run it over the seeds of the targets.

pub use crate::replay::fuzzing::{decimal, json, local_time, map};

#[cfg(test)]
#[path = "../../../tools/fuzz/seeds.rs"]
mod seeds;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_seeds_of_the_fuzz_targets_hold() {
        seeds::each("map", map);
        seeds::each("json", json);
        seeds::each("decimal", decimal);
        seeds::each("local_time", local_time);
    }
}
