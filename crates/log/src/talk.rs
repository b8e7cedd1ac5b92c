//! What processes of one kind tell each other, beside the log: nothing of it is stored, and it is heard by who listens now.

use std::time::Duration;

use bytes::Bytes;
use futures::future::BoxFuture;
use futures::{FutureExt, Stream, StreamExt};

use crate::error::LogError;
use crate::log::Log;

/// What cannot be said in that time is not said: something newer will be.
const SAY_MAX: Duration = Duration::from_secs(1);

impl Log {
    /// Joins those that talk of a topic: what to say something by, and what all of them say, this one too. What is said while
    /// there is no connection is lost; with the connection it goes on by itself.
    ///
    /// # Errors
    /// [`LogError`] once the connection is closed for good.
    pub async fn talk(
        &self,
        topic: &str,
    ) -> Result<(impl Fn(Vec<u8>) -> BoxFuture<'static, ()> + use<>, impl Stream<Item = Bytes> + use<>), LogError> {
        let subject = self.name().talk_subject(topic);
        let heard = self.client().subscribe(subject.clone()).await;
        let heard = heard.map_err(|error| self.refused(format!("listen to {topic}"), &error))?;
        let log = self.clone();
        let say = move |text: Vec<u8>| log.clone().say(subject.clone(), text).boxed();
        Ok((say, heard.map(|message| message.payload)))
    }

    async fn say(self, subject: String, text: Vec<u8>) {
        if self.is_connected() {
            let _ = tokio::time::timeout(SAY_MAX, self.client().publish(subject, text.into())).await;
        }
    }
}
