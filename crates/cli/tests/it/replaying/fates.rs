//! A replay ends when its orders are stored, and says what became of them.

use std::time::Duration;

use forebay_stack::Signal;
use forebay_testkit::command::Finished;
use forebay_testkit::eventually;
use serde_json::{Value, json};

use crate::operating::operated::{order, order_at};
use crate::replaying::system::{System, start_query};

const DEADLINE: Duration = Duration::from_mins(1);

fn fates(ran: &Finished) -> Value {
    let summary = ran.json().unwrap();
    let fates = &summary["fates"];
    json!([fates["stored"], fates["duplicates"], fates["dead"], fates["undecided"]])
}

/// The lines and ids of what is dead.
fn dead(ran: &Finished) -> Vec<(String, Vec<u64>, String)> {
    let summary = ran.json().unwrap();
    let line = |place: &Value| place["line"].as_u64().unwrap();
    let first = summary["fates"]["first_dead"].as_array().unwrap().clone();
    first
        .iter()
        .map(|dead| {
            let lines = dead["places"].as_array().unwrap().iter().map(line).collect();
            (dead["order_id"].as_str().unwrap().to_owned(), lines, dead["reason"].as_str().unwrap().to_owned())
        })
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_in_which_ids_come_twice_with_other_content_is_told_by_line() {
    let system = System::new("fatetwice").await;
    let mut lines: Vec<String> = (0..500).map(|n| order(&format!("C{}", n % 7), &format!("O{n}"), 100)).collect();
    lines.push(order("C3", "O3", 100));
    lines.push(order("C4", "O4", 777));
    lines.push(String::from("{torn"));
    lines.push(order_at("C5", "O5", 100, "2025-07-01T00:00:00Z"));
    system.forebay.write("orders.ndjson", lines.join("\n"));
    let ran = system.replay(&["orders.ndjson"]).await;
    assert_eq!((ran.code, fates(&ran)), (Some(2), json!([500, 1, 2, 0])), "{ran:?}");
    assert_eq!(ran.figures(&["accepted", "rejected"]), [503, 1]);
    assert_eq!(ran.json().unwrap()["ending"], "rejected_or_dead");
    let mut told = dead(&ran);
    told.sort();
    // An id stands on both lines, and which of them was first the log has decided.
    let expected = [("O4", [5, 502]), ("O5", [6, 504])];
    assert_eq!(told, expected.map(|(id, lines)| (id.to_owned(), lines.to_vec(), "conflict".to_owned())));
    assert!(
        ran.stderr.contains("dead, conflict: 2") && ran.stderr.contains("order O4, one of line 5, line 502 (letter "),
        "{ran:?}"
    );
    assert!(ran.stderr.contains("500 stored, 1 stored before, 2 dead"), "{ran:?}");

    // The same file again without the torn line: everything was there before, and the dead die again.
    lines.remove(502);
    system.forebay.write("again.ndjson", lines.join("\n"));
    let ran = system.replay(&["again.ndjson"]).await;
    assert_eq!((ran.code, fates(&ran)), (Some(2), json!([0, 501, 2, 0])), "{ran:?}");
    // What is simply stored ends well, and so does what is not asked.
    system.forebay.write("new.ndjson", order("C9", "NEW", 1));
    let ran = system.replay(&["new.ndjson"]).await;
    assert_eq!((ran.code, &ran.json().unwrap()["ending"]), (Some(0), &json!("stored")), "{ran:?}");
    let ran = system.replay(&["orders.ndjson", "--no-wait"]).await;
    assert_eq!((ran.code, &ran.json().unwrap()["fates"]), (Some(2), &Value::Null), "the torn line: {ran:?}");
    let ran = system.replay(&["again.ndjson", "--no-wait"]).await;
    assert_eq!((ran.code, &ran.json().unwrap()["ending"]), (Some(0), &json!("accepted")), "{ran:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn lines_of_items_and_standard_input_are_told_as_far_as_they_can() {
    let system = System::new("fatecsv").await;
    let csv = "id,who,at,sku,n,p\nA,C1,2025-06-30 12:00:00,x,1,5\nA,C1,2025-06-30 12:00:00,y,1,5\nB,C1,2025-06-30 12:00:00,x,1,5\n\
        A,C1,2025-06-30 12:00:00,z,1,9\nB,C1,2025-06-30 12:00:00,x,1,5\n";
    let map = "order_id = \"id\"\ncustomer_id = \"who\"\ntimestamp = { column = \"at\", format = \"%Y-%m-%d %H:%M:%S\", zone = \"Europe/London\" }\n\
        [item]\nsku = \"sku\"\nquantity = \"n\"\nprice = \"p\"\n";
    system.forebay.write("items.csv", csv);
    system.forebay.write("map.toml", map);
    let ran = system.replay(&["items.csv", "--map", "map.toml"]).await;
    assert_eq!((ran.code, fates(&ran)), (Some(2), json!([2, 1, 1, 0])), "{ran:?}");
    assert_eq!(dead(&ran), [("A".to_owned(), vec![2, 5], "conflict".to_owned())]);
    assert!(ran.stderr.contains("order A, one of 2 lines from line 2 on, line 5 (letter "), "{ran:?}");
    let arguments = system.arguments(&["-"]);
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let ran = system.forebay.run_with(&arguments, order("C1", "B", 7).as_bytes()).await;
    assert_eq!((ran.code, fates(&ran)), (Some(2), json!([0, 0, 1, 0])), "{ran:?}");
    assert_eq!(dead(&ran), [("B".to_owned(), vec![], "conflict".to_owned())]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_is_stopped_while_it_waits_is_resolved_by_the_next() {
    let mut system = System::new("fatestop").await;
    system.operated.stop_writer().await;
    let mut lines: Vec<String> = (0..300).map(|n| order("C1", &format!("O{n}"), 100)).collect();
    lines.push(order("C1", "O7", 5));
    system.forebay.write("orders.ndjson", lines.join("\n"));
    let mut child = system.start(&["orders.ndjson"]);
    let mut stderr = child.stderr.take().unwrap();
    // It says that it waits: everything is accepted, and its state is saved then.
    let mut said = String::new();
    while !said.contains("waiting for 301 orders to be stored") {
        let mut some = [0; 4096];
        let read = tokio::io::AsyncReadExt::read(&mut stderr, &mut some);
        let read = tokio::time::timeout(DEADLINE, read).await.unwrap().unwrap();
        assert!(read > 0, "{said}");
        said.push_str(&String::from_utf8_lossy(&some[..read]));
    }
    Signal::Interrupt.send(child.id().unwrap());
    let ran = Finished::from(tokio::time::timeout(DEADLINE, child.wait_with_output()).await.unwrap().unwrap());
    assert_eq!((ran.code, fates(&ran)), (Some(130), json!([0, 0, 0, 301])), "{ran:?}");

    system.operated.start_writer().await;
    let rows = async || {
        system
            .operated
            .shards
            .sum("select sum(rows_stored + rows_dead)::int8 from lane_tally where lane = 'orders'")
            .await
    };
    eventually("they are decided", async || (rows().await == 301, rows().await)).await;
    let ran = system.replay(&["orders.ndjson", "--resume"]).await;
    assert_eq!((ran.code, fates(&ran)), (Some(2), json!([300, 0, 1, 0])), "{ran:?}");
    assert_eq!(dead(&ran), [("O7".to_owned(), vec![8, 301], "conflict".to_owned())]);
    assert_eq!((ran.figures(&["accepted"]), rows().await), (vec![0], 301), "nothing was sent again");
    let third = system.replay(&["orders.ndjson", "--resume"]).await;
    assert!(third.stderr.contains("nothing to go on with"), "{third:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_query_that_is_away_is_told_and_asked_by_the_next_run() {
    let system = System::new("fateaway").await;
    let address = system.query.address;
    let lines: Vec<String> = (0..50).map(|n| order("C1", &format!("O{n}"), 100)).collect();
    system.forebay.write("orders.ndjson", lines.join("\n"));
    let System { operated, forebay, ingest, query } = system;
    query.stop().await;
    let (to, url) = (ingest.url(""), format!("http://{address}"));
    let arguments = ["replay", "orders.ndjson", "--json", "--to", &to, "--query", &url, "--give-up-s", "1"];
    let ran = forebay.run(&arguments).await;
    assert_eq!((ran.code, fates(&ran)), (Some(1), json!([0, 0, 0, 50])), "{ran:?}");
    assert_eq!((ran.figures(&["accepted"]), &ran.json().unwrap()["ending"]), (vec![50], &json!("undecided")));
    assert!(
        ran.stderr.contains(&format!("no answer from {url}")) && ran.stderr.contains("50 of which it is not known"),
        "{ran:?}"
    );
    let query = start_query(&operated, Some(address)).await;
    query.ready_without(&[]).await;
    let ran = forebay.run(&[&arguments[..], &["--resume"]].concat()).await;
    assert_eq!((ran.code, fates(&ran)), (Some(0), json!([50, 0, 0, 0])), "{ran:?}");
    // An address of something else ends it at once.
    forebay.write("more.ndjson", order("C1", "MORE", 1));
    let ran = forebay.run(&["replay", "more.ndjson", "--json", "--to", &to, "--query", &to]).await;
    assert_eq!((ran.code, fates(&ran)), (Some(1), json!([0, 0, 0, 1])), "{ran:?}");
    assert!(ran.stderr.contains("is ingest, and not query"), "{ran:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_letter_that_is_requeued_counts_as_what_becomes_of_it() {
    let system = System::new("faterequeue").await;
    system.operated.shards.sql_everywhere("alter table orders add constraint unlucky check (order_id <> 'O7')").await;
    let lines: Vec<String> = (0..20).map(|n| order("C1", &format!("O{n}"), 100)).collect();
    let answer = system.ingest.post("/v1/orders/batch", "application/x-ndjson", lines.join("\n"));
    let answer = forebay_testkit::service::Answer::of(answer).await;
    let path = format!("/v1/receipts/{}?wait_ms=30000", answer.body["receipt"].as_str().unwrap());
    let figures = async || {
        let told = system.query.get(&path).await.ok();
        (told["stored"].clone(), told["duplicate"].clone(), told["dead_in_all"].clone(), told["dead"].clone())
    };
    let (stored, _, dead, letters) = figures().await;
    assert_eq!((stored, dead), (json!(19), json!(1)));
    let letter = letters[0]["letter"].as_str().unwrap().to_owned();
    let requeue = async || system.operated.json(&["dead", "requeue", &letter], 0).await;
    // It dies again, by another letter, and only once.
    requeue().await;
    eventually("it has died again", async || {
        let (stored, duplicate, dead, letters) = figures().await;
        let told = (stored, duplicate, dead);
        assert_eq!(told, (json!(19), json!(0), json!(1)));
        (letters[0]["letter"] != json!(letter) && letters.as_array().unwrap().len() == 1, letters)
    })
    .await;
    system.operated.shards.sql_everywhere("alter table orders drop constraint unlucky").await;
    system.operated.json(&["dead", "requeue", "--all"], 0).await;
    eventually("it is stored", async || {
        let told = figures().await;
        (told == (json!(20), json!(0), json!(0), json!([])), told)
    })
    .await;
    // Once more, and purged: it stays what it was.
    requeue().await;
    system.operated.drained().await;
    system.operated.json(&["dead", "purge", "--all"], 0).await;
    assert_eq!(figures().await, (json!(20), json!(0), json!(0), json!([])));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_replayed_as_a_tenant_is_that_tenants_alone() {
    let system = System::new("fatetenant").await;
    let lines: Vec<String> = (0..20).map(|n| order(&format!("C{}", n % 7), &format!("O{n}"), 100)).collect();
    system.forebay.write("orders.ndjson", lines.join("\n"));
    // As whom, and what became of it.
    for (tenant, becomes) in [
        ("T1", json!([20, 0, 0, 0])),
        ("", json!([20, 0, 0, 0])),
        ("T2", json!([20, 0, 0, 0])),
        ("T1", json!([0, 20, 0, 0])),
    ] {
        let flags: &[&str] = if tenant.is_empty() { &[] } else { &["--tenant", tenant] };
        let ran = system.replay(&[&["orders.ndjson"], flags].concat()).await;
        assert_eq!((ran.code, fates(&ran)), (Some(0), becomes), "{tenant:?}: {ran:?}");
    }
    system.forebay.write("other.ndjson", order("C0", "O0", 5));
    let ran = system.replay(&["other.ndjson", "--tenant", "T1"]).await;
    assert_eq!((ran.code, fates(&ran)), (Some(2), json!([0, 0, 1, 0])), "{ran:?}");
    for (tenant, letters) in [("T1", 1), ("T2", 0)] {
        let listed = system.operated.json(&["dead", "list", "--tenant", tenant], 0).await;
        let listed = listed["letters"].as_array().unwrap();
        assert_eq!(listed.len(), letters, "{listed:?}");
        assert!(listed.iter().all(|letter| letter["tenant"] == tenant), "{listed:?}");
    }
    let ran = system.replay(&["orders.ndjson", "--tenant", " T1"]).await;
    assert!(ran.code != Some(0) && ran.stderr.contains("must not begin or end with white space"), "{ran:?}");
    assert_eq!(system.operated.run(&["verify", "--full"]).await.code, Some(0));
}
