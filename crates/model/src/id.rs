//! Customer ids, order ids and ids of events.

use std::fmt;

/// The most characters an id may have.
pub const ID_CHARS_MAX: usize = 128;

/// Why a text is not an id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IdError {
    /// It has no characters.
    #[error("must not be empty")]
    Empty,
    /// It has more than [`ID_CHARS_MAX`] characters.
    #[error("must have at most 128 characters")]
    TooLong,
    /// It has a control character.
    #[error("must not contain control characters")]
    Control,
    /// It begins or ends with white space, and is named where that is lost.
    #[error("must not begin or end with white space")]
    Padded,
}

/// Checks the rule for ids: 1 to 128 characters, none of them a control character.
///
/// # Errors
/// [`IdError`] names the broken part of the rule.
pub fn check_id(text: &str) -> Result<(), IdError> {
    if text.is_empty() {
        return Err(IdError::Empty);
    }
    // A character has at least one byte and at most four, so most ids need no counting.
    if text.len() > ID_CHARS_MAX && text.chars().count() > ID_CHARS_MAX {
        return Err(IdError::TooLong);
    }
    if text.chars().any(char::is_control) {
        return Err(IdError::Control);
    }
    Ok(())
}

macro_rules! id_type {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(String);

        impl $name {
            /// Takes a text that keeps the rule for ids.
            ///
            /// # Errors
            /// [`IdError`] names the broken part of the rule.
            pub fn new(text: impl Into<String>) -> Result<Self, IdError> {
                let text = text.into();
                check_id(&text)?;
                Ok(Self(text))
            }

            /// The id as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

id_type! {
    /// Who ordered: the shard key. 1 to 128 characters without control characters.
    CustomerId
}
id_type! {
    /// Which order of its customer: 1 to 128 characters without control characters.
    OrderId
}

id_type! {
    /// Which event of its order: 1 to 128 characters without control characters.
    EventId
}

impl OrderId {
    /// The id that a UUID is.
    pub(crate) fn of_uuid(bits: u128) -> Self {
        Self(uuid::Uuid::from_u128(bits).hyphenated().to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_keep_their_rule() {
        assert_eq!(check_id(""), Err(IdError::Empty));
        assert_eq!(check_id(&"é".repeat(128)), Ok(()));
        assert_eq!(check_id(&"é".repeat(129)), Err(IdError::TooLong));
        assert_eq!(check_id("a\u{0}b"), Err(IdError::Control));
        assert_eq!(check_id("a\u{85}b"), Err(IdError::Control));
    }
}
