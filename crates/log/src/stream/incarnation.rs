//! Which making of a stream acknowledged a frame. The server's acknowledgement has only the sequence number, so the
//! incarnation is asked for once and then remembered, for as long as nothing hints at another making of the stream.

use forebay_model::{Incarnation, StreamId};
use tokio::time::Instant;

use crate::error::LogError;
use crate::log::Log;
use crate::log::incarnations::{Acked, KnownIncarnation, Remembered};

impl Log {
    /// Which making of the stream gave an acknowledgement.
    pub(crate) async fn incarnation_of(&self, stream: StreamId, acked: Acked) -> Result<Incarnation, LogError> {
        let all = self.incarnations();
        if let Some(Remembered { incarnation, is_due }) = all.remembered(stream, acked) {
            if is_due {
                let log = self.clone();
                let name = format!("incarnation of {stream}");
                self.settings().spawner.spawn(name, async move { log.look_again(stream).await });
            }
            return Ok(incarnation);
        }
        let _one_at_a_time = all.asking.lock().await;
        if let Some(Remembered { incarnation, .. }) = all.remembered(stream, acked) {
            return Ok(incarnation);
        }
        let known = self.ask_incarnation(stream).await?;
        all.remember(stream, known);
        Ok(known.incarnation)
    }

    /// What is remembered stays where it is still true: a fresh floor would doubt acknowledgements that are on their way.
    async fn look_again(&self, stream: StreamId) {
        let Ok(known) = self.ask_incarnation(stream).await else { return };
        let all = self.incarnations();
        if all.incarnation(stream).is_some_and(|remembered| remembered < known.incarnation) {
            all.remember(stream, known);
        }
    }

    async fn ask_incarnation(&self, stream: StreamId) -> Result<KnownIncarnation, LogError> {
        let losses = self.link().losses();
        let asked_at = Instant::now();
        let state = self.stream_state(stream).await?;
        Ok(KnownIncarnation {
            incarnation: state.incarnation,
            losses,
            floor: state.last_seq,
            asked_at,
            looked_at: asked_at,
        })
    }
}
