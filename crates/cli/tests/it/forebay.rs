//! The command, run in a directory of its own.

use std::path::PathBuf;
use std::process::Stdio;

use forebay_testkit::command::Finished;
use serde_json::Value;
use tokio::process::{Child, Command};

/// A directory to run the command in.
pub(crate) struct Forebay {
    dir: tempfile::TempDir,
}

impl Forebay {
    pub(crate) fn new() -> Self {
        Self { dir: tempfile::tempdir().unwrap() }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, contents: impl AsRef<[u8]>) {
        std::fs::write(self.path(name), contents).unwrap();
    }

    pub(crate) fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).unwrap()
    }

    pub(crate) fn read_bytes(&self, name: &str) -> Vec<u8> {
        std::fs::read(self.path(name)).unwrap()
    }

    /// The lines of an NDJSON file; none where there is no file.
    pub(crate) fn read_lines(&self, name: &str) -> Vec<Value> {
        let text = std::fs::read_to_string(self.path(name)).unwrap_or_default();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// The command, without any setting of this process. A replay that names no query waits for none.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_forebay"));
        for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("FOREBAY_")) {
            command.env_remove(name);
        }
        let is_alone = arguments.first() == Some(&"replay")
            && !["--query", "--no-wait"].iter().any(|flag| arguments.contains(flag));
        let no_wait = if is_alone { Some("--no-wait") } else { None };
        command.args(arguments).args(no_wait).current_dir(self.dir.path()).env("XDG_STATE_HOME", self.path("state"));
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        command
    }

    pub(crate) fn start(&self, arguments: &[&str]) -> Child {
        self.command(arguments).spawn().unwrap()
    }

    pub(crate) async fn run(&self, arguments: &[&str]) -> Finished {
        self.command(arguments).output().await.unwrap().into()
    }

    /// With that on standard input.
    pub(crate) async fn run_with(&self, arguments: &[&str], input: &[u8]) -> Finished {
        forebay_testkit::command::run(&mut self.command(arguments), input).await.unwrap()
    }

    /// Orders of `forebay generate`, as a file.
    pub(crate) async fn generate(&self, name: &str, arguments: &[&str]) -> Vec<Value> {
        let ran = self.run(&[&["generate"], arguments].concat()).await;
        assert_eq!(ran.code, Some(0), "{ran:?}");
        self.write(name, &ran.stdout);
        self.read_lines(name)
    }
}
