//! What a client may do.

use std::fmt;

/// What a client may do, where access is not open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Right {
    /// Send orders.
    OrdersWrite,
    /// Send what happens to orders.
    EventsWrite,
    /// Read orders, and all that is known of them.
    OrdersRead,
    /// Look at how the system is doing inside.
    Ops,
}

impl Right {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::OrdersWrite, Self::EventsWrite, Self::OrdersRead, Self::Ops];

    /// Its name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::OrdersWrite => "orders:write",
            Self::EventsWrite => "events:write",
            Self::OrdersRead => "orders:read",
            Self::Ops => "ops",
        }
    }

    /// The rights that a name stands for: `write` is that to send anything, `read` that to read anything but what is of operators alone.
    pub fn named(name: &str) -> Option<&'static [Self]> {
        match name {
            "write" => Some(&[Self::OrdersWrite, Self::EventsWrite]),
            "read" => Some(&[Self::OrdersRead]),
            _ => {
                const ALL: &[Right] = &Right::ALL;
                ALL.chunks(1).find(|one| one[0].as_str() == name)
            }
        }
    }

    /// Says which names there are.
    pub fn known() -> String {
        let names: Vec<&str> = Self::ALL.iter().map(|right| right.as_str()).chain(["write", "read"]).collect();
        format!("there are {}", names.join(", "))
    }
}

impl fmt::Display for Right {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_right_is_found_by_its_name() {
        for right in Right::ALL {
            assert_eq!(Right::named(right.as_str()), Some(&[right][..]));
        }
        assert_eq!(Right::named("admin"), None);
    }
}
