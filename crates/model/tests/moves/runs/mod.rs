//! What is run: `sound` and `mistakes` with the tests, `deep` by `./dev explore`.

mod deep;
mod mistakes;
mod sound;

use std::time::Instant;

use crate::moves::Moves;
use crate::search::{Explored, explore};

/// Explores, and tells how much there was.
fn explored(title: &str, model: &Moves) -> Explored {
    let begun = Instant::now();
    let explored = explore(model);
    println!("{title}: {} states, {:.1} s", explored.states, begun.elapsed().as_secs_f32());
    if let Some(broken) = &explored.broken {
        for (number, step) in (1..).zip(&broken.steps) {
            println!("  {number:2}. {step}");
        }
        println!("  => {}", broken.promise);
    }
    explored
}

/// Every promise holds in every schedule.
#[track_caller]
fn holds(title: &str, model: &Moves) {
    assert!(explored(title, model).broken.is_none(), "{title}: a promise is broken, see above");
}
