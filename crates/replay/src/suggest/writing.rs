//! The map as it is printed, with what is not certain beside what it concerns.

use std::collections::HashMap;
use std::fmt::Write;

use super::numbers::{self, NumbersFound};
use super::roles::Roles;
use super::sample::{Column, Sample, Shape};
use super::times::{self, TimesFound};
use crate::map::TO_DECIDE;
use crate::map::fields::number::Separators;

/// A map, and its doubts.
pub(super) struct Written {
    pub(super) text: String,
    pub(super) doubts: Vec<String>,
}

/// Writes the map for a sample. The encoding is one that was guessed.
pub(super) fn write(sample: &Sample, encoding: Option<&str>, file: &str) -> Written {
    let roles = Roles::find(sample);
    let mut map = Writing { text: String::new(), doubts: Vec::new() };
    map.line(&format!("# For files such as {file}, suggested by its first {} rows.", sample.rows));
    map.shape(sample, encoding);
    map.order_id(sample, &roles);
    map.customer_id(&roles);
    map.timestamp(&roles);
    map.currency(&roles);
    map.rules(sample, &roles);
    map.item(sample, &roles);
    map.attributes(sample, &roles);
    Written { text: map.text, doubts: map.doubts }
}

/// A map while it is written.
struct Writing {
    text: String,
    doubts: Vec<String>,
}

impl Writing {
    fn line(&mut self, line: &str) {
        self.text.push_str(line);
        self.text.push('\n');
    }

    /// A sentence that the next line is to be read with.
    /// What only a person can decide: a map in which it stands is not used.
    fn decide(&mut self, what: &str) {
        self.line(&format!("{TO_DECIDE}: {what}"));
        self.doubts.push(format!("DECIDE: {what}"));
    }

    fn doubt(&mut self, what: String) {
        self.line(&format!("# ? {what}"));
        self.doubts.push(what);
    }

    fn shape(&mut self, sample: &Sample, encoding: Option<&str>) {
        if let Some(encoding) = encoding {
            self.doubt(format!("it is not UTF-8, and {encoding} by what it looks like"));
            self.line(&format!("encoding = {}", quoted(encoding)));
        }
        match &sample.shape {
            Shape::Table { delimiter } => {
                if sample.has_no_header {
                    self.doubt(
                        "its first line looks like no header: put one in front of it that names the columns".to_owned(),
                    );
                }
                self.line("format = \"csv\"");
                if *delimiter != b',' {
                    self.line(&format!("delimiter = {}", quoted(&char::from(*delimiter).to_string())));
                }
            }
            Shape::Json { orders, envelope, items, is_lines } => {
                self.line(if *is_lines { "format = \"ndjson\"" } else { "format = \"json\"" });
                if let Some(envelope) = envelope {
                    self.line(&format!("envelope = {}", quoted(envelope)));
                }
                if let Some(orders) = orders {
                    self.line(&format!("orders = {}", quoted(orders)));
                }
                self.line(&format!("items = {}", quoted(items)));
            }
        }
    }

    fn order_id(&mut self, sample: &Sample, roles: &Roles<'_>) {
        let Some(column) = roles.order_id else {
            self.doubt(
                "no column looks like an order's id: every line is an order, which Forebay gives an id".to_owned(),
            );
            return;
        };
        let is_table = matches!(sample.shape, Shape::Table { .. });
        if is_table && column.has_blanks() {
            self.doubt(format!("{} is empty here and there: such a line belongs to the order before it", column.name));
            self.line(&format!("order_id = {{ column = {}, blank = \"as_before\" }}", quoted(&column.name)));
        } else {
            self.line(&format!("order_id = {}", column_of(column, "")));
        }
        let Some(gap) = widest_gap(column).filter(|_| is_table) else { return };
        let apart = (gap * 2).clamp(1000, 1_000_000);
        self.doubt(format!("lines of one order stand up to {gap} lines apart: they are gathered over {apart}"));
        self.line(&format!("lines_apart = {apart}"));
    }

    fn customer_id(&mut self, roles: &Roles<'_>) {
        let Some(column) = roles.customer_id else {
            self.doubt("no column looks like a customer: all orders are those of one".to_owned());
            return self.line("customer_id = { constant = \"guest\" }");
        };
        // Where an order's further lines leave it empty, it is that of the first.
        let is_missing = roles.order_id.is_none_or(|order_id| !first_of_each(order_id, column));
        if column.has_blanks() && is_missing {
            self.doubt(format!(
                "{} is empty here and there: such orders are those of the customer \"guest\"",
                column.name
            ));
            return self.line(&format!("customer_id = {}", column_of(column, ", default = \"guest\"")));
        }
        self.line(&format!("customer_id = {}", column_of(column, "")));
    }

