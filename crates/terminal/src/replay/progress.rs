//! What a person sees while it runs: a progress bar on a terminal, and messages on standard error.

use std::io::IsTerminal;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use forebay_replay::{Event, RecordKind, Tell};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::note;
use crate::text::grouped;

/// How often it is said, where there is no bar, that it is waited.
const SAY_EVERY: Duration = Duration::from_secs(10);

/// The progress bar, if there is one. Clones are the same screen.
#[derive(Clone, Debug)]
pub struct Screen {
    bar: ProgressBar,
    /// What is sent.
    kind: RecordKind,
    /// When it was last said that it is waited.
    waiting_said: Arc<Mutex<Option<Instant>>>,
}

impl Screen {
    /// Without a terminal there is no bar.
    pub fn new(kind: RecordKind) -> Self {
        Self { bar: ProgressBar::hidden(), kind, waiting_said: Arc::default() }
    }

    /// Shows what it is told.
    pub fn tell(&self) -> Tell {
        let screen = self.clone();
        Arc::new(move |event| screen.show(event))
    }

    /// Takes the bar away.
    pub fn close(&self) {
        self.bar.finish_and_clear();
    }

    fn show(&self, event: Event) {
        match event {
            Event::Begins { bytes } => self.begin(bytes),
            Event::Advanced { bytes, records, seconds } => {
                self.bar.inc(bytes);
                let per_s = records as f64 / seconds.max(0.001);
                self.bar.set_message(format!("{} {}, {per_s:.0}/s", grouped(records), self.kind.as_str()));
            }
            Event::Kept { file, kept } => self.say(&format!("{file} of an earlier run is kept as {kept}")),
            Event::SentBefore { file } => self.say(&format!("{file}: the interrupted run has sent it to its end")),
            Event::Anew { file } => {
                self.say(&format!("{file}: there is nothing to go on with, so it is sent from its beginning"));
            }
            Event::Unacknowledged { file } => self.say(&format!(
                "{file}: the interrupted run has seen nothing of it acknowledged, so it is sent from its beginning"
            )),
            Event::GoesOn { file, behind } => {
                self.say(&format!("{file}: going on behind record {}", grouped(behind)));
            }
            Event::Empty { file } => self.say(&format!("{file} is empty")),
            Event::Grown { file, from } => self.say(&format!(
                "{file} begins with all of {from}, which was sent before: it is taken for the same file, grown; --source NAME tells them apart"
            )),
            Event::Guessed { file, encoding } => self.say(&format!(
                "{file} is not UTF-8 and is read as {encoding}, by what it looks like: encoding = \"…\" in the map says it"
            )),
            Event::Waits { records } => self.waits(records),
            Event::HeldUp { what } => self.say(&format!("{what}; trying again")),
            Event::Resumed { after } => self.say(&format!("going on after {:.1} s", after.as_secs_f64())),
            Event::Failed { what } => self.say(&what),
            Event::Stopping => self.say("stopping, once what was sent is answered (again to stop at once)"),
        }
    }

    /// A bar over the bytes of files, or over what comes if their number is not known.
    fn begin(&self, bytes: Option<u64>) {
        if !std::io::stderr().is_terminal() {
            return;
        }
        let template = match bytes {
            Some(bytes) => {
                self.bar.set_length(bytes);
                "{bar:32} {percent:>3} %  {msg}  {eta} left"
            }
            None => "{spinner} {elapsed}  {msg}",
        };
        self.bar.set_draw_target(ProgressDrawTarget::stderr_with_hz(8));
        if let Ok(style) = ProgressStyle::with_template(template) {
            self.bar.set_style(style.progress_chars("━╸─"));
        }
        self.bar.enable_steady_tick(Duration::from_millis(250));
    }

    fn waits(&self, records: u64) {
        let message = format!("waiting for {} {} to be stored", grouped(records), self.kind.as_str());
        let mut said = self.waiting_said.lock().unwrap_or_else(PoisonError::into_inner);
        if self.bar.is_hidden() && said.is_none_or(|then| then.elapsed() >= SAY_EVERY) {
            *said = Some(Instant::now());
            self.say(&message);
        }
        self.bar.set_message(message);
    }

    /// Says something, above the bar.
    fn say(&self, message: &str) {
        self.bar.suspend(|| note!("forebay: {message}"));
    }
}
