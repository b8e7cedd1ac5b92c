//! What is said of a route.

use serde_json::{Map, Value, json};

use super::schemas::Schemas;
use super::{examples, parts};
use crate::problem::{Code, PROBLEM_JSON};
use crate::route::Route;

/// Under which routes stand that no role has for itself.
pub(super) const EVERY_SERVICE: &str = "every service";

/// What is said of a route, beside what the table of routes says.
pub(super) struct Operation {
    /// In a few words, without a full stop.
    pub(super) summary: &'static str,
    /// In as many words as are needed; Markdown.
    pub(super) text: &'static str,
    /// The forms in which a request may come.
    pub(super) takes: Vec<Content>,
    /// The headers that mean something in a request.
    pub(super) headers: &'static [&'static str],
    /// What is answered where all goes well, by status.
    pub(super) gives: Vec<Given>,
    /// With which codes it may fail, in the order of their status.
    pub(super) codes: &'static [Code],
    /// What problems of some codes have beside what all have.
    pub(super) members: Vec<(Code, Value)>,
}

/// An answer.
pub(super) struct Given {
    pub(super) status: u16,
    pub(super) text: &'static str,
    /// Beside `X-Request-Id`.
    pub(super) headers: &'static [&'static str],
    pub(super) contents: Vec<Content>,
}

/// A body in one form.
pub(super) struct Content {
    pub(super) media_type: &'static str,
    pub(super) schema: Value,
    /// Null where there is none.
    pub(super) example: Value,
}

impl Operation {
    pub(super) fn to_json(&self, route: Route, schemas: &mut Schemas) -> Value {
        let mut operation = json!({
            "operationId": operation_id(route),
            "tags": [route.role().map_or(EVERY_SERVICE, |role| role.as_str())],
            "summary": self.summary,
            "parameters": self.parameters(route),
            "responses": self.responses(schemas),
        });
        if !self.text.is_empty() {
            operation["description"] = self.text.into();
        }
        if !self.takes.is_empty() {
            operation["requestBody"] = json!({"required": true, "content": contents(&self.takes)});
        }
        if let Some(right) = route.right() {
            operation["security"] = json!([{}, {"token": []}]);
            operation["x-right"] = right.as_str().into();
        }
        operation
    }

    fn parameters(&self, route: Route) -> Vec<Value> {
        let in_path = route.path().split('{').skip(1).filter_map(|rest| rest.split('}').next());
        let in_query = route.parameters().iter().map(|parameter| parameter.name());
        let of_tenants = route.is_of_a_tenant().then_some(crate::header::TENANT);
        let of_all = of_tenants.into_iter().chain([crate::header::REQUEST_ID]);
        let reference = |name| json!({"$ref": format!("#/components/parameters/{}", parts::key(name))});
        in_path.chain(in_query).chain(self.headers.iter().copied()).chain(of_all).map(reference).collect()
    }

    fn responses(&self, schemas: &mut Schemas) -> Map<String, Value> {
        let mut responses = Map::new();
        for Given { status, text, headers, contents: bodies } in &self.gives {
            let mut response = json!({"description": text, "headers": parts::answered(headers)});
            if !bodies.is_empty() {
                response["content"] = contents(bodies);
            }
            responses.insert(status.to_string(), response);
        }
        for codes in self.codes.chunk_by(|a, b| a.status() == b.status()) {
            responses.insert(codes[0].status().to_string(), self.problem(codes, schemas));
        }
        responses
    }

    /// The answer with one of these codes, which have the same status.
    fn problem(&self, codes: &[Code], schemas: &mut Schemas) -> Value {
        let names: Vec<&str> = codes.iter().map(|code| code.as_str()).collect();
        let text: Vec<String> = codes.iter().map(|code| format!("`{code}`: {}.", code.title())).collect();
        let members = self.members.iter().filter(|(code, _)| codes.contains(code)).map(|(_, schema)| schema.clone());
        // What stands beside a reference counts as well (JSON Schema 2020-12), and clients that are made of this have one type of problems.
        let mut schema = schemas.of::<crate::Problem>();
        schema["properties"] = json!({"code": {"enum": names}});
        let members: Vec<Value> = members.collect();
        if !members.is_empty() {
            schema["allOf"] = members.into();
        }
        let example = examples::problem(codes[0]);
        json!({
            "description": text.join(" "),
            "headers": parts::answered(parts::of_status(codes[0].status())),
            "content": {PROBLEM_JSON: {"schema": schema, "example": example}},
        })
    }
}

impl Content {
    pub(super) fn new(media_type: &'static str, schema: Value, example: Value) -> Self {
        Self { media_type, schema, example }
    }

    pub(super) fn json(schema: Value, example: Value) -> Self {
        Self::new("application/json", schema, example)
    }

    /// Something that is no JSON.
    pub(super) fn text(media_type: &'static str, example: impl Into<Value>) -> Self {
        Self::new(media_type, json!({"type": "string"}), example.into())
    }
}

fn contents(contents: &[Content]) -> Value {
    let content = |Content { media_type, schema, example }: &Content| {
        let body = match example {
            Value::Null => json!({"schema": schema}),
            example => json!({"schema": schema, "example": example}),
        };
        ((*media_type).to_owned(), body)
    };
    Value::Object(contents.iter().map(content).collect())
}

/// What clients that are made of the description call it: `get_orders_of_customer`.
fn operation_id(route: Route) -> String {
    let mut id = String::new();
    for letter in format!("{route:?}").chars() {
        if letter.is_uppercase() && !id.is_empty() {
            id.push('_');
        }
        id.extend(letter.to_lowercase());
    }
    id
}
