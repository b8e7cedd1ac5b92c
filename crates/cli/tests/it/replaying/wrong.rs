//! What a new user gets wrong: one clear sentence each.

use forebay_parquet::Shape;

use forebay_testkit::command::Finished;

use crate::forebay::Forebay;
use crate::replaying::files::parquet;
use crate::replaying::ingest::Ingest;
use crate::replaying::system::System;

/// Asserts the exit code, and that one line of standard error says it.
fn assert_said(ran: &Finished, code: i32, sentence: &str) {
    assert_eq!(ran.code, Some(code), "{ran:?}");
    assert_eq!(ran.stderr.lines().next(), Some(sentence), "{ran:?}");
    assert!(!ran.stderr.contains("panicked") && !ran.stderr.contains("backtrace"), "{ran:?}");
}

#[tokio::test]
async fn files_that_cannot_be_read_are_named_before_anything_is_sent() {
    let forebay = Forebay::new();
    forebay.write("good.ndjson", "{}\n");
    forebay.write("map.toml", "order_id = \"a\"\n");
    forebay.write("orders.csv", "a,b\n1,2\n");
    forebay.write("with.csv", "a,b\n1,2\n");
    let with = "order_id = \"a\"\ncustomer_id = \"b\"\ntimestamp = \"c\"\nitem = { sku = \"d\", quantity = \"e\", price = \"f\" }\n";
    forebay.write("with.toml", with);
    forebay.write("what", "a,b\n1,2\n");
    forebay.write("torn.parquet", "PAR1");
    forebay.write("none.parquet", "a,b");
    forebay.write("other.parquet", parquet(Shape::View, 1));
    std::fs::create_dir(forebay.path("dir")).unwrap();
    for (arguments, code, sentence) in [
        (
            &["good.ndjson", "none.ndjson"][..],
            1,
            "forebay: cannot open none.ndjson: No such file or directory (os error 2)",
        ),
        (&["good.ndjson", "dir"], 64, "forebay: there is no file in dir"),
        (&["what"], 1, "forebay: cannot tell the format of what: say --format ndjson, json, csv or parquet"),
        (
            &["orders.csv"],
            64,
            "forebay: orders.csv: a CSV file needs a --map that says which columns make an order: `forebay map suggest orders.csv --write` makes one",
        ),
        (
            &["with.csv"],
            64,
            "forebay: with.csv: a CSV file needs a --map that says which columns make an order: the same command with --map with.toml reads it by the map beside it",
        ),
        (
            &["with.csv", "--format", "csv"],
            64,
            "forebay: the format csv needs a --map: the same command with --map with.toml reads it by the map beside it",
        ),
        (
            &["orders.csv", "--map", "none.toml"],
            64,
            "forebay: cannot read the map none.toml: No such file or directory (os error 2)",
        ),
        (&["orders.csv", "--map", "map.toml"], 64, "forebay: the map map.toml: missing field `customer_id`"),
        (
            &["torn.parquet"],
            1,
            "forebay: torn.parquet is damaged, or was cut off: EOF: Parquet file too small. Size is 4 but need 8",
        ),
        (
            &["none.parquet"],
            1,
            "forebay: none.parquet is not a Parquet file; if it is a compressed one, decompress it: Parquet is read from its end",
        ),
        (
            &["other.parquet"],
            64,
            "forebay: other.parquet: it is an export of a view, which has of each order only what one key of it sees: export the orders themselves",
        ),
        (&["-", "--resume"], 64, "forebay: standard input cannot be resumed: name a file"),
        (
            &["good.ndjson", "--to", "ftp://localhost:8080"],
            64,
            "forebay: --to \"ftp://localhost:8080\": expected an address such as http://127.0.0.1:8080",
        ),
        (
            &["good.ndjson", "--rate", "0"],
            64,
            "forebay: invalid value '0' for '--rate <N>': number would be zero for non-zero type",
        ),
        (&[], 64, "forebay: the following required arguments were not provided: <FILE>..."),
    ] {
        assert_said(&forebay.run(&[&["replay"], arguments].concat()).await, code, sentence);
    }
}

#[tokio::test]
async fn a_csv_file_that_does_not_fit_its_map_is_explained() {
    let forebay = Forebay::new();
    let map = "order_id = \"id\"\ncustomer_id = \"who\"\ntimestamp = \"at\"\n[item]\nsku = \"sku\"\nquantity = \"n\"\nprice = \"p\"\n";
    forebay.write("map.toml", map);
    forebay.write("missing.csv", "id,who,at,sku,n\n");
    let ran = forebay.run(&["replay", "missing.csv", "--map", "map.toml"]).await;
    let sentence = "forebay: missing.csv: the column `p` of the map is not among its columns: id, who, at, sku, n";
    assert_said(&ran, 1, sentence);
    forebay.write("empty.csv", "");
    forebay.write("header.csv", "id,who,at,sku,n,p\n");
    for (name, said) in
        [("empty.csv", "forebay: empty.csv is empty"), ("header.csv", "header.csv: 0 orders, 0 valid, 0 rejected")]
    {
        assert_said(&forebay.run(&["replay", name, "--map", "map.toml", "--dry-run"]).await, 0, said);
    }
}

