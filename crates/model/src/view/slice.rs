//! The part of an order that a key sees.

use super::ViewId;

/// The part of an order that one key of one view sees.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ViewSlice<'j> {
    /// Which view.
    pub view: ViewId,
    /// The key, such as a seller's id.
    pub key: String,
    /// Sum of quantity × price over these items, in minor units.
    pub subtotal: i64,
    /// The items, each as it came: texts of JSON objects, in the order's order.
    pub items: Vec<&'j str>,
}
