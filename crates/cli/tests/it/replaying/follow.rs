//! Files that grow.

use std::io::Write;

use forebay_stack::Signal;
use forebay_testkit::eventually;
use serde_json::Value;
use tokio::process::Child;

use crate::forebay::Forebay;
use crate::replaying::ingest::Ingest;

const MAP: &str = r#"
order_id = "id"
customer_id = "customer"
timestamp = "at"
item = { sku = "sku", quantity = "qty", price = "price" }
"#;

/// The ids of orders in the log, all of which are there once.
async fn assert_there(ingest: &Ingest, ids: impl Iterator<Item = String>) {
    let mut expected: Vec<String> = ids.collect();
    expected.sort();
    eventually("the orders are there", async || {
        let logged = ingest.logged().await;
        let found: Vec<String> = logged.keys().cloned().collect();
        (found == expected, format!("{} of {}", found.len(), expected.len()))
    })
    .await;
}

fn order(id: usize) -> String {
    format!(
        "{{\"order_id\":\"F{id}\",\"customer_id\":\"C\",\"timestamp\":\"2026-01-02T10:00:00Z\",\"items\":[{{\"sku\":\"s\",\"quantity\":1,\"price\":1}}]}}\n"
    )
}

fn append(forebay: &Forebay, name: &str, text: &str) {
    let mut file = std::fs::File::options().append(true).create(true).open(forebay.path(name)).unwrap();
    file.write_all(text.as_bytes()).unwrap();
}

