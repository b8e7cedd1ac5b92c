//! What is said of the routes of every service, and of the writer's.

use serde_json::{Value, json};

use super::examples;
use super::operation::{Content, Given, Operation};
use super::schemas::Schemas;
use crate::health::Dependencies;
use crate::{Code, Health, Streams, Welcome};

/// Something that is only there to be looked at, and never fails.
fn seen(summary: &'static str, text: &'static str, content: Content) -> Operation {
    let gives = vec![Given { status: 200, text: "As it is now.", headers: &[], contents: vec![content] }];
    Operation { summary, text, takes: Vec::new(), headers: &[], gives, codes: &[], members: Vec::new() }
}

pub(super) fn welcome(schemas: &mut Schemas) -> Operation {
    seen("What this is, and where to go on", "", Content::json(schemas.of::<Welcome>(), examples::welcome()))
}

pub(super) fn description() -> Operation {
    let text = "OpenAPI 3.1, of what is answered at this address.";
    seen("This description", text, Content::json(json!({"type": "object"}), Value::Null))
}

pub(super) fn docs() -> Operation {
    seen("This description as a page", "To read it, and to try it.", Content::text("text/html", Value::Null))
}

pub(super) fn docs_viewer() -> Operation {
    seen("What the page needs", "Nothing of it comes from elsewhere.", Content::text("text/javascript", Value::Null))
}

pub(super) fn livez() -> Operation {
    seen("Whether the process is alive", "Touches nothing else.", Content::text("text/plain", "alive\n"))
}

pub(super) fn metrics() -> Operation {
    seen("Metrics", "In the text form of Prometheus.", Content::text("text/plain", Value::Null))
}

pub(super) fn readyz(schemas: &mut Schemas) -> Operation {
    let dependencies = schemas.of::<Dependencies>();
    Operation {
        codes: &[Code::ShuttingDown, Code::NotReady],
        members: vec![(Code::NotReady, dependencies)],
        ..seen(
            "Whether it can do its work",
            "With the state of everything that it depends on. `halted` stays down until somebody decides how to go on.",
            Content::json(schemas.of::<Health>(), examples::health()),
        )
    }
}

pub(super) fn get_streams(schemas: &mut Schemas) -> Operation {
    Operation {
        codes: &[Code::Malformed, Code::Unauthenticated, Code::Forbidden, Code::Internal, Code::NotReady],
        ..seen(
            "See how each stream of each shard stands",
            "How far it is committed, how far behind its log, and how far what follows from it is derived.",
            Content::json(schemas.of::<Streams>(), examples::streams()),
        )
    }
}
