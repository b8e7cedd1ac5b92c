//! Ways that are slow, narrow, cut and reset, now here, now there.

use std::time::Duration;

use anyhow::Result;
use forebay_testkit::Mode;
use rand::RngExt;
use rand::rngs::StdRng;

use crate::matrix::trial::Trial;

/// Spoils one way after the other.
pub(crate) async fn ragged(trial: &mut Trial) -> Result<()> {
    let ways = trial.system.links().ways();
    for _ in 0..trial.span.rounds() * 6 {
        let (part, server) = ways[trial.rng.random_range(0..ways.len())];
        let mode = any_mode(&mut trial.rng);
        trial.system.links().set(part, server, mode);
        trial.injected += 1;
        trial.work(300..2000).await;
        trial.system.links().heal();
        trial.work(0..500).await;
    }
    Ok(())
}

fn any_mode(rng: &mut StdRng) -> Mode {
    match rng.random_range(0..4) {
        0 => Mode::Delay(Duration::from_millis(rng.random_range(10..300))),
        1 => Mode::Throttle(rng.random_range(20_000..400_000)),
        2 => Mode::Reset,
        _ => Mode::CutAfter(rng.random_range(0..60_000)),
    }
}
