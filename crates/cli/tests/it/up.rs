//! `forebay up` and `forebay down`: the whole local system, on ports of its own.

use std::net::{TcpListener, TcpStream};
use std::time::{Duration, Instant};

use forebay_stack::Signal;
use forebay_testkit::command::Finished;
use procfs::process::{Process, all_processes};
use tokio::process::Child;

use crate::forebay::Forebay;

const DEADLINE: Duration = Duration::from_secs(90);

/// A place for a local system.
struct LocalSystem {
    forebay: Forebay,
    ports: Vec<u16>,
}

impl LocalSystem {
    fn new() -> Self {
        Self { forebay: Forebay::new(), ports: forebay_stack::free_ports(7) }
    }

    fn up(&self, flags: &[&str]) -> tokio::process::Command {
        let port = |place: usize| self.ports[place].to_string();
        let listen = |place: usize| format!("127.0.0.1:{}", self.ports[place]);
        let mut command = self.forebay.command(&["up"]);
        command.args(["--postgres-ports", &format!("{},{}", port(0), port(1))]);
        command.args(["--nats-port", &port(2), "--redis-port", &port(3)]);
        command.args(["--ingest-listen", &listen(4), "--query-listen", &listen(5), "--writer-listen", &listen(6)]);
        if !flags.contains(&"--sample") {
            command.args(["--sample", "2000"]);
        }
        command.args(flags);
        command
    }

    async fn run_up(&self, flags: &[&str]) -> Finished {
        Finished::from(self.up(flags).output().await.unwrap())
    }

    /// Runs in the foreground, with its output in files.
    fn start_up(&self, flags: &[&str]) -> Child {
        let file = |name| std::fs::File::create(self.forebay.path(name)).unwrap();
        self.up(flags).stdout(file("out")).stderr(file("err")).spawn().unwrap()
    }

