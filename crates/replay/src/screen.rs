//! What a person sees while it runs: a progress bar on a terminal, and messages on standard error.

use std::io::IsTerminal;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::grouped::grouped;

/// The progress bar, if there is one. Clones are the same screen.
#[derive(Clone, Debug)]
pub(crate) struct Screen {
    bar: ProgressBar,
}

impl Screen {
    /// A bar over so many bytes of files, or over what comes if that is not known. Without a terminal there is no bar.
    pub(crate) fn new(bytes: Option<u64>) -> Self {
        if !std::io::stderr().is_terminal() {
            return Self { bar: ProgressBar::hidden() };
        }
        let (bar, template) = match bytes {
            Some(bytes) => (ProgressBar::new(bytes), "{bar:32} {percent:>3} %  {msg}  {eta} left"),
            None => (ProgressBar::no_length(), "{spinner} {elapsed}  {msg}"),
        };
        bar.set_draw_target(ProgressDrawTarget::stderr_with_hz(8));
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style.progress_chars("━╸─"));
        }
        bar.enable_steady_tick(Duration::from_millis(250));
        Self { bar }
    }

    /// So many more bytes of the files are done, and so many orders in all.
    pub(crate) fn advance(&self, bytes: u64, orders: u64, seconds: f64) {
        self.bar.inc(bytes);
        let per_s = orders as f64 / seconds.max(0.001);
        self.bar.set_message(format!("{} orders, {per_s:.0}/s", grouped(orders)));
    }

    /// Says something, above the bar.
    pub(crate) fn say(&self, message: &str) {
        self.bar.suspend(|| eprintln!("forebay: {message}"));
    }

    /// Takes the bar away.
    pub(crate) fn close(&self) {
        self.bar.finish_and_clear();
    }
}
