//! The signals that stop a service.

use std::convert::Infallible;
use std::io;
use std::time::{Duration, Instant};

use tokio::signal::unix::{SignalKind, signal};
use tracing::{info, warn};

use crate::shutdown::Shutdown;

/// SIGINT that comes sooner than this after the first signal is an echo of it.
const ASKED_AGAIN: Duration = Duration::from_secs(1);

/// From now on SIGHUP, at which a process would die with what it has in hand, is noted and nothing else: files that change are read again by
/// themselves, and settings hold until the next start. SIGTERM and SIGINT begin to stop the service, and a further SIGINT ends it at once, for as long as the future
/// is polled.
///
/// One stop often arrives as several signals: Ctrl-C goes to a whole process group and a supervisor adds its SIGTERM,
/// `timeout` signals its child and then the group. So only somebody who asks again counts: SIGINT, after a moment.
pub(crate) fn obey(shutdown: Shutdown) -> io::Result<impl Future<Output = Infallible>> {
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let mut hangup = signal(SignalKind::hangup())?;
    Ok(async move {
        let name = loop {
            tokio::select! {
                _ = terminate.recv() => break "SIGTERM",
                _ = interrupt.recv() => break "SIGINT",
                _ = hangup.recv() => info!("SIGHUP changes nothing: restart the service where its settings have changed"),
            }
        };
        info!(signal = name, "stopping");
        shutdown.start();
        let asked = Instant::now();
        while interrupt.recv().await.is_some() {
            if asked.elapsed() >= ASKED_AGAIN {
                warn!("SIGINT again, ending at once");
                shutdown.force();
            }
        }
        std::future::pending().await
    })
}
