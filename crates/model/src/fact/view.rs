//! Views: which fields of an order make it readable by something else than its customer, such as the seller.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

/// Where a view's key stands in an order.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Field {
    /// In each item: the view has only the items with that key.
    OfItem(String),
    /// In the order itself: the view has every item.
    OfOrder(String),
}

/// One view: its name, and the field that holds its key. As text `seller=items[].seller_id` or `warehouse=warehouse_id`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ViewSpec {
    name: Arc<str>,
    field: Field,
}

/// The views of a system where nothing else is said.
pub const DEFAULT_VIEWS: &str = "seller=items[].seller_id";

/// Every configured view. As text a list joined by commas; the empty text is no view.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ViewSet(Vec<ViewSpec>);

/// What is wrong with the text of a view set.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ViewError {
    /// A part has not the form `name=field`.
    #[error("`{0}` is no view: write name=field or name=items[].field, such as seller=items[].seller_id")]
    Shape(String),
    /// A field that cannot be a key.
    #[error("view `{0}`: the field `{1}` cannot be a key")]
    Field(String, String),
    /// Two views with one name or one field.
    #[error("view `{0}` stands there twice, or its field does")]
    Twice(String),
}

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
}

impl ViewSet {
    /// Every view.
    pub fn iter(&self) -> impl Iterator<Item = &ViewSpec> {
        self.0.iter()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether the key of one of them stands in the order itself.
    pub(crate) fn have_order_fields(&self) -> bool {
        self.0.iter().any(|view| matches!(view.field, Field::OfOrder(_)))
    }

    /// The view whose key is that field of an item.
    pub(crate) fn of_item_field(&self, name: &str) -> Option<&ViewSpec> {
        self.0.iter().find(|view| matches!(&view.field, Field::OfItem(field) if field == name))
    }

    /// The view whose key is that field of the order.
    pub(crate) fn of_order_field(&self, name: &str) -> Option<&ViewSpec> {
        self.0.iter().find(|view| matches!(&view.field, Field::OfOrder(field) if field == name))
    }
}

impl fmt::Display for ViewSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.field {
            Field::OfItem(field) => write!(f, "{}=items[].{field}", self.name),
            Field::OfOrder(field) => write!(f, "{}={field}", self.name),
        }
    }
}

impl fmt::Display for ViewSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, view) in self.0.iter().enumerate() {
            write!(f, "{}{view}", if i == 0 { "" } else { "," })?;
        }
        Ok(())
    }
}

impl FromStr for ViewSet {
    type Err = ViewError;

    fn from_str(text: &str) -> Result<Self, ViewError> {
        let parts = text.split(',').map(str::trim).filter(|part| !part.is_empty());
        let views = parts.map(str::parse).collect::<Result<Vec<ViewSpec>, _>>()?;
        let mut names = BTreeSet::new();
        for (i, view) in views.iter().enumerate() {
            if !names.insert(&view.name) || views[..i].iter().any(|other| other.field == view.field) {
                return Err(ViewError::Twice(view.name.to_string()));
            }
        }
        Ok(Self(views))
    }
}

impl FromStr for ViewSpec {
    type Err = ViewError;

    fn from_str(text: &str) -> Result<Self, ViewError> {
        let (name, path) = text.split_once('=').ok_or_else(|| ViewError::Shape(text.to_owned()))?;
        let (field, reserved) = match path.strip_prefix("items[].") {
            Some(field) => (field, &["quantity", "price"][..]),
            None => (path, &["customer_id", "order_id", "timestamp", "currency", "items", "total"][..]),
        };
        if !is_name(name) || !is_name(field) {
            return Err(ViewError::Shape(text.to_owned()));
        }
        if reserved.contains(&field) {
            return Err(ViewError::Field(name.to_owned(), path.to_owned()));
        }
        let owned = field.to_owned();
        let field = if field.len() < path.len() { Field::OfItem(owned) } else { Field::OfOrder(owned) };
        Ok(Self { name: name.into(), field })
    }
}

fn is_name(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_the_settings_say() {
        let views: ViewSet = "seller=items[].seller_id, warehouse=warehouse_id".parse().unwrap();
        assert_eq!(views.of_item_field("seller_id").unwrap().plural(), "sellers");
        assert_eq!(&**views.of_order_field("warehouse_id").unwrap().name(), "warehouse");
        assert!(views.of_order_field("seller_id").is_none());
        assert_eq!(views.to_string(), "seller=items[].seller_id,warehouse=warehouse_id");
        assert_eq!("".parse(), Ok(ViewSet::default()));
    }

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
    }
}