    fn timestamp(&mut self, roles: &Roles<'_>) {
        let Some(column) = roles.timestamp else {
            self.decide("no column looks like a time, and an order needs one: name it, or say which all have");
            return self.line("timestamp = { constant = \"2026-01-01T00:00:00Z\" }");
        };
        if roles.is_time_by_values() {
            self.doubt(format!("{} is taken for the time of the order by what stands in it", column.name));
        }
        let TimesFound { format, needs_zone, or, unread } = times::find(column);
        if let Some(unread) = unread {
            self.doubt(format!(
                "{unread:?} in {} is read by no format that is known here: format = \"…\" says it",
                column.name
            ));
        }
        if let (Some((other, example)), Some(format)) = (or, &format) {
            self.decide(&format!("{example:?} in {} fits {format} and {other}", column.name));
        }
        let Some(format) = format else { return self.line(&format!("timestamp = {}", column_of(column, ""))) };
        let mut keys = format!(", format = {}", quoted(&format));
        if needs_zone {
            self.doubt(format!("where the clock of {} hung does not stand in the file: UTC here", column.name));
            keys.push_str(", zone = \"UTC\"");
        }
        self.line(&format!("timestamp = {}", column_of(column, &keys)));
    }

    fn currency(&mut self, roles: &Roles<'_>) {
        match roles.currency {
            Some(column) => self.line(&format!("currency = {}", quoted(&column.name))),
            None if roles.price.is_some_and(|price| numbers::find(price).has_marks) => {
                self.line(
                    "# currency: that beside each price; a sign such as $ needs currency = { constant = \"USD\" }",
                );
            }
            None => {
                self.line("# No column names a currency: orders have that of the system, or currency = { constant = \"EUR\" }");
            }
        }
    }

    fn rules(&mut self, sample: &Sample, roles: &Roles<'_>) {
        let mut rules: Vec<String> = Vec::new();
        if sample.repeats_header {
            rules.push("{ header = true }".to_owned());
        }
        let sum = roles.order_id.or(roles.customer_id).and_then(|column| Some((column, total_row(column)?)));
        if let Some((column, word)) = sum {
            rules.push(format!("{{ column = {}, equals = {} }}", quoted(&column.name), quoted(word)));
        }
        if !rules.is_empty() {
            self.line(&format!("skip_when = [{}]", rules.join(", ")));
        }
        if roles.quantity.is_some_and(|column| numbers::find(column).has_negative) {
            self.line("# Orders with no other quantities than negative ones are returns; those that come to nothing are write-offs, which are");
            self.line("# refused, or passed over by skip_when = [{ write_off = true }]. return_when = [{ … }] is another rule for returns.");
        }
    }

    fn item(&mut self, sample: &Sample, roles: &Roles<'_>) {
        self.line("\n[item]");
        match roles.sku {
            Some(column) => self.line(&format!("sku = {}", column_of(column, ""))),
            None => {
                self.doubt("no column looks like an article".to_owned());
                self.line("sku = { constant = \"unknown\" }");
            }
        }
        match roles.quantity {
            Some(column) => self.number("quantity", column, None, ""),
            None => {
                self.doubt("no column looks like a quantity: each line is one piece".to_owned());
                self.line("quantity = { constant = 1 }");
            }
        }
        match roles.price {
            Some(column) if roles.is_line_total => {
                self.doubt(format!(
                    "{} is taken for what a whole line comes to, and not for the price of a piece",
                    column.name
                ));
                self.number("price", column, Some(roles.currency.is_some()), ", of = \"line\"");
            }
            Some(column) => self.number("price", column, Some(roles.currency.is_some()), ""),
            None => {
                self.decide("no column looks like a price: name it, or say what every piece costs");
                self.line("price = { constant = \"DECIDE\", scale = 2 }");
            }
        }
        self.further(sample, roles, "@");
    }

