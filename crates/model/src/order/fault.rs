//! What is wrong with an order, and where.

use std::fmt;

/// One thing that is wrong with an order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// JSON pointer (RFC 6901) to the value that is wrong or missing.
    pub pointer: String,
    /// What is wrong with it, as the end of a sentence that begins with the value: `must be an integer`.
    pub reason: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.pointer, self.reason)
    }
}

/// Why an order is not accepted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Rejection {
    /// It has more than the bytes allowed for one order: as it came, or without white space and with numbers written out.
    #[error("it has more than {bytes_max} bytes")]
    TooLarge {
        /// The most bytes that one order may have.
        bytes_max: usize,
    },
    /// It is not JSON, or not a JSON object.
    #[error("{0}")]
    Malformed(String),
    /// It is JSON, and these things are wrong with it. Never empty; at most [`FAULTS_MAX`].
    #[error("{}", first_and_count(.0))]
    Invalid(Vec<Fault>),
    /// It is neither sold nor returned: goods that leave the stock, with negative quantities and nothing to pay, in the form of an order
    /// that does not say that it is a return.
    #[error(
        "its quantities are negative and it comes to nothing: a write-off of stock is no order, and a return says so by its kind"
    )]
    WriteOff,
}

/// How many faults of one order are told.
pub const FAULTS_MAX: usize = 100;

impl Rejection {
    /// Every code.
    pub const CODES: [&'static str; 4] = ["too_large", "malformed", "invalid", "write_off"];

    /// The stable code that problem answers and rejects files carry.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::TooLarge { .. } => "too_large",
            Self::Malformed(_) => "malformed",
            Self::Invalid(_) => "invalid",
            Self::WriteOff => "write_off",
        }
    }
}

fn first_and_count(faults: &[Fault]) -> String {
    match faults {
        [] => String::from("the order is invalid"),
        [only] => only.to_string(),
        [first, rest @ ..] => format!("{first} (and {} more)", rest.len()),
    }
}