    async fn wait_for(&self, file: &str, text: &str) {
        let begin = Instant::now();
        while !self.forebay.read(file).contains(text) {
            let (out, err) = (self.forebay.read("out"), self.forebay.read("err"));
            assert!(begin.elapsed() < DEADLINE, "no {text:?} in {file}\n{out}\n{err}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    fn listening(&self) -> Vec<u16> {
        self.ports.iter().copied().filter(|&port| TcpStream::connect(("127.0.0.1", port)).is_ok()).collect()
    }

    async fn wait_until_gone(&self) {
        let begin = Instant::now();
        while !self.listening().is_empty() {
            assert!(begin.elapsed() < DEADLINE, "still listening: {:?}", self.listening());
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

impl Drop for LocalSystem {
    /// A test that fails leaves nothing running that another one could come upon.
    fn drop(&mut self) {
        let mut down = std::process::Command::new(env!("CARGO_BIN_EXE_forebay"));
        let _ = down.arg("down").current_dir(self.forebay.path("")).output();
    }
}

/// Asks what the report says to try, by GET.
async fn try_out(report: &str) -> Vec<serde_json::Value> {
    let mut answers = Vec::new();
    let lines = report.lines().filter_map(|line| line.trim().strip_prefix("curl "));
    for url in lines.filter(|line| !line.contains(" -d ")).map(|line| line.trim_matches('\'')) {
        let answer = reqwest::get(url).await.unwrap();
        assert!(answer.status().is_success(), "{url}: {}", answer.status());
        answers.push(answer.json().await.unwrap());
    }
    answers
}

/// The process of that program that is a child of `parent`.
fn child_of(parent: u32, program: &str) -> u32 {
    let is_child = |process: &Process| {
        let is_it = process.cmdline().is_ok_and(|words| words.join(" ").contains(program));
        is_it && process.stat().is_ok_and(|stat| stat.ppid == parent as i32)
    };
    let child = all_processes().unwrap().flatten().find(is_child);
    child.unwrap_or_else(|| panic!("{program} is no child of {parent}")).pid() as u32
}

#[tokio::test]
async fn a_detached_system_shows_what_it_can_and_finds_its_data_again() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let place = LocalSystem::new();
    let first = place.run_up(&["--detach"]).await;
    assert_eq!(first.code, Some(0), "{first:?}");
    assert!(first.stdout.contains("2,000 orders and ") && first.stdout.contains("2,000 stored"), "{first:?}");
    assert!(first.stdout.contains("# of a view the path has the plural: `seller` is read as"), "{first:?}");
    let answers = try_out(&first.stdout).await;
    assert_eq!(answers.len(), 6, "{first:?}");
    assert!(answers[0]["data"].as_array().unwrap().is_empty() && answers[2]["data"][0].is_object(), "{answers:?}");
    assert!(answers[1]["data"].is_array(), "{answers:?}");
    assert!(answers[4]["data"].as_array().unwrap().len() > 3, "{answers:?}");
    assert_eq!(answers[5]["orders"], 2000);
    // Other commands find it by the lines that are told.
    let exports: Vec<&str> = first.stdout.lines().filter(|line| line.starts_with("  export ")).collect();
    let script = format!("{}\nforebay shards --json && forebay replay .forebay/sample.ndjson", exports.join("\n"));
    let found = in_shell(&place, &script).await;
    assert!(found.code == Some(0) && found.stderr.contains("2,000 stored before"), "{exports:?} {found:?}");

    let second = place.run_up(&[]).await;
    assert_eq!((second.code, second.stderr.lines().count()), (Some(1), 1), "{second:?}");
    assert!(second.stderr.contains("already (process") && second.stderr.contains("forebay down"), "{second:?}");

    let down = place.forebay.run(&["down"]).await;
    assert_eq!((down.code, place.listening()), (Some(0), vec![]), "{down:?}");
    let again = place.run_up(&["--detach"]).await;
    assert!(again.stdout.contains("all were there already (2,000 duplicates dropped)"), "{again:?}");
    let wiped = place.forebay.run(&["down", "--wipe"]).await;
    assert_eq!((wiped.code, place.listening()), (Some(0), vec![]), "{wiped:?}");
    let home = place.forebay.path(".forebay");
    assert!(
        !home.join("servers").exists()
            && !home.join("sample.ndjson").exists()
            && !home.join("sample-events.ndjson").exists(),
        "{wiped:?}"
    );
    let nothing = place.forebay.run(&["down"]).await;
    assert_eq!((nothing.code, nothing.stderr.as_str()), (Some(0), "no Forebay runs in .forebay\n"));
}

#[tokio::test]
async fn a_system_that_is_there_gets_another_shard_and_loses_none() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    // The port of the third follows the last.
    let is_free = |place: &LocalSystem| {
        let next = place.ports[..2].iter().max().unwrap() + 1;
        !place.ports.contains(&next) && TcpListener::bind(("127.0.0.1", next)).is_ok()
    };
    let place = std::iter::repeat_with(LocalSystem::new).find(is_free).unwrap();
    let nats = format!("nats://127.0.0.1:{}", place.ports[2]);
    let shards =
        async || place.forebay.run(&["shards", "--json", "--nats", &nats]).await.json().unwrap()["shards"].clone();
    let first = place.run_up(&["--detach"]).await;
    assert_eq!(first.code, Some(0), "{first:?}");
    assert_eq!(shards().await.as_array().unwrap().len(), 2);
    assert_eq!(place.forebay.run(&["down"]).await.code, Some(0));

    let more = place.run_up(&["--detach", "--shards", "3"]).await;
    assert_eq!(more.code, Some(0), "{more:?}");
    assert!(more.stdout.contains("all were there already (2,000 duplicates dropped)"), "{more:?}");
    let found = shards().await;
    let buckets: Vec<_> = found.as_array().unwrap().iter().map(|shard| shard["buckets"].as_u64().unwrap()).collect();
    assert_eq!(buckets, [2048, 2048, 0]);
    let command =
        ["shards", "move", "--buckets", "20", "--from", "0", "--to", "2", "--yes", "--keep-s", "0", "--nats", &nats];
    let moved = place.forebay.run(&command).await;
    assert!(moved.code == Some(0) && moved.stderr.contains("40 of 40 parts are there"), "{moved:?}");
    assert_eq!(place.forebay.run(&["down"]).await.code, Some(0));

    // As many as there are, where nothing is said; and never fewer.
    let fewer = place.run_up(&["--detach", "--shards", "2"]).await;
    assert!(fewer.code == Some(64) && fewer.stderr.contains("--shards says 2, and this system has 3"), "{fewer:?}");
    let again = place.run_up(&["--detach"]).await;
    assert_eq!(again.code, Some(0), "{again:?}");
    assert_eq!(shards().await[2]["buckets"], 20);
    let stats: serde_json::Value =
        reqwest::get(format!("http://127.0.0.1:{}/v1/stats", place.ports[5])).await.unwrap().json().await.unwrap();
    assert_eq!(stats["orders"], 2000, "{stats}");
    let wiped = place.forebay.run(&["down", "--wipe"]).await;
    assert_eq!((wiped.code, place.listening()), (Some(0), vec![]), "{wiped:?}");
}

#[tokio::test]
async fn what_dies_is_started_again_and_nothing_outlives_the_command() {
    let place = LocalSystem::new();
    let mut up = place.start_up(&[]);
    place.wait_for("out", "Ctrl-C stops everything").await;
    for (program, name) in [("forebay writer", "writer"), ("redis-server", "Redis")] {
        Signal::Kill.send(child_of(up.id().unwrap(), program));
        place.wait_for("err", &format!("{name} has died (signal: 9 (SIGKILL)); starting it again")).await;
        place.wait_for("err", &format!("{name} runs again")).await;
    }
    up.kill().await.unwrap();
    place.wait_until_gone().await;

    let mut up = place.start_up(&[]);
    place.wait_for("out", "Ctrl-C stops everything").await;
    assert!(place.forebay.read("out").contains("all were there already"), "{}", place.forebay.read("out"));
    Signal::Interrupt.send(up.id().unwrap());
    let status = tokio::time::timeout(DEADLINE, up.wait()).await.unwrap().unwrap();
    assert!(status.success() && place.listening().is_empty(), "{status} {:?}", place.listening());
    assert!(place.forebay.read("err").contains("stopped; the data stays in"), "{}", place.forebay.read("err"));
}

#[tokio::test]
async fn a_stream_that_stands_still_is_named_and_the_rest_runs_on() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let place = LocalSystem::new();
    let first = place.run_up(&["--detach", "--sample", "100"]).await;
    assert_eq!(first.code, Some(0), "{first:?}");
    let nats = async_nats::connect(format!("nats://127.0.0.1:{}", place.ports[2])).await.unwrap();
    async_nats::jetstream::new(nats).delete_stream("forebay-logged-1").await.unwrap();
    assert_eq!(place.forebay.run(&["down"]).await.code, Some(0));

    // The writer makes the stream again: it is another one.
    let mut up = place.start_up(&["--sample", "100"]);
    place.wait_for("out", "Ctrl-C stops everything").await;
    let out = place.forebay.read("out");
    let told = "! Stream logged-1 stands still: the stream logged-1 was made anew";
    assert!(out.contains(told) && out.contains("The sample was not replayed"), "{out}");
    assert_eq!(place.listening().len(), 7, "{out}");
    // It is watched over: a writer that is started again has the same stream standing still.
    Signal::Kill.send(child_of(up.id().unwrap(), "forebay writer"));
    place.wait_for("err", "writer runs again").await;

    let command = out.lines().find_map(|line| line.strip_prefix("!   forebay ")).unwrap();
    assert!(command.starts_with("log accept-loss logged 1 --nats nats://127.0.0.1:"), "{command}");
    let accepted = place.forebay.run(&command.split(' ').chain(["--yes"]).collect::<Vec<_>>()).await;
    assert_eq!(accepted.code, Some(0), "{accepted:?}");
    let ready = format!("http://127.0.0.1:{}/readyz", place.ports[6]);
    let begin = Instant::now();
    while reqwest::get(&ready).await.map(|answer| answer.status().as_u16()).ok() != Some(200) {
        assert!(begin.elapsed() < DEADLINE, "the writer is not ready");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    Signal::Interrupt.send(up.id().unwrap());
    let status = tokio::time::timeout(DEADLINE, up.wait()).await.unwrap().unwrap();
    assert!(status.success() && place.listening().is_empty(), "{status} {:?}", place.listening());
}

#[tokio::test]
async fn a_port_in_use_is_one_sentence_before_anything_is_started() {
    let place = LocalSystem::new();
    for (port, name) in [(4, "ingest"), (1, "Postgres shard 1"), (2, "NATS")] {
        let _taken = TcpListener::bind(("127.0.0.1", place.ports[port])).unwrap();
        let ran = place.run_up(&[]).await;
        let said =
            format!("{name} cannot listen on 127.0.0.1:{}: the port is in use by another program", place.ports[port]);
        assert!(ran.code == Some(1) && ran.stderr.trim_end().ends_with(&said), "{ran:?}");
    }
    place.wait_until_gone().await;
}

#[tokio::test]
async fn a_directory_of_somebody_else_is_neither_written_to_nor_wiped() {
    let place = LocalSystem::new();
    let forebay = &place.forebay;
    std::fs::create_dir_all(forebay.path("mine/logs")).unwrap();
    let files = ["mine/logs/app.log", "mine/clients.toml", "mine/sample.ndjson", "mine/up.txt"];
    for file in files {
        forebay.write(file, "mine");
    }
    let down = forebay.run(&["down", "--wipe", "--home", "mine"]).await;
    for ran in [place.run_up(&["--home", "mine"]).await, down] {
        assert!(ran.code == Some(64) && ran.stderr.contains("no Forebay was ever started there"), "{ran:?}");
    }
    assert!(files.iter().all(|file| forebay.read(file) == "mine"));
    assert_eq!(std::fs::read_dir(forebay.path("mine")).unwrap().count(), 4);
}

/// Runs lines of a shell in that place, and gives what they print.
async fn in_shell(place: &LocalSystem, script: &str) -> Finished {
    let program = std::path::Path::new(env!("CARGO_BIN_EXE_forebay")).parent().unwrap();
    let path = format!("{}:{}", program.display(), std::env::var("PATH").unwrap());
    let mut shell = tokio::process::Command::new("bash");
    shell.args(["-ec", script]).current_dir(place.forebay.path("")).env("PATH", path).kill_on_drop(true);
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("FOREBAY_")) {
        shell.env_remove(name);
    }
    Finished::from(shell.output().await.unwrap())
}

#[tokio::test]
async fn a_secured_system_lets_in_who_has_a_key_and_nobody_listens() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let place = LocalSystem::new();
    let up = place.run_up(&["--secure", "--detach"]).await;
    assert_eq!(up.code, Some(0), "{up:?}");
    assert!(up.stdout.contains("2,000 orders and ") && up.stdout.contains("secure.env"), "{up:?}");
    let [ingest, query] = [4, 5].map(|port| place.ports[port]);

    // What the report says to try, with a key of one's own.
    let tries: Vec<&str> = up.stdout.lines().skip_while(|line| *line != "Try:").skip(2).map(str::trim).collect();
    let tries: Vec<&str> = tries.into_iter().take_while(|line| !line.is_empty()).collect();
    assert!(tries.len() >= 6 && tries[0].starts_with("KEY="), "{tries:?}");
    // Each service reads who may come in by itself.
    let until_known = format!(
        "asked() {{ curl -s -o /dev/null -w '%{{http_code}}' -H \"Authorization: Bearer $KEY\" \"$@\"; }}\n\
         until [ $(asked https://127.0.0.1:{query}/v1/stats) != 401 ]; do sleep 0.1; done\n\
         until [ $(asked https://127.0.0.1:{ingest}/v1/orders -d nonsense) != 401 ]; do sleep 0.1; done"
    );
    let script =
        [&[tries[0], until_known.as_str()][..], &tries[1..]].concat().join("\n").replace("\ncurl ", "\ncurl -sSf ");
    let secured = |script: &str| format!(". .forebay/secure.env\n{script}");
    let tried = in_shell(&place, &secured(&script)).await;
    assert_eq!(tried.code, Some(0), "{tried:?}");
    assert!(tried.stdout.contains("\"receipt\"") && tried.stdout.contains("\"orders\":200"), "{tried:?}");
    let shards = in_shell(&place, &secured("forebay shards --json && forebay audit && forebay keys list")).await;
    assert!(shards.code == Some(0) && shards.stdout.contains("keys add"), "{shards:?}");

    // Without a key, or without TLS, nobody comes in.
    let refused = in_shell(
        &place,
        &secured(&format!("curl -s -o /dev/null -w '%{{http_code}}' https://127.0.0.1:{query}/v1/stats")),
    )
    .await;
    assert_eq!(refused.stdout, "401", "{refused:?}");
    assert!(reqwest::get(format!("http://127.0.0.1:{ingest}/livez")).await.is_err());
    let stranger = reqwest::get(format!("https://127.0.0.1:{ingest}/livez")).await;
    assert!(stranger.is_err(), "who does not trust its authority: {stranger:?}");
    assert!(async_nats::connect(format!("nats://127.0.0.1:{}", place.ports[2])).await.is_err());
    let postgres = format!("postgres://forebay@127.0.0.1:{}/forebay", place.ports[0]);
    assert!(sqlx::PgPool::connect(&postgres).await.is_err());

    // Found again, with the same secrets, and never left open to all by an oversight.
    assert_eq!(place.forebay.run(&["down"]).await.code, Some(0));
    let again = place.run_up(&["--secure", "--detach"]).await;
    assert!(again.stdout.contains("all were there already (2,000 duplicates dropped)"), "{again:?}");
    let still = in_shell(&place, &secured("forebay keys list")).await;
    assert!(still.stdout.lines().any(|line| line.trim_start().starts_with("me ")), "{still:?}");
    assert_eq!(place.forebay.run(&["down"]).await.code, Some(0));
    let open = place.run_up(&["--detach"]).await;
    assert!(open.code == Some(64) && open.stderr.contains("start it with --secure"), "{open:?}");
    let wiped = place.forebay.run(&["down", "--wipe"]).await;
    assert_eq!((wiped.code, place.listening()), (Some(0), vec![]), "{wiped:?}");
    let home = place.forebay.path(".forebay");
    assert!(!home.join("secure.env").exists() && !home.join("clients.toml").exists(), "{wiped:?}");
}
