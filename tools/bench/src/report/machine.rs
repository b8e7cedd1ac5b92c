//! When, of what, and on which machine.

use std::process::Stdio;

use anyhow::Result;
use forebay_model::Timestamp;
use forebay_stack::Installed;
use procfs::{CpuInfo, Current, LoadAverage, Meminfo};
use serde::Serialize;
use tokio::process::Command;

/// When, of what, and on which machine.
#[derive(Clone, Debug, Serialize)]
pub struct Machine {
    /// RFC 3339.
    pub at: String,
    /// The short name of the commit, with `+` where files were changed.
    pub commit: String,
    /// Whether it was a full run.
    pub full: bool,
    /// The name of the processor.
    pub cpu: String,
    /// How many cores there are.
    pub cores: usize,
    /// How much memory there is, in 2³⁰ bytes.
    pub memory_gib: f64,
    /// The kernel.
    pub kernel: String,
    /// The versions of Postgres and NATS.
    pub servers: Vec<String>,
    /// How many processes wanted to run in the minute before: well above zero, the machine had other things to do.
    pub load_before: f64,
}

impl Machine {
    /// This run, now.
    ///
    /// # Errors
    /// Where servers are not installed.
    pub async fn now(full: bool) -> Result<Self> {
        let installed = Installed::find()?;
        let changed = !said("git", &["status", "--porcelain", "--untracked-files=no"]).await.is_empty();
        let commit = said("git", &["rev-parse", "--short", "HEAD"]).await;
        let commit = if commit.is_empty() { "unknown".to_owned() } else { commit };
        let postgres = installed.postgres_bin.join("postgres").display().to_string();
        let nats = installed.nats.display().to_string();
        Ok(Self {
            at: Timestamp::now().to_string(),
            commit: format!("{commit}{}", if changed { "+" } else { "" }),
            full,
            cpu: CpuInfo::current()?.model_name(0).unwrap_or_default().to_owned(),
            cores: std::thread::available_parallelism()?.get(),
            memory_gib: Meminfo::current()?.mem_total as f64 / f64::from(1 << 30),
            kernel: std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default().trim().to_owned(),
            servers: vec![said(&postgres, &["--version"]).await, said(&nats, &["--version"]).await],
            load_before: LoadAverage::current()?.one.into(),
        })
    }

    /// The day.
    pub fn date(&self) -> &str {
        self.at.split('T').next().unwrap_or_default()
    }

    /// All of it, in two lines.
    pub fn heading(&self) -> String {
        let kind = if self.full { "full" } else { "quick" };
        format!(
            "Forebay {}, {}, {kind} run\n{} × {}, {:.0} GiB, Linux {}, {}; load before {:.1}",
            self.commit,
            self.date(),
            self.cores,
            self.cpu,
            self.memory_gib,
            self.kernel,
            self.servers.join(", "),
            self.load_before
        )
    }
}

/// What a program says; nothing where it fails.
async fn said(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).stderr(Stdio::null()).output().await;
    output.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned()).unwrap_or_default()
}