async fn end(child: Child, signal: Signal) -> String {
    signal.send(child.id().unwrap());
    let output = child.wait_with_output().await.unwrap();
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn names(range: std::ops::Range<usize>) -> impl Iterator<Item = String> {
    range.map(|id| format!("F{id}"))
}

#[tokio::test]
async fn a_file_is_followed_as_it_grows_is_rotated_and_after_a_kill() {
    let forebay = Forebay::new();
    let ingest = Ingest::start("follow", &[]).await;
    std::fs::create_dir(forebay.path("in")).unwrap();
    let command = ["replay", "--follow", "in/orders.ndjson", "--to", &ingest.url()];
    // It may come later.
    let child = forebay.start(&command);
    append(&forebay, "in/orders.ndjson", &(0..100).map(order).collect::<String>());
    assert_there(&ingest, names(0..100)).await;
    // A line counts once it ends.
    let torn = order(100);
    append(&forebay, "in/orders.ndjson", &torn[..40]);
    append(&forebay, "in/orders.ndjson", &torn[40..]);
    append(&forebay, "in/orders.ndjson", "{\"bad\": 1}\n");
    assert_there(&ingest, names(0..101)).await;
    end(child, Signal::Kill).await;

    // Meanwhile it grows, and is rotated.
    append(&forebay, "in/orders.ndjson", &(101..150).map(order).collect::<String>());
    std::fs::rename(forebay.path("in/orders.ndjson"), forebay.path("in/orders.ndjson.1")).unwrap();
    append(&forebay, "in/orders.ndjson", &(150..200).map(order).collect::<String>());
    let child = forebay.start(&["replay", "--follow", "in", "--to", &ingest.url()]);
    assert_there(&ingest, names(0..200)).await;
    append(&forebay, "in/orders.ndjson", &order(200));
    append(&forebay, "in/other.ndjson", &order(201));
    assert_there(&ingest, names(0..202)).await;
    let said = end(child, Signal::Interrupt).await;
    let rejects: Vec<Value> =
        forebay.read_lines("in/orders.ndjson.rejects.ndjson").iter().map(|reject| reject["line"].clone()).collect();
    assert_eq!(rejects, [102], "{said}");
    let whole = "in/orders.ndjson.1: 0 orders, 0 accepted, 0 rejected, behind 151 that an earlier run has sent; \
        in all 150 accepted, 1 rejected";
    assert!(
        said.contains("in all 150 accepted, 1 rejected") && said.contains("\nin/orders.ndjson: 51 orders,"),
        "{said}"
    );
    assert!(said.contains("the same command goes on from here") && !said.contains("--resume"), "{said}");
    let most = ingest.logged().await.into_iter().filter(|(_, times)| *times > 1).count();
    assert!(most <= 1, "what was sent is not sent again: {most}");

    // Of what it finds done already it speaks, too.
    let child = forebay.start(&["replay", "--follow", "in", "--to", &ingest.url()]);
    append(&forebay, "in/other.ndjson", &order(202));
    assert_there(&ingest, names(0..203)).await;
    let said = end(child, Signal::Interrupt).await;
    assert!(said.contains(whole), "{said}");
    assert!(said.contains("All files: 1 orders, 1 accepted, 0 rejected, in all 203 accepted, 1 rejected"), "{said}");
}

#[tokio::test]
async fn the_lines_of_an_order_are_waited_for_and_the_last_one_is_whole_when_nothing_comes() {
    let forebay = Forebay::new();
    let ingest = Ingest::start("lines", &[]).await;
    forebay.write("map.toml", MAP);
    append(&forebay, "orders.csv", "id,customer,at,sku,qty,price\nF0,C,2026-01-02T10:00:00Z,a,1,1\n");
    let child = forebay.start(&["replay", "--follow", "orders.csv", "--map", "map.toml", "--to", &ingest.url()]);
    append(&forebay, "orders.csv", "F0,C,2026-01-02T10:00:00Z,b,1,1\nF1,C,2026-01-02T10:00:00Z,a,1,1\n");
    assert_there(&ingest, names(0..1)).await;
    append(
        &forebay,
        "orders.csv",
        "F1,C,2026-01-02T10:00:00Z,b,1,\nF2,C,2026-01-02T10:00:00Z,a,1,1\nF3,C,2026-01-02T10:00:00Z,a,1,1\n",
    );
    // The last one after a while, and the one with a fault never.
    let expected = || ["F0", "F2", "F3"].map(str::to_owned).into_iter();
    assert_there(&ingest, expected()).await;
    end(child, Signal::Interrupt).await;
    let reject = &forebay.read_lines("orders.csv.rejects.ndjson")[0];
    assert_eq!((&reject["line"], &reject["lines"], &reject["order_id"]), (&4.into(), &2.into(), &"F1".into()));
    assert!(reject["detail"].as_str().unwrap().starts_with("line 5: price"), "{reject}");
}

/// A file to which nothing has been added for a minute.
fn settled(forebay: &Forebay, name: &str, contents: &[u8]) {
    forebay.write(name, contents);
    let before = std::time::SystemTime::now() - std::time::Duration::from_mins(1);
    std::fs::File::options().write(true).open(forebay.path(name)).unwrap().set_modified(before).unwrap();
}

/// A program that writes with a buffer may stop for a while in the middle of a price.
#[tokio::test]
async fn a_line_without_an_end_is_named_and_waited_for_however_long() {
    let forebay = Forebay::new();
    let ingest = Ingest::start("torn", &[]).await;
    std::fs::create_dir(forebay.path("in")).unwrap();
    forebay.write("map.toml", MAP);
    let settled = |name: &str, contents: &[u8]| settled(&forebay, name, contents);
    let line = |id: usize| format!("F{id},C,2026-01-02T10:00:00Z,a,1,1\n");
    let csv = |lines: &[String]| format!("id,customer,at,sku,qty,price\n{}", lines.concat());
    // The line without an end may be a further one of the order before it.
    let torn = csv(&[line(0), line(1), "F1,C,2026-01-02T10:00:00Z,b,1,1".to_owned()]);
    settled("in/a.csv", torn.as_bytes());
    let wide: Vec<u8> = format!("\u{feff}{}", csv(&[line(2), "F3,C,2026-01-02T10:00:00Z,b,1,1".to_owned()]))
        .encode_utf16()
        .flat_map(u16::to_le_bytes)
        .collect();
    settled("in/b.csv", &wide);
    settled("in/c.csv", csv(&["F6,C,2026-01-02T10:00:00Z,b,1,1".to_owned()]).as_bytes());
    settled("in/z.csv", csv(&[line(4)]).as_bytes());
    let child = forebay.start(&["replay", "--follow", "in", "--map", "map.toml", "--to", &ingest.url()]);
    assert_there(&ingest, ["F0", "F4"].map(str::to_owned).into_iter()).await;
    append(&forebay, "in/a.csv", "00\nF5,C,2026-01-02T10:00:00Z,a,1,1\n");
    append(&forebay, "in/c.csv", "\n");
    settled("in/b.csv", &[&wide[..], &"00\n".encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<_>>()].concat());
    assert_there(&ingest, names(0..7)).await;
    let said = end(child, Signal::Interrupt).await;
    for file in ["in/b.csv", "in/c.csv"] {
        assert!(said.contains(&format!("{file}: its last line has no end")), "{said}");
    }
    assert!(
        !forebay.path("in/a.csv.rejects.ndjson").exists() && ingest.logged().await.values().all(|&times| times == 1)
    );

    // A line of NDJSON that is whole needs no end.
    settled("line.ndjson", order(7).trim_end().as_bytes());
    let child = forebay.start(&["replay", "--follow", "line.ndjson", "--to", &ingest.url()]);
    assert_there(&ingest, names(0..8)).await;
    end(child, Signal::Interrupt).await;
}

#[tokio::test]
async fn a_file_that_is_sent_as_a_whole_is_sent_once_and_after_a_kill_to_its_end() {
    let forebay = Forebay::new();
    let ingest = Ingest::start("whole", &[]).await;
    std::fs::create_dir(forebay.path("in")).unwrap();
    let array = |range: std::ops::Range<usize>| format!("[{}]", range.map(order).collect::<Vec<_>>().join(","));
    let whole = |name: &str, range| settled(&forebay, name, array(range).as_bytes());
    whole("in/a.json", 0..300);
    let slow =
        forebay.start(&["replay", "--follow", "in", "--rate", "100", "--connections", "1", "--to", &ingest.url()]);
    eventually("some are there", async || {
        let logged = ingest.logged().await.len();
        (logged > 0, logged)
    })
    .await;
    end(slow, Signal::Kill).await;
    assert!(ingest.logged().await.len() < 300);

    let child = forebay.start(&["replay", "--follow", "in", "--to", &ingest.url()]);
    assert_there(&ingest, names(0..300)).await;
    whole("in/b.json", 300..310);
    // Each of these is met by a further look at all files.
    for next in 310..315 {
        append(&forebay, "in/c.ndjson", &order(next));
        assert_there(&ingest, names(0..next + 1)).await;
    }
    let said = end(child, Signal::Interrupt).await;
    let logged = ingest.logged().await;
    let again: Vec<_> = (300..310).filter(|id| logged[&format!("F{id}")] > 1).collect();
    assert!(again.is_empty(), "{again:?} were sent again: {said}");
    assert!(!said.contains("go on with"), "a new file is no interrupted run: {said}");
}
