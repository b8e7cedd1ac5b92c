//! `forebay keys`: the clients file, edited while services follow it.

use forebay_testkit::eventually;
use forebay_testkit::service::http_client;

use crate::forebay::Forebay;

const FILE: &str = "clients.toml";

struct Keys(Forebay);

impl Keys {
    /// What the command printed; panics where it failed.
    async fn run(&self, arguments: &[&str]) -> String {
        let ran = self.0.run(&[&["keys"], arguments, &["--clients-file", FILE]].concat()).await;
        assert_eq!(ran.code, Some(0), "{ran:?}");
        ran.stdout.trim_end().to_owned()
    }

    async fn refused(&self, arguments: &[&str]) -> String {
        let ran = self.0.run(&[&["keys"], arguments, &["--clients-file", FILE]].concat()).await;
        assert!(ran.code != Some(0) && ran.stdout.is_empty(), "{ran:?}");
        ran.stderr
    }
}

#[tokio::test]
async fn keys_come_and_go_while_a_service_runs() {
    let keys = Keys(Forebay::new());
    let shop = keys.run(&["add", "shop", "--rights", "orders:write"]).await;
    let port = forebay_stack::free_ports(1)[0];
    let listen = format!("127.0.0.1:{port}");
    // It answers who may come in without a log.
    let _ingest =
        keys.0.start(&["ingest", "--listen", &listen, "--nats", "nats://127.0.0.1:1", "--clients-file", FILE]);
    let http = http_client();
    let asked = async |key: &str, path: &str| {
        let answer = http.post(format!("http://{listen}{path}")).bearer_auth(key).body("{}").send().await;
        match answer.map_or(0, |answer| answer.status().as_u16()) {
            0 => "nobody is there",
            401 => "not known",
            403 => "not allowed",
            // What the request itself comes to is another matter.
            _ => "let in",
        }
    };
    let becomes = async |key: &str, path: &str, expected: &str| {
        eventually(expected, async || {
            let now = asked(key, path).await;
            (now == expected, now)
        })
        .await;
    };
    becomes(&shop, "/v1/orders", "let in").await;
    assert_eq!(asked(&shop, "/v1/events/batch").await, "not allowed");
    let rotated = keys.run(&["rotate", "shop"]).await;
    becomes(&rotated, "/v1/orders", "let in").await;
    assert_eq!(asked(&shop, "/v1/orders").await, "let in", "the old key goes on");
    keys.run(&["revoke", "shop", "--old"]).await;
    becomes(&shop, "/v1/orders", "not known").await;
    assert_eq!(asked(&rotated, "/v1/orders").await, "let in");
    let warehouse = keys.run(&["add", "warehouse", "--rights", "events:write,ops"]).await;
    becomes(&warehouse, "/v1/events/batch", "let in").await;
    assert_eq!(asked(&rotated, "/v1/orders").await, "let in");
    keys.run(&["revoke", "shop"]).await;
    becomes(&rotated, "/v1/orders", "not known").await;
    assert_eq!(asked(&warehouse, "/v1/events/batch").await, "let in");
}

#[tokio::test]
async fn what_else_stands_in_the_file_stays_and_what_cannot_be_is_refused() {
    let keys = Keys(Forebay::new());
    let absent = keys.0.run(&["keys", "list", "--clients-file", FILE]).await;
    assert_eq!((absent.code, absent.stdout.as_str()), (Some(64), ""), "{absent:?}");
    assert!(absent.stderr.contains("clients file clients.toml: No such file"), "{absent:?}");
    keys.0.write(FILE, "# who may come in\n");
    let key = keys
        .run(&["add", "desk", "--rights", "read", "--orders-per-s", "9", "--requests-per-s", "90", "--tenant", "T1"])
        .await;
    let listed = keys.run(&["list"]).await;
    let listed: Vec<&str> = listed.lines().last().unwrap().split_whitespace().collect();
    assert_eq!(listed[..6], ["desk", "read", "9", "90", "T1", "–"]);
    let text = keys.0.read(FILE);
    assert!(text.contains("# who may come in\n") && !text.contains(&key), "{text}");
    assert!(keys.refused(&["add", "desk", "--rights", "read"]).await.contains("already"));
    assert!(keys.refused(&["add", "x", "--rights", "admin"]).await.contains("there are orders:write"));
    let unbound = keys.refused(&["add", "x", "--rights", "read", "--bound", "name=y"]).await;
    assert!(unbound.contains("nothing can be bound to"), "{unbound}");
    let insider = keys.refused(&["add", "x", "--rights", "ops", "--tenant", "T1"]).await;
    assert!(insider.contains("bound to a tenant cannot have the right ops"), "{insider}");
    assert!(keys.refused(&["rotate", "nobody"]).await.contains("no client \"nobody\""));
    assert!(keys.refused(&["revoke", "desk", "--key", listed[6]]).await.contains("the only key"));
    assert!(keys.refused(&["revoke", "desk", "--key", "xyz"]).await.contains("no key"));
    assert_eq!(keys.0.read(FILE), text, "what is refused changes nothing");
    keys.0.write(FILE, "[[client]]\nname = 'dock'\ncert_san = 'dock.example'\nrights = ['read']\n");
    assert!(keys.run(&["list"]).await.contains("dock.example"));
    keys.run(&["revoke", "dock", "--old"]).await;
    let key = keys.run(&["rotate", "dock"]).await;
    let digits = keys.run(&["list"]).await.split_whitespace().rev().nth(1).unwrap().to_owned();
    keys.run(&["revoke", "dock", "--key", &digits]).await;
    let text = keys.0.read(FILE);
    assert!(
        text.contains("dock.example") && !text.contains("key_sha256"),
        "without {key} it has its certificate: {text}"
    );
    keys.run(&["revoke", "dock"]).await;
    assert!(!keys.0.read(FILE).contains("dock"));
    keys.0.write(FILE, "[[client]]\nname = 1\n");
    assert!(keys.refused(&["list"]).await.contains("clients file"), "a wrong file is told");
}
