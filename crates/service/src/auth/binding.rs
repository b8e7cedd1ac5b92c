//! What a client is bound to: it sees that and nothing else.

use std::fmt;
use std::sync::Arc;

use forebay_api::Right;
use forebay_model::CustomerId;
use forebay_model::id::check_id;
use forebay_model::view::is_name;

/// What a client is bound to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Binding {
    /// A customer: its orders, and what happens to them.
    Customer(CustomerId),
    /// A key of a view, such as a seller: what the view shows it of orders.
    Key {
        /// The view's name in the singular, such as `seller`. A system that has no such view shows nothing.
        view: Arc<str>,
        /// Which of its keys.
        key: Arc<str>,
    },
}

/// What stands in the clients file, or in tokens, of a client beside what it is bound to.
const TAKEN: [&str; 16] = [
    "name",
    "key_sha256",
    "cert_sha256",
    "cert_san",
    "rights",
    "orders_per_s",
    "requests_per_s",
    "tenant",
    "iss",
    "aud",
    "sub",
    "exp",
    "nbf",
    "iat",
    "jti",
    "scope",
];

/// The name that no view has.
const CUSTOMER: &str = "customer";

impl Binding {
    /// Whether something of that name can be bound to: `customer`, or what can be the name of a view.
    ///
    /// # Errors
    /// A sentence that says why not.
    pub fn check_name(name: &str) -> Result<(), String> {
        if is_name(name) && !TAKEN.contains(&name) {
            return Ok(());
        }
        Err(format!("nothing can be bound to {name:?}: it is customer, or the name of a view"))
    }

    /// By a name, which is `customer` or that of a view, and whose: as the clients file has it, or the claims of a token.
    ///
    /// # Errors
    /// What is wrong with the name or the id, as a sentence.
    pub fn of(name: &str, whose: &str) -> Result<Self, String> {
        Self::check_name(name)?;
        check_id(whose).map_err(|error| format!("{name} {error}"))?;
        Ok(match CustomerId::new(whose) {
            Ok(customer_id) if name == CUSTOMER => Self::Customer(customer_id),
            _ => Self::Key { view: name.into(), key: whose.into() },
        })
    }

    /// Whether who is bound so may still do what needs that right: nobody who is bound sees how the system is doing inside, and what is a
    /// seller's alone is no order that could be sent.
    pub fn leaves(&self, right: Right) -> bool {
        match right {
            Right::OrdersRead => true,
            Right::OrdersWrite | Right::EventsWrite => matches!(self, Self::Customer(_)),
            Right::Ops => false,
        }
    }
}

impl fmt::Display for Binding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Customer(_) => f.write_str("a customer"),
            Self::Key { view, .. } => write!(f, "a key of the view {view}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_binding_is_of_a_customer_or_of_a_key_of_a_view() {
        assert_eq!(Binding::of("customer", "C1"), Ok(Binding::Customer(CustomerId::new("C1").unwrap())));
        assert_eq!(Binding::of("seller", "S7"), Ok(Binding::Key { view: "seller".into(), key: "S7".into() }));
        assert_eq!(Binding::of("seller", ""), Err("seller must not be empty".to_owned()));
    }

    #[test]
    fn a_name_that_says_something_else_of_a_client_binds_nothing() {
        for name in ["customer", "seller", "ware_house-2"] {
            assert_eq!(Binding::check_name(name), Ok(()));
        }
        for name in ["", "name", "rights", "sub", "tenant", "sel ler", "orders_per_s"] {
            assert!(Binding::check_name(name).unwrap_err().contains(&format!("{name:?}")), "{name}");
        }
    }

    #[test]
    fn who_is_bound_has_no_more_rights_than_what_is_seen_allows() {
        let left = |name| Right::ALL.map(|right| Binding::of(name, "X").unwrap().leaves(right));
        assert_eq!(left("customer"), [true, true, true, false]);
        assert_eq!(left("seller"), [false, false, true, false]);
    }
}
