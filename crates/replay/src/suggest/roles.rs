//! Which column is what, by its name, in the words that shops use.

use super::sample::{Column, Sample, Shape};
use super::times;

/// A field that every order or item has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    OrderId,
    CustomerId,
    Timestamp,
    Currency,
    Sku,
    Quantity,
    Price,
}

/// Names as they are found: in lower case, letters and digits alone. What stands first is the surest.
const ORDER_ID: &[&str] = &[
    "orderid",
    "ordernumber",
    "orderno",
    "ordername",
    "ordercode",
    "order",
    "invoiceno",
    "invoicenumber",
    "invoiceid",
    "invoice",
    "amazonorderid",
    "incrementid",
    "auftragsnummer",
    "auftragsnr",
    "auftrag",
    "bestellnummer",
    "bestellnr",
    "bestellung",
    "belegnummer",
    "rechnungsnummer",
    "numerocommande",
    "commande",
    "numeropedido",
    "pedido",
    "orderref",
    "orderreference",
    "salesorder",
    "receiptid",
    "receiptno",
    "receipt",
    "transactionid",
    "transaction",
    "saleid",
    "name",
    "number",
    "reference",
    "id",
];
const CUSTOMER_ID: &[&str] = &[
    "customerid",
    "customernumber",
    "customerno",
    "customeremail",
    "customer",
    "email",
    "billingemail",
    "buyeremail",
    "buyerid",
    "buyerusername",
    "buyer",
    "clientid",
    "client",
    "kundennummer",
    "kundennr",
    "kunde",
    "userid",
    "useremail",
    "user",
    "accountid",
    "account",
    "memberid",
    "member",
    "household",
    "cliente",
    "cust",
    "custid",
];
const TIMESTAMP: &[&str] = &[
    "createdat",
    "datecreatedgmt",
    "datecreated",
    "orderedat",
    "orderdate",
    "ordertime",
    "invoicedate",
    "purchasedate",
    "saledate",
    "transactiondate",
    "transactiondt",
    "processedat",
    "placedat",
    "bestelldatum",
    "auftragsdatum",
    "rechnungsdatum",
    "datum",
    "fecha",
    "datecommande",
    "timestamp",
    "datetime",
    "date",
    "time",
    "created",
    "at",
    "day",
];
const CURRENCY: &[&str] =
    &["currency", "currencycode", "ordercurrencycode", "wahrung", "waehrung", "währung", "devise", "moneda", "ccy"];
const SKU: &[&str] = &[
    "lineitemsku",
    "itemsku",
    "productsku",
    "sku",
    "stockcode",
    "productid",
    "productcode",
    "itemid",
    "itemcode",
    "itemnumber",
    "articleid",
    "artikelnummer",
    "artikelnr",
    "artikel",
    "article",
    "upc",
    "ean",
    "gtin",
    "asin",
    "product",
    "item",
    "referencia",
    "productname",
    "itemname",
    "lineitemname",
    "title",
    "description",
];
const QUANTITY: &[&str] = &[
    "lineitemquantity",
    "itemquantity",
    "quantity",
    "qty",
    "qtyordered",
    "quantitypurchased",
    "menge",
    "anzahl",
    "units",
    "pieces",
    "quantite",
    "quantité",
    "cantidad",
    "count",
    "stück",
];
const PRICE: &[&str] = &[
    "lineitemprice",
    "unitprice",
    "itemprice",
    "priceeach",
    "saleprice",
    "price",
    "einzelpreis",
    "stückpreis",
    "preis",
    "prix",
    "prixunitaire",
    "precio",
    "netprice",
    "unitcost",
];
/// What a line comes to, where no price of a piece stands there.
const LINE_TOTAL: &[&str] = &[
    "linetotal",
    "lineamount",
    "itemtotal",
    "linesubtotal",
    "subtotal",
    "total",
    "amount",
    "dollars",
    "sales",
    "salesprice",
    "value",
    "revenue",
    "betrag",
    "summe",
    "montant",
    "importe",
];

/// The columns that were found for the roles.
#[derive(Clone, Debug, Default)]
pub(super) struct Roles<'s> {
    pub(super) order_id: Option<&'s Column>,
    pub(super) customer_id: Option<&'s Column>,
    pub(super) timestamp: Option<&'s Column>,
    pub(super) currency: Option<&'s Column>,
    pub(super) sku: Option<&'s Column>,
    pub(super) quantity: Option<&'s Column>,
    pub(super) price: Option<&'s Column>,
    /// Whether the price is for the whole line.
    pub(super) is_line_total: bool,
}

impl<'s> Roles<'s> {
    /// Looks for them in a sample.
    pub(super) fn find(sample: &'s Sample) -> Self {
        let find = |names: &[&str], role: Role| find(sample, names, role);
        let (price, total) = (find(PRICE, Role::Price), find(LINE_TOTAL, Role::Price));
        let roles = Self {
            order_id: find(ORDER_ID, Role::OrderId),
            customer_id: find(CUSTOMER_ID, Role::CustomerId),
            timestamp: find(TIMESTAMP, Role::Timestamp),
            currency: find(CURRENCY, Role::Currency),
            sku: find(SKU, Role::Sku),
            quantity: find(QUANTITY, Role::Quantity),
            is_line_total: price.is_none() && total.is_some(),
            price: price.or(total),
        };
        let timestamp = roles.timestamp.or_else(|| {
            let root = if matches!(sample.shape, Shape::Table { .. }) { "" } else { "$" };
            let is_free = |column: &&Column| column.name.starts_with(root) && !roles.has(column);
            sample.columns.iter().filter(is_free).find(|column| times::are_dates(column))
        });
        Self { timestamp, ..roles }
    }

