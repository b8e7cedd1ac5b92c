//! The few signals that are sent here, without a line of unsafe code.

use rustix::process::{Pid, kill_process};

/// A signal that the stack sends, or asks the kernel to send when a parent dies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    /// Stop in order.
    Terminate,
    /// What a process gets whose terminal is gone.
    Hangup,
    /// Stop in order; for Postgres, a fast shutdown.
    Interrupt,
    /// For Postgres, stop at once and clean up nothing but processes and shared memory.
    Quit,
    /// End at once; cannot be caught.
    Kill,
    /// Freeze; cannot be caught.
    Stop,
    /// Go on after [`Signal::Stop`].
    Continue,
}

impl Signal {
    /// The name as `setpriv --pdeathsig` takes it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Terminate => "TERM",
            Self::Hangup => "HUP",
            Self::Interrupt => "INT",
            Self::Quit => "QUIT",
            Self::Kill => "KILL",
            Self::Stop => "STOP",
            Self::Continue => "CONT",
        }
    }

    /// Sends the signal. A process that is already gone is no error: gone is what most callers want.
    pub fn send(self, pid: u32) {
        let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) else { return };
        let signal = match self {
            Self::Terminate => rustix::process::Signal::TERM,
            Self::Hangup => rustix::process::Signal::HUP,
            Self::Interrupt => rustix::process::Signal::INT,
            Self::Quit => rustix::process::Signal::QUIT,
            Self::Kill => rustix::process::Signal::KILL,
            Self::Stop => rustix::process::Signal::STOP,
            Self::Continue => rustix::process::Signal::CONT,
        };
        let _ = kill_process(pid, signal);
    }
}
