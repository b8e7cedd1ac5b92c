//! The types as JSON Schema (2020-12), which is what OpenAPI 3.1 has.

use crate::lookup::IDS_MAX;
use std::borrow::Cow;

use forebay_model::EventKind;
use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde_json::{Map, Value, json};

use forebay_model::OrderKind;

use crate::Code;

/// The types that were met.
pub(super) struct Schemas(SchemaGenerator);

impl Schemas {
    pub(super) fn new() -> Self {
        let settings = SchemaSettings::draft2020_12().with(|settings| {
            settings.definitions_path = "/components/schemas".into();
            settings.meta_schema = None;
        });
        Self(settings.for_serialize().into_generator())
    }

    /// A reference to a type.
    pub(super) fn of<T: JsonSchema>(&mut self) -> Value {
        self.0.subschema_for::<T>().into()
    }

    pub(super) fn into_json(mut self) -> Map<String, Value> {
        let mut schemas = self.0.take_definitions(true);
        schemas.values_mut().for_each(join_names);
        schemas
    }
}

/// Makes one of a choice among names, which some generators of clients take for as many types.
fn join_names(schema: &mut Value) {
    let Some(choices) = schema["oneOf"].as_array() else { return };
    let name_of = |choice: &Value| Some((choice.get("const")?.clone(), choice["description"].clone()));
    let Some(names) = choices.iter().map(name_of).collect::<Option<Vec<_>>>() else { return };
    let said = names.iter().map(|(name, said)| format!("- `{}`: {}", name.as_str().unwrap(), said.as_str().unwrap()));
    let said: Vec<String> =
        std::iter::once(schema["description"].as_str().unwrap().to_owned() + "\n").chain(said).collect();
    let names: Vec<Value> = names.into_iter().map(|(name, _)| name).collect();
    *schema = json!({"type": "string", "enum": names, "description": said.join("\n")});
}

impl JsonSchema for Code {
    fn schema_name() -> Cow<'static, str> {
        "Code".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let names: Vec<&str> = Self::ALL.iter().map(|code| code.as_str()).collect();
        let said: Vec<String> =
            Self::ALL.iter().map(|code| format!("- `{code}` ({}): {}", code.status(), code.title())).collect();
        json_schema!({"type": "string", "enum": names, "description": said.join("\n")})
    }
}

/// What an id may be.
pub(super) fn id_schema() -> Value {
    json!({"type": "string", "minLength": 1, "maxLength": 128, "pattern": "^[^\\u0000-\\u001f\\u007f-\\u009f]+$"})
}

pub(crate) fn sku(_: &mut SchemaGenerator) -> Schema {
    id_schema().try_into().unwrap_or_default()
}

pub(crate) fn ids(_: &mut SchemaGenerator) -> Schema {
    json_schema!({"type": "array", "minItems": 1, "maxItems": IDS_MAX, "items": id_schema()})
}

/// An integer is taken, too.
pub(crate) fn id(_: &mut SchemaGenerator) -> Schema {
    json_schema!({"anyOf": [id_schema(), {"type": "integer"}]})
}

pub(crate) fn id_or_null(_: &mut SchemaGenerator) -> Schema {
    json_schema!({"anyOf": [id_schema(), {"type": ["integer", "null"]}]})
}

pub(crate) fn event_kind(_: &mut SchemaGenerator) -> Schema {
    let named: Vec<String> = EventKind::NAMED.iter().map(ToString::to_string).collect();
    json_schema!({"anyOf": [{"enum": named}, {"type": "string", "pattern": "^x-[^\\u0000-\\u001f\\u007f-\\u009f]+$", "maxLength": 64}]})
}

pub(crate) fn kind(_: &mut SchemaGenerator) -> Schema {
    json_schema!({"type": "string", "enum": OrderKind::ALL.map(OrderKind::as_str)})
}

/// Adds what an event of some kinds says; of the others it is a field like any other.
pub(crate) fn by_kind(schema: &mut Schema) {
    let members = [
        (
            "items",
            "Of `returned`: what came back; without it, all of the order. Of `amended`: what the order's items are from then on, as in an order.",
            json!([{"sku": "SHOE001", "quantity": 1}]),
        ),
        ("amount", "Of `paid` and `refunded`: in minor units of the order's currency, not negative.", json!(2999)),
        (
            "set",
            "Of `amended`, which has this or `items`: fields of the order, and what they are from then on. Not its id, customer, time, \
             currency or kind. By a field that a view goes by it moves to another of the view's keys, or with null to none.",
            json!({"note": "leave it at the door"}),
        ),
    ];
    if let Some(properties) = schema.ensure_object().get_mut("properties").and_then(Value::as_object_mut) {
        for (name, text, example) in members {
            properties.insert(name.to_owned(), json!({"description": text, "examples": [example]}));
        }
    }
}

/// An order with an id needs its time, or sending it again would store it twice. Said as a condition, and not as two kinds of orders: clients that
/// are made of the description have one type of them.
pub(crate) fn id_and_time(schema: &mut Schema) {
    let given = |name: &str| json!({"required": [name], "properties": {name: {"not": {"type": "null"}}}});
    schema.insert("if".to_owned(), given("order_id"));
    schema.insert("then".to_owned(), given("timestamp"));
}
