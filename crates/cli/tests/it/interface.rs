//! What the services answer, and what is described, are the same.

use std::collections::BTreeSet;

use clap::Parser;
use forebay_api::{Role, Route};
use forebay_service::{Routes, Service, ServiceSettings};
use forebay_testkit::service::{Answer, Served};
use serde_json::Value;

use crate::operating::operated::Operated;

/// The routes of a service of that role, as it starts.
fn start(role: Role, flags: &[String], service: &Service) -> Routes {
    let arguments = ["service".to_owned()].into_iter().chain(flags.iter().cloned());
    let started = match role {
        // Ingest knows no shards.
        Role::Ingest => forebay_ingest::start(&forebay_ingest::Settings::parse_from(arguments.take(5)), service),
        Role::Writer => forebay_writer::start(&forebay_writer::Settings::parse_from(arguments), service),
        Role::Query => forebay_query::start(&forebay_query::Settings::parse_from(arguments), service),
    };
    started.unwrap()
}

/// Methods and paths of a description.
fn described(document: &Value) -> BTreeSet<String> {
    let paths = document["paths"].as_object().unwrap().iter();
    let of = |(path, methods): (&String, &Value)| {
        let methods: Vec<_> = methods.as_object().unwrap().keys().map(|method| method.to_uppercase()).collect();
        methods.into_iter().map(|method| format!("{method} {path}")).collect::<Vec<_>>()
    };
    paths.flat_map(of).collect()
}

#[tokio::test]
async fn every_route_of_the_running_services_is_described_and_the_other_way_round() {
    let operated = Operated::idle("interface", 1).await;
    for role in Role::ALL {
        let (mut own, mut are_described) = (Vec::new(), false);
        let start = |service: &Service| {
            let routes = start(role, &operated.flags(), service);
            (own, are_described) = (routes.all().to_vec(), routes.are_described());
            routes
        };
        let served = Served::start(&ServiceSettings::default(), start).await;
        assert!(are_described, "{role}");
        let expected = Route::ALL.iter().filter(|route| route.role().is_none_or(|of| of == role));
        let expected: BTreeSet<String> = expected.map(Route::to_string).collect();
        assert_eq!(described(&served.get("/openapi.json").await.ok()), expected, "{role}");
        assert!(own.iter().all(|route| expected.contains(&route.to_string())), "{role}: {own:?}");
        for route in &expected {
            let (method, path) = route.split_once(' ').unwrap();
            let path = path.split('{').map(|part| part.split_once('}').map_or(part, |(_, rest)| rest));
            let options = reqwest::Method::OPTIONS;
            let asked = served.client().request(options, served.url(&path.collect::<Vec<_>>().join("x")));
            let answer = Answer::of(asked).await;
            let allowed = answer.header("allow").to_owned();
            assert!(
                answer.status == 204 && allowed.split(',').any(|allowed| allowed == method),
                "{route}: {allowed:?}"
            );
        }
    }
}
