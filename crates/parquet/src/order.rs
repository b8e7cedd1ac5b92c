//! An order as a row, and the columns it has.

use std::sync::{Arc, LazyLock};

use forebay_model::Timestamp;
use parquet::schema::parser::parse_message_type;
use parquet::schema::types::Type;

/// An order, or what one key of a view sees of it, borrowed.
#[derive(Clone, Copy, Debug)]
pub struct Order<'a> {
    /// Its id.
    pub order_id: &'a str,
    /// Whose it is.
    pub customer_id: &'a str,
    /// When it was.
    pub timestamp: Timestamp,
    /// `sale` or `return`.
    pub kind: &'a str,
    /// What prices and sums are in: three letters.
    pub currency: &'a str,
    /// What all its items come to, or those that the key of a view sees; in minor units of the currency.
    pub sum: i64,
    /// The text of a JSON array.
    pub items: &'a str,
    /// The text of a JSON object: its further fields. A view has none.
    pub attributes: &'a str,
}

/// Which columns there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// Whole orders: with their total and their further fields.
    Whole,
    /// Orders as a view shows them: with a subtotal.
    View,
}

/// Column names that a file of whole orders has.
pub mod name {
    /// The order's id.
    pub const ORDER_ID: &str = "order_id";
    /// The customer's id.
    pub const CUSTOMER_ID: &str = "customer_id";
    /// When the order was.
    pub const TIMESTAMP: &str = "timestamp";
    /// Whether it is a sale or a return.
    pub const KIND: &str = "kind";
    /// What its prices and sums are in.
    pub const CURRENCY: &str = "currency";
    /// What the items come to.
    pub const TOTAL: &str = "total";
    /// What the items that a view shows come to.
    pub const SUBTOTAL: &str = "subtotal";
    /// The items, as JSON.
    pub const ITEMS: &str = "items";
    /// The further fields, as JSON.
    pub const ATTRIBUTES: &str = "attributes";
}

static WHOLE: LazyLock<Arc<Type>> =
    LazyLock::new(|| schema(name::TOTAL, &format!("REQUIRED BYTE_ARRAY {} (JSON);", name::ATTRIBUTES)));
static VIEW: LazyLock<Arc<Type>> = LazyLock::new(|| schema(name::SUBTOTAL, ""));

impl Shape {
    pub(crate) fn schema(self) -> Arc<Type> {
        Arc::clone(match self {
            Self::Whole => &WHOLE,
            Self::View => &VIEW,
        })
    }
}

/// The columns of every shape, with the name of the sum, and those behind them.
fn schema(sum: &str, further: &str) -> Arc<Type> {
    let text = format!(
        "message orders {{
            REQUIRED BYTE_ARRAY {} (STRING);
            REQUIRED BYTE_ARRAY {} (STRING);
            REQUIRED INT64 {} (TIMESTAMP(MICROS,true));
            REQUIRED BYTE_ARRAY {} (STRING);
            REQUIRED BYTE_ARRAY {} (STRING);
            REQUIRED INT64 {sum};
            REQUIRED BYTE_ARRAY {} (JSON);
            {further}
        }}",
        name::ORDER_ID,
        name::CUSTOMER_ID,
        name::TIMESTAMP,
        name::KIND,
        name::CURRENCY,
        name::ITEMS,
    );
    Arc::new(parse_message_type(&text).expect("the schema stands here, and a test reads it"))
}