    /// Whether what stands in the column of times says that they are, and its name does not.
    pub(super) fn is_time_by_values(&self) -> bool {
        self.timestamp.is_some_and(|column| !TIMESTAMP.contains(&plain(&column.name).as_str()))
    }

    /// Whether a column has a role.
    pub(super) fn has(&self, column: &Column) -> bool {
        let all = [self.order_id, self.customer_id, self.timestamp, self.currency, self.sku, self.quantity, self.price];
        all.into_iter().flatten().any(|other| other.name == column.name)
    }
}

fn find<'s>(sample: &'s Sample, names: &[&str], role: Role) -> Option<&'s Column> {
    let is_of_item = matches!(role, Role::Sku | Role::Quantity | Role::Price);
    let root = match (&sample.shape, is_of_item) {
        (Shape::Table { .. }, _) => "",
        (Shape::Json { .. }, true) => "@",
        (Shape::Json { .. }, false) => "$",
    };
    let there =
        || sample.columns.iter().filter(|column| column.name.starts_with(root) && column.filled().next().is_some());
    names.iter().find_map(|name| there().find(|column| plain(&column.name) == *name && fits(column, role)))
}

/// A name without what differs between files. Of a path that leads through an object, all of it: `$.customer.id` is `customerid`.
fn plain(name: &str) -> String {
    name.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

/// Whether what stands there can be that at all. Some lines may be bad: what most of them hold is what the column is.
fn fits(column: &Column, role: Role) -> bool {
    let values = || column.filled().take(200);
    let all = |holds: fn(&str) -> bool| values().all(holds);
    let most = |holds: fn(&str) -> bool| values().filter(|value| holds(value)).count() * 2 > values().count();
    match role {
        Role::Quantity => most(|value| value.chars().all(|c| c.is_ascii_digit() || matches!(c, '-' | '.' | ',' | '+'))),
        Role::Price | Role::Timestamp => most(|value| value.chars().any(|c| c.is_ascii_digit())),
        Role::Currency => all(|value| value.chars().count() <= 4),
        Role::OrderId | Role::CustomerId | Role::Sku => all(|value| value.chars().count() <= 128),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_known_by_the_words_of_shops() {
        let table = |header: &str, row: &str| Sample::of_table(format!("{header}\n{row}\n").as_bytes(), true);
        for (header, row, expected) in [
            (
                "Auftrag;Kunde;Datum;Artikel;Menge;Preis",
                "B1;C1;02.01.2026;S1;1;2,00",
                ["Auftrag", "Kunde", "Datum", "Artikel", "Menge", "Preis"],
            ),
            (
                "Order,Customer,At,SKU,Qty,Price",
                "I1,C1,1767349446,S,1,2",
                ["Order", "Customer", "At", "SKU", "Qty", "Price"],
            ),
            (
                "Name,Email,Created at,Lineitem sku,Lineitem quantity,Lineitem price,Total",
                "#1,a@b,2026-01-05,S,1,2,3",
                ["Name", "Email", "Created at", "Lineitem sku", "Lineitem quantity", "Lineitem price"],
            ),
        ] {
            let sample = table(header, row);
            let roles = Roles::find(&sample);
            let found = [roles.order_id, roles.customer_id, roles.timestamp, roles.sku, roles.quantity, roles.price];
            assert_eq!(found.map(|column| column.map_or("", |column| column.name.as_str())), expected);
            assert!(!roles.is_line_total);
        }
        // A column of dates is one whatever it is called; of numbers nobody knows that.
        for (row, expected) in
            [("1,C,2010-12-02 07:48:00,2", Some("moment")), ("1,C,20101202,2", None), ("1,C,7,2", None)]
        {
            let sample = table("order,customer,moment,price", row);
            let roles = Roles::find(&sample);
            assert_eq!(roles.timestamp.map(|column| column.name.as_str()), expected, "{row}");
            assert_eq!(roles.is_time_by_values(), expected.is_some());
        }
        // A bad line changes nothing of what the column is.
        let sample = table(
            "order,customer,date,qty,price",
            "1,C,2026-01-02,1,1.50\n2,C,2026-01-02,1,n/a\n3,C,2026-01-02,x,2.50",
        );
        let roles = Roles::find(&sample);
        assert_eq!((roles.price.unwrap().name.as_str(), roles.quantity.unwrap().name.as_str()), ("price", "qty"));
        let sample = table("customer,date,qty,dollars", "1,20210101,1,11.77");
        let roles = Roles::find(&sample);
        assert!(roles.order_id.is_none() && roles.is_line_total && roles.price.unwrap().name == "dollars");
    }
}
