//! The programs in `examples/` do what they say.

use forebay_e2e::System;
use forebay_stack::{Durability, ServiceName, program};
use serde_json::Value;
use tokio::process::Command;

const EXAMPLES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples");

/// Runs a program against a system to its end, and gives its standard output.
async fn run(system: &System, program: &str, arguments: &[&str], input: &[u8]) -> String {
    let mut command = Command::new(program);
    command.args(arguments).env("FOREBAY_INGEST", system.url(ServiceName::Ingest, ""));
    command.env("FOREBAY_QUERY", system.url(ServiceName::Query, ""));
    let finished = forebay_testkit::command::run(&mut command, input).await;
    finished.unwrap_or_else(|error| panic!("{program}: {error:#}")).ok().unwrap().stdout
}

#[tokio::test(flavor = "multi_thread")]
async fn every_example_does_what_it_says() {
    let system = System::start(2, Durability::Fast, &[]).await.unwrap();
    let example = |name: &str| format!("{EXAMPLES}/{name}");
    let built = program("examples/post_and_read").unwrap();
    let (shell, python) = (example("post_and_read.sh"), example("post_and_read.py"));
    // Each twice: the second time it is a duplicate, and the same is read.
    for (runs, arguments) in
        [("bash", vec![shell.as_str()]), ("python3", vec![&python]), (built.to_str().unwrap(), vec![])]
    {
        for _ in 0..2 {
            let id = format!("ORD-of-{}", runs.rsplit('/').next().unwrap());
            let read = run(&system, runs, &[&arguments[..], &[id.as_str()]].concat(), b"").await;
            let order: Value = serde_json::from_str(&read).unwrap();
            assert_eq!((&order["order_id"], &order["total"]), (&id.into(), &2999.into()), "{order}");
        }
    }

    let line = |number: usize, quantity: u32| {
        format!(
            "{{\"order_id\":\"B{number}\",\"customer_id\":\"BATCH\",\"timestamp\":\"2025-06-30T12:30:00Z\",\
             \"items\":[{{\"sku\":\"A\",\"quantity\":{quantity},\"price\":1}}]}}\n"
        )
    };
    let lines: String = (0..25).map(|number| line(number, u32::from(number != 7))).collect();
    let told = run(&system, "python3", &[&example("batch.py")], lines.as_bytes()).await;
    assert_eq!(told.trim(), r#"{"accepted": 24}"#);
    system.wait_for("select count(*) from orders where customer_id = 'BATCH'", 24).await.unwrap();
    let walked = run(&system, "python3", &[&example("pages.py"), "BATCH", "10"], b"").await;
    assert_eq!(walked.lines().count(), 24, "{walked}");
    system.stop().await.unwrap();
}

#[test]
fn the_page_of_the_rust_client_shows_the_example_that_runs() {
    let page = include_str!("../../../../../crates/client/README.md");
    let example = include_str!("../../../../../examples/post_and_read.rs");
    assert!(page.contains(&format!("```rust\n{example}```")), "the example of crates/client/README.md is another one");
}
