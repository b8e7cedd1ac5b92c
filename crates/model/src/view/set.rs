//! The views that a system has at one time.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{Field, ViewError, ViewId, ViewSpec};

/// One view of a system.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct View {
    /// What stands for it in its rows.
    pub id: ViewId,
    /// What it is.
    #[serde(flatten)]
    pub spec: ViewSpec,
}

/// The views of a system where nothing else is said.
pub const DEFAULT_VIEWS: &str = "seller=items[].seller_id";

/// Views that orders are read by and facts are derived with: no two of one name, one path or one field. As text a list joined by
/// commas, which gives the first views of a system, with ids from 1 on; the empty text is no view.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Vec<View>", into = "Vec<View>")]
pub struct ViewSet(Arc<[View]>);

impl ViewSet {
    /// Every view.
    pub fn iter(&self) -> impl Iterator<Item = &View> {
        self.0.iter()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The view with that id.
    pub fn get(&self, id: ViewId) -> Option<&View> {
        self.0.iter().find(|view| view.id == id)
    }

    /// Whether the key of one of them stands in the order itself.
    pub(crate) fn have_order_fields(&self) -> bool {
        self.0.iter().any(|view| matches!(view.spec.field, Field::OfOrder(_)))
    }

    /// Whether the key of that view stands in the order itself.
    pub(crate) fn is_of_order(&self, id: ViewId) -> bool {
        self.get(id).is_some_and(|view| matches!(view.spec.field, Field::OfOrder(_)))
    }

    /// The view whose key is that field of an item.
    pub(crate) fn of_item_field(&self, name: &str) -> Option<&View> {
        self.0.iter().find(|view| matches!(&view.spec.field, Field::OfItem(field) if field == name))
    }

    /// The view whose key is that field of the order.
    pub(crate) fn of_order_field(&self, name: &str) -> Option<&View> {
        self.0.iter().find(|view| matches!(&view.spec.field, Field::OfOrder(field) if field == name))
    }
}

impl Default for ViewSet {
    fn default() -> Self {
        Self(Arc::new([]))
    }
}

impl fmt::Display for ViewSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, view) in self.0.iter().enumerate() {
            write!(f, "{}{}", if i == 0 { "" } else { "," }, view.spec)?;
        }
        Ok(())
    }
}

impl FromStr for ViewSet {
    type Err = ViewError;

    fn from_str(text: &str) -> Result<Self, ViewError> {
        let parts = text.split(',').map(str::trim).filter(|part| !part.is_empty());
        let view = |(number, part): (u16, &str)| {
            let id = ViewId::new(number).map_err(|_| ViewError::Shape(part.to_owned()))?;
            Ok(View { id, spec: part.parse()? })
        };
        (1..).zip(parts).map(view).collect::<Result<Vec<View>, ViewError>>()?.try_into()
    }
}

impl TryFrom<Vec<View>> for ViewSet {
    type Error = ViewError;

    fn try_from(views: Vec<View>) -> Result<Self, ViewError> {
        for (i, view) in views.iter().enumerate() {
            for other in &views[..i] {
                view.spec.check_beside(&other.spec)?;
                if view.id == other.id {
                    return Err(ViewError::Twice(view.spec.name.to_string()));
                }
            }
        }
        Ok(Self(views.into()))
    }
}

impl From<ViewSet> for Vec<View> {
    fn from(views: ViewSet) -> Self {
        views.0.to_vec()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_the_settings_say() {
        let views: ViewSet = "seller=items[].seller_id, warehouse=warehouse_id".parse().unwrap();
        assert_eq!(views.of_item_field("seller_id").unwrap().spec.plural(), "sellers");
        assert_eq!(views.of_order_field("warehouse_id").unwrap().id, ViewId::new(2).unwrap());
        assert!(views.of_order_field("seller_id").is_none());
        assert_eq!(views.to_string(), "seller=items[].seller_id,warehouse=warehouse_id");
        assert_eq!("".parse(), Ok(ViewSet::default()));
        let json = serde_json::to_value(&views).unwrap();
        assert_eq!(json[1], serde_json::json!({"id": 2, "name": "warehouse", "path": "warehouse_id"}));
        assert_eq!(serde_json::from_value::<ViewSet>(json).unwrap(), views);
    }
}
