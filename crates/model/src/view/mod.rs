//! Views: which fields of an order make it readable by something else than its customer, such as the seller.

mod set;
mod slice;
pub mod state;

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

pub use set::{DEFAULT_VIEWS, View, ViewSet};
pub use slice::ViewSlice;

/// What stands for a view in its rows. It is never given to another view of the system, also not to one of the same name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "u16", into = "u16")]
pub struct ViewId(u16);

/// A number that no view can have: they go from 1 to 32,767.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0} is not the id of a view: those are 1 to 32767")]
pub struct NotAViewId(u16);

impl ViewId {
    /// The view with that number, from 1 to 32,767.
    ///
    /// # Errors
    /// [`NotAViewId`].
    pub const fn new(number: u16) -> Result<Self, NotAViewId> {
        if number > 0 && number <= i16::MAX.cast_unsigned() { Ok(Self(number)) } else { Err(NotAViewId(number)) }
    }

    /// Its number.
    pub const fn number(self) -> u16 {
        self.0
    }
}

impl TryFrom<u16> for ViewId {
    type Error = NotAViewId;

    fn try_from(number: u16) -> Result<Self, NotAViewId> {
        Self::new(number)
    }
}

impl From<ViewId> for u16 {
    fn from(id: ViewId) -> Self {
        id.0
    }
}

impl fmt::Display for ViewId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Where a view's key stands in an order.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Field {
    /// In each item: the view has only the items with that key.
    OfItem(String),
    /// In the order itself: the view has every item.
    OfOrder(String),
}

/// What a view is: its name, and the field that holds its key. As text `seller=items[].seller_id` or `warehouse=warehouse_id`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Unchecked", into = "Unchecked")]
pub struct ViewSpec {
    name: Arc<str>,
    field: Field,
}

/// What is wrong with the text of a view, or with a view beside others.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ViewError {
    /// A part has not the form `name=field`.
    #[error("`{0}` is no view: write name=field or name=items[].field, such as seller=items[].seller_id")]
    Shape(String),
    /// A field that cannot be a key.
    #[error("view `{0}`: the field `{1}` cannot be a key")]
    Field(String, String),
    /// A path that stands for something else.
    #[error("view `{0}` cannot be read under /v1/{1}, which is taken")]
    Path(String, String),
    /// Two views with one name or one field.
    #[error("view `{0}` stands there twice, or its field does")]
    Twice(String),
}

/// What stands before a key in paths that are no view's.
const PATHS_TAKEN: [&str; 4] = ["customers", "orders", "products", "events"];

impl ViewSpec {
    /// Its name in the singular, such as `seller`.
    pub fn name(&self) -> &Arc<str> {
        &self.name
    }

    /// The name in the plural, as it stands in paths, such as `sellers`.
    pub fn plural(&self) -> String {
        match self.name.strip_suffix('y') {
            Some(stem) if !stem.ends_with(['a', 'e', 'o', 'u']) => format!("{stem}ies"),
            _ if self.name.ends_with(['s', 'x']) => format!("{}es", self.name),
            _ => format!("{}s", self.name),
        }
    }

    /// Where its key stands, such as `items[].seller_id`.
    pub fn path(&self) -> String {
        match &self.field {
            Field::OfItem(field) => format!("items[].{field}"),
            Field::OfOrder(field) => field.clone(),
        }
    }

    /// Whether it can be a view beside another one.
    ///
    /// # Errors
    /// [`ViewError`] says why not.
    pub(crate) fn check_beside(&self, other: &Self) -> Result<(), ViewError> {
        if self.name == other.name || self.field == other.field {
            return Err(ViewError::Twice(self.name.to_string()));
        }
        let plural = self.plural();
        if plural == other.plural() { Err(ViewError::Path(self.name.to_string(), plural)) } else { Ok(()) }
    }
}

impl fmt::Display for ViewSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}={}", self.name, self.path())
    }
}

impl FromStr for ViewSpec {
    type Err = ViewError;

    fn from_str(text: &str) -> Result<Self, ViewError> {
        let (name, path) = text.split_once('=').ok_or_else(|| ViewError::Shape(text.to_owned()))?;
        let (field, reserved) = match path.strip_prefix("items[].") {
            Some(field) => (field, &["quantity", "price"][..]),
            None => (path, &["customer_id", "order_id", "timestamp", "kind", "currency", "items", "total"][..]),
        };
        if !is_name(name) || !is_name(field) {
            return Err(ViewError::Shape(text.to_owned()));
        }
        if reserved.contains(&field) {
            return Err(ViewError::Field(name.to_owned(), path.to_owned()));
        }
        let owned = field.to_owned();
        let field = if field.len() < path.len() { Field::OfItem(owned) } else { Field::OfOrder(owned) };
        let spec = Self { name: name.into(), field };
        let plural = spec.plural();
        if PATHS_TAKEN.contains(&plural.as_str()) { Err(ViewError::Path(name.to_owned(), plural)) } else { Ok(spec) }
    }
}

#[derive(Serialize, Deserialize)]
struct Unchecked {
    name: String,
    path: String,
}

impl TryFrom<Unchecked> for ViewSpec {
    type Error = ViewError;

    fn try_from(Unchecked { name, path }: Unchecked) -> Result<Self, ViewError> {
        format!("{name}={path}").parse()
    }
}

impl From<ViewSpec> for Unchecked {
    fn from(spec: ViewSpec) -> Self {
        Self { name: spec.name.to_string(), path: spec.path() }
    }
}

/// Whether a text can be the name of a view, or a step of a path to its key.
pub fn is_name(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refuses_what_cannot_be_a_view() {
        for text in ["seller", "seller=", "=x", "seller=a.b", "seller=items[].a.b"] {
            assert!(matches!(text.parse::<ViewSet>(), Err(ViewError::Shape(_))), "{text}");
        }
        for text in ["a=total", "a=currency", "a=items[].price"] {
            assert!(matches!(text.parse::<ViewSet>(), Err(ViewError::Field(..))), "{text}");
        }
        for text in ["a=x,a=y", "a=x,b=x"] {
            assert!(matches!(text.parse::<ViewSet>(), Err(ViewError::Twice(_))), "{text}");
        }
        for text in ["customer=x", "order=x", "box=x,boxe=y"] {
            assert!(matches!(text.parse::<ViewSet>(), Err(ViewError::Path(..))), "{text}");
        }
        for json in [r#"[{"id":0,"name":"a","path":"x"}]"#, r#"[{"id":40000,"name":"a","path":"x"}]"#] {
            assert!(serde_json::from_str::<ViewSet>(json).is_err(), "{json}");
        }
        let twice = r#"[{"id":1,"name":"a","path":"x"},{"id":1,"name":"b","path":"y"}]"#;
        assert!(serde_json::from_str::<ViewSet>(twice).is_err());
    }
}