    /// A quantity or, with a scale, a price.
    fn number(&mut self, name: &str, column: &Column, has_currency: Option<bool>, more: &str) {
        let NumbersFound { separators, decimals, shows_decimals, ambiguous, unread, .. } = numbers::find(column);
        let mut keys = match has_currency {
            None => String::new(),
            Some(true) => ", scale = \"currency\"".to_owned(),
            Some(false) => format!(", scale = {}", decimals.clamp(2, 3)),
        };
        if has_currency == Some(false) && decimals > 2 {
            self.doubt(format!(
                "{} has up to {decimals} decimals: scale says how many make the minor unit",
                column.name
            ));
        }
        if has_currency.is_some() && !shows_decimals {
            self.doubt(format!(
                "{} has no decimals: taken for whole units, and not for cents (scale = 0)",
                column.name
            ));
        }
        if let Some(ambiguous) = ambiguous {
            self.decide(&format!(
                "{ambiguous:?} in {} can be read with {:?} for decimals, or for thousands",
                column.name, separators.decimal
            ));
        }
        if let Some(unread) = unread {
            self.doubt(format!("{unread:?} in {} is no number", column.name));
        }
        if separators != Separators::default() {
            let _ = write!(keys, ", decimal = \"{}\"", separators.decimal);
            if let Some(thousands) = separators.thousands {
                let _ = write!(keys, ", thousands = \"{thousands}\"");
            }
        }
        keys.push_str(more);
        self.line(&format!("{name} = {}", column_of(column, &keys)));
    }

    fn attributes(&mut self, sample: &Sample, roles: &Roles<'_>) {
        self.line("\n[attributes]");
        self.further(sample, roles, if matches!(sample.shape, Shape::Json { .. }) { "$" } else { "" });
    }

    /// What else there is, to be uncommented. Of a table it is not known what is the order's and what the item's.
    fn further(&mut self, sample: &Sample, roles: &Roles<'_>, root: &str) {
        let is_table = matches!(sample.shape, Shape::Table { .. });
        let others = sample.columns.iter().filter(|column| !(roles.has(column) || is_table && root == "@"));
        for column in others.filter(|column| column.name.starts_with(root)) {
            self.line(&format!("# {} = {}", key_of(&column.name), quoted(&column.name)));
        }
    }
}

/// The column, with further keys; without any by its name alone. Numbers of accounts that went through a spreadsheet end in `.0`.
fn column_of(column: &Column, keys: &str) -> String {
    let is_number_key = keys.contains("scale") || keys.contains("decimal");
    let ends =
        column.filled().all(|value| value.strip_suffix(".0").is_some_and(|id| id.bytes().all(|b| b.is_ascii_digit())));
    let strip = if ends && !is_number_key && column.filled().next().is_some() { ", strip_suffix = \".0\"" } else { "" };
    if keys.is_empty() && strip.is_empty() {
        return quoted(&column.name);
    }
    format!("{{ column = {}{strip}{keys} }}", quoted(&column.name))
}

/// How far apart the lines of an order stand, where others stand between them.
fn widest_gap(column: &Column) -> Option<usize> {
    let mut last: HashMap<&str, usize> = HashMap::new();
    let mut widest = None;
    for (at, id) in column.values.iter().enumerate().filter(|(_, id)| !id.is_empty()) {
        if let Some(before) = last.insert(id, at).filter(|before| at - before > 1) {
            // Lines without an id belong to the one before them.
            let between = column.values[before + 1..at].iter().any(|other| !other.is_empty() && other != id);
            widest = widest.max(between.then_some(at - before));
        }
    }
    widest
}

/// Whether the first line of each order has a value.
fn first_of_each(order_id: &Column, column: &Column) -> bool {
    let mut seen = std::collections::HashSet::new();
    let firsts = order_id.values.iter().zip(&column.values).filter(|(id, _)| id.is_empty() || seen.insert(*id));
    firsts.filter(|(id, _)| !id.is_empty()).all(|(_, value)| !value.trim().is_empty())
}

/// The word that marks a line of sums.
fn total_row(column: &Column) -> Option<&str> {
    const WORDS: [&str; 8] = ["total", "totals", "grand total", "sum", "summe", "gesamt", "gesamtsumme", "totaal"];
    let value = column.values.last()?.trim();
    WORDS.contains(&value.to_lowercase().as_str()).then_some(value)
}

/// A name as a field of an order.
fn key_of(name: &str) -> String {
    let words = name.trim_start_matches(['$', '@', '.']);
    let plain = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '_' };
    let key: String = words.chars().map(plain).collect();
    if key.is_empty() { "field".to_owned() } else { key }
}

fn quoted(text: &str) -> String {
    toml::Value::String(text.to_owned()).to_string()
}
