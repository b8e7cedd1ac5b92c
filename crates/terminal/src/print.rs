//! How data comes to standard output and messages to standard error. The reader may have had enough (`forebay shards | head -1`):
//! then the command goes on to its end, quietly, and its exit code says what it always says.

use std::fmt::Arguments;
use std::io::{ErrorKind, Result, Write};

/// Prints a line of data, and gives what [`data`](crate::data) gives.
#[macro_export]
macro_rules! out {
    ($($text:tt)*) => { $crate::data(format_args!("{}\n", format_args!($($text)*))) };
}

/// Prints a line of a message.
#[macro_export]
macro_rules! note {
    ($($text:tt)*) => { $crate::message(format_args!("{}\n", format_args!($($text)*))) };
}

/// Writes to standard output.
///
/// # Errors
/// When it cannot be written, though somebody reads.
pub fn data(text: Arguments<'_>) -> Result<()> {
    // As one piece, so that a reader who goes takes all of it or nothing.
    let mut stdout = std::io::stdout().lock();
    match stdout.write_all(text.to_string().as_bytes()).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(error),
        _ => Ok(()),
    }
}

/// Writes to standard error, where there is somebody to read it.
pub fn message(text: Arguments<'_>) {
    let _ = std::io::stderr().lock().write_all(text.to_string().as_bytes());
}
