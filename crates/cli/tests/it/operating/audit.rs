//! `forebay audit`: what operators have done is kept, and nobody takes it back.

use serde_json::{Value, json};

use super::operated::Operated;

/// The commands of the record, with how each ended and the shards that have it.
async fn recorded(operated: &Operated, more: &[&str]) -> Vec<(String, String, usize)> {
    let acts = operated.json(&[&["audit"], more].concat(), 0).await;
    let act = |act: &Value| {
        let text = |name: &str| act[name].as_str().unwrap().to_owned();
        (text("command"), text("stage"), act["shards"].as_array().unwrap().len())
    };
    acts.as_array().unwrap().iter().map(act).collect()
}

fn was(command: &str, stage: &str, shards: usize) -> (String, String, usize) {
    (command.to_owned(), stage.to_owned(), shards)
}

#[tokio::test]
async fn what_operators_do_is_recorded_with_who_and_how_it_ended_and_stays() {
    let operated = Operated::new("audit", 2).await;
    assert_eq!(recorded(&operated, &[]).await, []);
    for (command, code) in [
        (&["settings", "set", "currency=USD"][..], 0),
        (&["views", "add", "depot=depot_id"], 0),
        (&["views", "drop", "depot"], 0),
        (&["views", "drop", "depot"], 64),
        (&["index", "backfill"], 0),
        (&["dead", "purge", "--all"], 0),
        (&["dead", "requeue", "--shard", "1"], 0),
        // Nothing is done by these.
        (&["settings", "show"], 0),
        (&["dead", "list"], 0),
        (&["dead", "purge"], 64),
    ] {
        let ran = operated.run(command).await;
        assert_eq!(ran.code, Some(code), "{command:?}: {ran:?}");
    }
    let file = tempfile::NamedTempFile::new().unwrap();
    let (path, shards) = (file.path().to_str().unwrap(), operated.shards.urls.join(","));
    let keys = |command: &'static [&'static str]| {
        let last = ["--clients-file", path, "--shards", &shards].map(str::to_owned);
        command.iter().map(|&word| word.to_owned()).chain(last).collect::<Vec<_>>()
    };
    let add = keys(&["keys", "add", "shop", "--rights", "read", "--bound", "customer=C1", "--orders-per-s", "7"]);
    let added = operated.run_alone(&add).await;
    assert_eq!(added.code, Some(0), "{added:?}");
    let revoked = operated.run_alone(&keys(&["keys", "revoke", "shop"])).await;
    assert_eq!(revoked.code, Some(0), "{revoked:?}");

    let all = [
        was("settings set", "done", 2),
        was("views add", "done", 2),
        was("views drop", "done", 2),
        was("views drop", "failed", 2),
        was("index backfill", "done", 2),
        was("dead purge", "done", 2),
        was("dead requeue", "done", 1),
        was("keys add", "done", 2),
        was("keys revoke", "done", 2),
    ];
    assert_eq!(recorded(&operated, &[]).await, all);
    let acts = operated.json(&["audit"], 0).await;
    assert_eq!(acts[0]["asked"], json!({"settings": ["currency=USD"]}));
    assert!(acts[3]["outcome"]["reason"].as_str().unwrap().contains("no view `depot`"), "{}", acts[3]);
    let [user, host, database] = ["by_user", "by_host", "db_user"].map(|name| acts[0][name].as_str().unwrap());
    assert!(!user.is_empty() && !host.is_empty() && database == "forebay", "{}", acts[0]);
    assert_eq!((&acts[7]["asked"]["orders_per_s"], &acts[7]["asked"]["requests_per_s"]), (&json!(7), &Value::Null));
    let key = added.stdout.trim();
    assert!(!acts.to_string().contains(key), "a key is nobody's business");
    let since = acts[7]["begun_at"].as_str().unwrap();
    assert_eq!(recorded(&operated, &["--since", since]).await.len(), 2);
    // A time between the beginning of an act and its end, in all shards or in one of them.
    for shard in [None, Some(0)] {
        let act = acts[8]["act"].as_str().unwrap();
        let ends: Vec<String> = shard
            .map_or(vec![0, 1], |shard| vec![shard])
            .into_iter()
            .map(|shard: usize| operated.shards.urls[shard].clone())
            .collect();
        let mut since = String::new();
        for url in ends {
            let sql = format!(
                "select to_char(max(at) at time zone 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"') from audit where act = '{act}'"
            );
            since = since.max(operated.shards.stack.sql(&url, &sql).await.unwrap().trim().to_owned());
        }
        let later = operated.json(&["audit", "--since", &since], 0).await;
        assert_eq!(later, json!([acts[8]]), "since {since}");
    }

    for change in
        ["update audit set by_user = 'nobody'", "delete from audit", "truncate audit", "delete from audit where false"]
    {
        let statement = format!("set session_replication_role = replica; {change}");
        let refused = operated.shards.stack.sql(&operated.shards.urls[0], &statement).await;
        assert!(format!("{:#}", refused.unwrap_err()).contains("only ever added to"), "{change}");
    }
    assert_eq!(recorded(&operated, &[]).await, all);
}

#[tokio::test]
async fn what_cannot_be_recorded_is_not_done() {
    let operated = Operated::new("unaudited", 1).await;
    operated
        .shards
        .sql(
            0,
            "create function no() returns trigger language plpgsql as $$ begin raise exception 'no room'; end $$; \
        create trigger no before insert on audit for each row execute function no()",
        )
        .await;
    let ran = operated.run(&["settings", "set", "currency=USD"]).await;
    assert!(ran.code == Some(1) && ran.stderr.contains("not done") && ran.stderr.contains("no room"), "{ran:?}");
    assert_eq!(operated.json(&["settings", "show"], 0).await["currency"], "EUR");
}
