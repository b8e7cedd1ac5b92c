//! What a row says of the record that is being made.

use std::borrow::Cow;

use forebay_client::RecordKind;

use super::{Assembly, FieldScope};
use crate::map::fields::currency::{Mark, stated};
use crate::map::fields::further::{Further, Members};
use crate::map::fields::number::Number;
use crate::map::fields::text::{Content, Text, shown};
use crate::map::json::{key, number_member, text_member};
use crate::map::value::{Fault, Row};
use crate::map::{EventFields, Map};

impl Assembly {
    /// Of events, whose customer may be left out, only where one is named.
    pub(super) fn take_customer(&mut self, map: &Map, row: &impl Row, line: u64) {
        let Some(field) = &map.customer_id else { return };
        self.customer_id = if map.event.is_some() {
            let text = field.text(row).map(Cow::into_owned);
            self.or_shown(text, line)
        } else {
            self.required(field, row, line)
        };
        if map.event.is_none() || !self.customer_id.is_empty() {
            text_member(&mut self.head, "customer_id", &self.customer_id);
        }
    }

    /// What only some kinds of events have.
    pub(super) fn take_details(&mut self, event: &EventFields, row: &impl Row, line: u64) {
        if let Some(field) = event.amount.as_ref().filter(|field| !field.is_blank(row)) {
            let amount = self.units(field, row).map(|units| {
                // What goes back stands below zero in many exports.
                if self.event_kind == "refunded" { units.checked_abs().unwrap_or(i64::MAX) } else { units }
            });
            match amount {
                Ok(amount) => number_member(&mut self.head, "amount", amount),
                Err(fault) => {
                    self.refuse(line, &fault.to_string());
                    text_member(&mut self.head, "amount", &fault.text);
                }
            }
        }
        if self.event_kind == "amended" {
            let before = std::mem::replace(&mut self.head, vec![b'{']);
            self.further(FieldScope::Head, &event.set, &[], row, line);
            let set = std::mem::replace(&mut self.head, before);
            if set.len() > 1 {
                key(&mut self.head, "set");
                self.head.extend_from_slice(&set);
                self.head.push(b'}');
            }
        }
    }

    /// A text that must not be empty.
    pub(super) fn required(&mut self, field: &Text, row: &impl Row, line: u64) -> String {
        let text = field.text(row).map(Cow::into_owned);
        let text = self.or_shown(text, line);
        if text.is_empty() {
            self.refuse(line, &format!("{} is empty", field.title));
        }
        text
    }

    pub(super) fn check_same(&mut self, field: &Text, what: &str, of: RecordKind, row: &impl Row, line: u64) {
        let before = if what == "kind" { &self.event_kind } else { &self.customer_id };
        match field.text(row) {
            Ok(text) if text == *before => {}
            Ok(text) => {
                let noun = if of == RecordKind::Events { "event" } else { "order" };
                let what = format!("its {what} is {text:?}, and that of the {noun}'s first line is {before:?}");
                self.refuse(line, &what);
            }
            Err(fault) => self.refuse(line, &fault.to_string()),
        }
    }

    pub(super) fn map_currency(&mut self, field: &Text, row: &impl Row, line: u64) {
        let text = field.text(row).map(Cow::into_owned);
        let text = self.or_shown(text, line);
        if text.is_empty() {
            return;
        }
        let text = text.trim();
        self.currency = stated(text);
        if self.currency.is_none() {
            self.refuse(
                line,
                &Fault::new(
                    &field.title,
                    text,
                    "is no currency: three letters, such as EUR, or a sign that one currency has",
                )
                .to_string(),
            );
        }
    }

    pub(super) fn number(&mut self, name: &str, field: &Number, row: &impl Row, line: u64) -> Option<i64> {
        match self.units(field, row) {
            Ok(units) => Some(units),
            Err(fault) => {
                self.refuse(line, &fault.to_string());
                text_member(&mut self.members, name, &fault.text);
                None
            }
        }
    }

    fn units(&mut self, field: &Number, row: &impl Row) -> Result<i64, Fault> {
        let amount = field.read(row, self.currency)?;
        let checked = self.check_mark(amount.mark);
        checked.map(|()| amount.units).map_err(|why| Fault::new(&field.title, shown(&field.names, row), why))
    }

    /// A currency beside a price must be the order's. Where nothing else says it, it is what says it.
    ///
    /// # Errors
    /// The end of a sentence that begins with the price.
    fn check_mark(&mut self, mark: Option<Mark>) -> Result<(), String> {
        match (mark, self.currency) {
            (Some(Mark::Of(of)), Some(currency)) if of != currency => {
                Err(format!("is in {of}, and the order in {currency}"))
            }
            (Some(Mark::Shared), None) => Err(SHARED_SIGN.to_owned()),
            (Some(Mark::Of(of)), None) => {
                self.currency = Some(of);
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// Further fields, but for those of an object that are called like one of its `own`.
    pub(super) fn further(&mut self, place: FieldScope, further: &Further, own: &[&str], row: &impl Row, line: u64) {
        for (name, field) in &further.named {
            self.named(place, name, field, row, line);
        }
        let Some(field) = &further.all_of else { return };
        let taken = members(field, row, |Members(members)| {
            let into = self.part(place);
            for (name, value) in members.iter().filter(|(name, _)| !own.contains(&&**name) && !further.names(name)) {
                key(into, name);
                into.extend_from_slice(value.get().as_bytes());
            }
        });
        if let Err(fault) = taken {
            self.refuse(line, &fault.to_string());
        }
    }

    fn named(&mut self, place: FieldScope, name: &str, field: &Text, row: &impl Row, line: u64) {
        let content = field.content(row);
        if let Err(fault) = &content {
            self.refuse(line, &fault.to_string());
        }
        let into = self.part(place);
        match content {
            Ok(Content::Text(text)) if text.is_empty() => {}
            Ok(Content::Text(text)) => text_member(into, name, &text),
            Ok(Content::Json(json)) => {
                key(into, name);
                into.extend_from_slice(json.as_bytes());
            }
            Err(fault) => text_member(into, name, &fault.text),
        }
    }

    fn part(&mut self, place: FieldScope) -> &mut Vec<u8> {
        match place {
            FieldScope::Head => &mut self.head,
            FieldScope::Item => &mut self.members,
        }
    }

    /// What was read or, where it is wrong, what stands there.
    pub(super) fn or_shown(&mut self, read: Result<String, Fault>, line: u64) -> String {
        read.unwrap_or_else(|fault| {
            self.refuse(line, &fault.to_string());
            fault.text
        })
    }
}

const SHARED_SIGN: &str =
    "has a sign that several currencies have: say in the map which one it is (currency = { constant = \"USD\" })";

/// Gives the members of the object that stands there, if anything does.
///
/// # Errors
/// [`Fault`] where it is no object.
fn members(field: &Text, row: &impl Row, take: impl FnOnce(Members<'_>)) -> Result<(), Fault> {
    let json = match field.content(row)? {
        Content::Text(text) if text.is_empty() => return Ok(()),
        Content::Text(json) | Content::Json(json) => json,
    };
    match serde_json::from_str(&json) {
        Ok(members) => take(members),
        Err(_) => return Err(Fault::new(&field.title, json, "is no JSON object")),
    }
    Ok(())
}
