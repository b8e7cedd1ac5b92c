//! Which system it is: what its map and the databases of its shards agree on.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A system's own number, drawn when it is made. As text 16 hexadecimal digits. The default is that of no system in use: maps made by hand
/// have it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct SystemId(u64);

/// A text that is no [`SystemId`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a system's id has 16 hexadecimal digits")]
pub struct NoSystemId;

impl SystemId {
    /// Takes its number.
    pub fn new(number: u64) -> Self {
        Self(number)
    }
}

impl fmt::Display for SystemId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl TryFrom<String> for SystemId {
    type Error = NoSystemId;

    fn try_from(text: String) -> Result<Self, NoSystemId> {
        let number = u64::from_str_radix(&text, 16).map_err(|_| NoSystemId)?;
        if Self(number).to_string() == text { Ok(Self(number)) } else { Err(NoSystemId) }
    }
}

impl From<SystemId> for String {
    fn from(id: SystemId) -> Self {
        id.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_read_as_it_is_written_and_nothing_else_is() {
        for number in [0, 0xabc, u64::MAX] {
            let text = SystemId::new(number).to_string();
            assert_eq!(SystemId::try_from(text), Ok(SystemId::new(number)));
        }
        for text in ["", "0", "000000000000000A", "+00000000000000a", "00000000000000000"] {
            assert!(SystemId::try_from(text.to_owned()).is_err(), "{text}");
        }
    }
}
