//! A service whose clock is ten minutes off.

use std::path::PathBuf;

use anyhow::Result;
use forebay_model::Timestamp;
use forebay_stack::ServiceName;
use rand::RngExt;

use crate::matrix::trial::Trial;

const OFF_S: i64 = 600;

/// Why no clock can be shifted here, if that is so.
pub(crate) fn obstacle() -> Option<String> {
    library().is_none().then(|| "libfaketime is not installed (apt-get install faketime)".to_owned())
}

/// The kernel can shift only the clocks that nobody sets by date, so a library does it.
fn library() -> Option<PathBuf> {
    let below = ["/usr/lib/x86_64-linux-gnu", "/usr/lib/aarch64-linux-gnu", "/usr/lib64", "/usr/lib", "/usr/local/lib"];
    below.map(|dir| PathBuf::from(dir).join("faketime/libfaketime.so.1")).into_iter().find(|path| path.exists())
}

/// Starts the service with a clock that is fast or slow, lets it work, and starts it with the right one.
pub(crate) async fn shift(trial: &mut Trial, part: ServiceName) -> Result<()> {
    let library = library().unwrap_or_default().to_string_lossy().into_owned();
    for _ in 0..trial.span.rounds().min(2) {
        let off = if trial.rng.random() { OFF_S } else { -OFF_S };
        let shift = format!("{off:+}");
        // What measures durations goes on as it is: that clock is never wrong by a jump.
        let settings = [("LD_PRELOAD", library.as_str()), ("FAKETIME", &shift), ("FAKETIME_DONT_FAKE_MONOTONIC", "1")];
        trial.replace(part, &settings).await?;
        trial.injected += 1;
        let seen = trial.system.clock(part).await? - Timestamp::now().unix_us() / 1_000_000;
        if (seen - off).abs() > 60 {
            trial.add_finding(format!("the clock of {part:?} should be {off} s off, and is {seen} s"));
        }
        tokio::time::sleep(trial.span.of(5, 12)).await;
        trial.replace(part, &[]).await?;
    }
    Ok(())
}