#[tokio::test]
async fn what_is_read_and_what_is_somebody_else_s_is_not_lost_to_rejected_records() {
    let forebay = Forebay::new();
    let bad = "{\"bad\": 1}\n";
    for name in ["a.ndjson", "b.ndjson", "c.ndjson", "c.ndjson.rejects.ndjson", "precious.txt"] {
        forebay.write(name, bad);
    }
    forebay.write("orders.csv", "id,who,at,sku,n,p\n");
    let map = "order_id = \"id\"\ncustomer_id = \"who\"\ntimestamp = \"at\"\n[item]\nsku = \"sku\"\nquantity = \"n\"\nprice = \"p\"\n";
    forebay.write("map.toml", map);
    std::fs::hard_link(forebay.path("a.ndjson"), forebay.path("hard")).unwrap();
    std::os::unix::fs::symlink("a.ndjson", forebay.path("soft")).unwrap();
    std::fs::create_dir(forebay.path("dir")).unwrap();
    let is_read = |name: &str| {
        format!("forebay: rejected records would go to {name}, which is read: name another place with --rejects")
    };
    for (arguments, sentence) in [
        (&["a.ndjson", "--rejects", "a.ndjson"][..], is_read("a.ndjson")),
        (&["a.ndjson", "--rejects", "./dir/../a.ndjson"], is_read("./dir/../a.ndjson")),
        (&["a.ndjson", "--rejects", "hard"], is_read("hard")),
        (&["a.ndjson", "--rejects", "soft"], is_read("soft")),
        (&["soft", "--format", "ndjson", "--rejects", "hard"], is_read("hard")),
        (&["a.ndjson", "b.ndjson", "--rejects", "b.ndjson"], is_read("b.ndjson")),
        (&["c.ndjson", "c.ndjson.rejects.ndjson"], is_read("c.ndjson.rejects.ndjson")),
        (&["orders.csv", "--map", "map.toml", "--rejects", "map.toml"], is_read("map.toml")),
        (
            &["a.ndjson", "--rejects", "precious.txt"],
            "forebay: precious.txt is there already, and no file of rejected records: name another with --rejects".to_owned(),
        ),
        (
            &["a.ndjson", "--rejects", "none/rejects"],
            "forebay: cannot write rejected records to none/rejects: No such file or directory (os error 2); name another place with --rejects"
                .to_owned(),
        ),
        (
            &["a.ndjson", "--rejects", "dir"],
            "forebay: cannot write rejected records to dir: Is a directory (os error 21); name another place with --rejects"
                .to_owned(),
        ),
    ] {
        for how in [&["--dry-run"][..], &[]] {
            assert_said(&forebay.run(&[&["replay"], arguments, how].concat()).await, 64, &sentence);
        }
    }
    for name in ["a.ndjson", "b.ndjson", "c.ndjson", "c.ndjson.rejects.ndjson", "precious.txt"] {
        assert_eq!(forebay.read(name), bad, "{name}");
    }
    assert_eq!(forebay.read("map.toml"), map);
    assert!(!forebay.path("a.ndjson.rejects.ndjson").exists());

    // That of an earlier run makes room, and stays.
    let dry = async || forebay.run(&["replay", "a.ndjson", "--dry-run"]).await;
    assert_eq!(dry().await.code, Some(2));
    let first = forebay.read("a.ndjson.rejects.ndjson");
    let second = dry().await;
    let kept = "forebay: a.ndjson.rejects.ndjson of an earlier run is kept as a.ndjson.rejects.ndjson.1";
    assert!(second.code == Some(2) && second.stderr.contains(kept), "{second:?}");
    assert_eq!(
        [forebay.read("a.ndjson.rejects.ndjson.1"), forebay.read("a.ndjson.rejects.ndjson")],
        [&*first, &*first]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_door_that_is_another_one_is_called_what_it_is() {
    let system = System::new("doors").await;
    system.forebay.generate("orders.ndjson", &["--orders", "10"]).await;
    let (ingest, query) = (system.ingest.url(""), system.query.url(""));
    let ran = system.forebay.run(&["replay", "orders.ndjson", "--to", &query, "--query", &ingest]).await;
    let said = "and not ingest: --to wants the address of ingest, such as http://127.0.0.1:8080";
    assert_said(&ran, 1, &format!("forebay: {query} is query, {said}"));
    let ran = system.forebay.run(&["replay", "orders.ndjson", "--to", &ingest, "--query", &ingest]).await;
    let said = "and not query: --query wants the address of query, such as http://127.0.0.1:8081; what becomes of them";
    assert!(ran.code == Some(1) && ran.stderr.contains(&format!("{ingest} is ingest, {said}")), "{ran:?}");
}

#[tokio::test]
async fn another_server_than_ingest_or_one_that_lets_nobody_in_ends_the_run() {
    let forebay = Forebay::new();
    forebay.generate("orders.ndjson", &["--orders", "10"]).await;
    let nobody = format!("http://127.0.0.1:{}", forebay_stack::free_ports(1)[0]);
    let ran = forebay.run(&["replay", "orders.ndjson", "--to", &nobody, "--give-up-s", "1", "--json"]).await;
    assert_said(&ran, 1, &format!("forebay: no answer from {nobody}: Connection refused (os error 111); trying again"));
    assert!(ran.stderr.contains("; giving up") && ran.figures(&["accepted"]) == [0], "{ran:?}");

    forebay.write("clients.toml", "");
    let ingest = Ingest::start("other", &[]).await;
    let ran = forebay.run(&["replay", "orders.ndjson", "--to", &format!("{}/elsewhere", ingest.url())]).await;
    assert_said(&ran, 1, "forebay: ingest answers 404 not_found: there is no such path");
}

#[tokio::test]
async fn what_is_rejected_is_told_with_its_place_and_the_reason() {
    let forebay = Forebay::new();
    let ingest = Ingest::start("reasons", &[]).await;
    let replay = async |name: &str, text: &str| {
        forebay.write(name, text);
        forebay.run(&["replay", name, "--to", &ingest.url(), "--no-wait", "--json"]).await
    };
    let one = replay("one.ndjson", "{\"a\":}\n").await;
    let told = "one.ndjson: 1 orders, 0 accepted, 1 rejected, see one.ndjson.rejects.ndjson\n  \
        rejected, line 1: malformed: the JSON is broken at column 6: expected value\n";
    assert!(one.code == Some(2) && one.stderr.starts_with(told) && !one.stderr.contains('…'), "{one:?}");
    let many = replay("many.json", "[{\"a\":1},\n\n2,3,\n4]").await;
    for told in
        ["\n  rejected, line 1: invalid: /customer_id is required", "\n  rejected, line 3: malformed: ", "\n  …\n"]
    {
        assert!(many.code == Some(2) && many.stderr.contains(told), "{told}: {many:?}");
    }
    let first = &many.json().unwrap()["files"][0]["first_rejected"];
    assert_eq!(first.as_array().unwrap().iter().map(|one| one["place"]["line"].clone()).collect::<Vec<_>>(), [1, 3, 3]);
}

#[tokio::test]
async fn a_suggested_map_is_never_written_over_another() {
    let forebay = Forebay::new();
    forebay.write("o.csv", "order_id,customer_id,timestamp,sku,quantity,price\nA,C,2025-06-30T12:00:00Z,x,1,5\n");
    assert_eq!(forebay.run(&["map", "suggest", "o.csv", "--write"]).await.code, Some(0));
    forebay.write("o.csv.map.toml", "mine");
    let ran = forebay.run(&["map", "suggest", "o.csv", "--write"]).await;
    assert!(ran.code == Some(64) && ran.stderr.contains("is there already"), "{ran:?}");
    assert_eq!(forebay.read("o.csv.map.toml"), "mine");
}

#[tokio::test]
async fn a_map_that_leaves_something_to_decide_is_not_used_before_it_is_decided() {
    let forebay = Forebay::new();
    let line = |day| format!("A{day},C,03/0{day}/2026 12:00,x,1,5.00\n");
    let lines: String = (1..9).map(line).collect();
    forebay.write("o.csv", format!("order_id,customer_id,timestamp,sku,quantity,price\n{lines}"));
    assert_eq!(forebay.run(&["map", "suggest", "o.csv", "--write"]).await.code, Some(0));
    let replay = ["replay", "o.csv", "--map", "o.csv.map.toml", "--dry-run"];
    let refused = forebay.run(&replay).await;
    assert_eq!(refused.code, Some(64));
    let says = "says what is to be decided before it can be used: \"03/01/2026 12:00\" in timestamp fits";
    assert!(refused.stderr.contains(says), "{refused:?}");
    let map = forebay.read("o.csv.map.toml");
    let decided: Vec<&str> = map.lines().filter(|line| !line.contains("DECIDE")).collect();
    assert_eq!(decided.len() + 1, map.lines().count());
    forebay.write("o.csv.map.toml", decided.join("\n"));
    let taken = forebay.run(&replay).await;
    assert_eq!(taken.code, Some(0), "{taken:?}");
}
