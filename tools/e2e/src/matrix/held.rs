//! What a service holds open, its clients' connections aside.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::fs;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use forebay_stack::ServiceName;

use super::trial::{Target, Trial};
use crate::load::reads::READERS;

/// For how long the usual is looked at.
const LOOKED_FOR: Duration = Duration::from_secs(2);
const EVERY: Duration = Duration::from_millis(40);
/// What all readers at once may make a pool of the query service grow to, with what the service asks for itself.
const POOL: usize = READERS + 2;

/// How many files of each kind: connections by the server that they lead to, and everything else.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Held(BTreeMap<String, usize>);

impl Held {
    /// What a service holds now.
    pub(super) fn by(trial: &Trial, part: ServiceName) -> Result<Self> {
        let pid = trial.process(Target::Service(part)).pid().context("the service does not run")?;
        let own = trial.system.port(part);
        let ways: HashMap<u16, String> =
            trial.system.links().ports(part).map(|(server, port)| (port, server.to_string())).collect();
        let ends = ends_of_sockets(pid)?;
        let mut held = Self::default();
        for file in fs::read_dir(format!("/proc/{pid}/fd"))? {
            // It may be closed already.
            let Ok(leads_to) = fs::read_link(file?.path()) else { continue };
            let leads_to = leads_to.to_string_lossy();
            let inode = leads_to.strip_prefix("socket:[").and_then(|rest| rest.strip_suffix(']'));
            let kind = match inode.and_then(|inode| ends.get(inode)) {
                Some((local, _)) if *local == own => continue,
                Some((_, remote)) => ways.get(remote).cloned().unwrap_or_else(|| format!("port {remote}")),
                None => "other files".to_owned(),
            };
            *held.0.entry(kind).or_default() += 1;
        }
        Ok(held)
    }

    /// The most that a service holds of each kind while all is well.
    pub(super) async fn usually(trial: &Trial, part: ServiceName) -> Result<Self> {
        let (begun, mut most) = (Instant::now(), Self::default());
        while begun.elapsed() < LOOKED_FOR {
            for (kind, count) in Self::by(trial, part)?.0 {
                let most = most.0.entry(kind).or_default();
                *most = count.max(*most);
            }
            tokio::time::sleep(EVERY).await;
        }
        if part == ServiceName::Query {
            let pools = most.0.iter_mut().filter(|(kind, _)| kind.starts_with("Postgres"));
            pools.for_each(|(_, count)| *count = POOL.max(*count));
        }
        Ok(most)
    }

    /// Whether it is not more than that, of any kind.
    pub(super) fn is_within(&self, most: &Self) -> bool {
        self.0.iter().all(|(kind, count)| count <= most.0.get(kind).unwrap_or(&0))
    }
}

impl fmt::Display for Held {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kinds: Vec<String> = self.0.iter().map(|(kind, count)| format!("{count} × {kind}")).collect();
        f.write_str(&kinds.join(", "))
    }
}

/// The ports at both ends of every TCP socket, by inode. Source: `proc_net_tcp` in the documentation of Linux.
fn ends_of_sockets(pid: u32) -> Result<HashMap<String, (u16, u16)>> {
    let mut ends = HashMap::new();
    for table in ["tcp", "tcp6"] {
        let text = fs::read_to_string(format!("/proc/{pid}/net/{table}"))?;
        for line in text.lines().skip(1) {
            let fields: Vec<&str> = line.split_whitespace().collect();
            if let (Some(local), Some(remote), Some(inode)) = (fields.get(1), fields.get(2), fields.get(9)) {
                ends.insert((*inode).to_owned(), (port(local)?, port(remote)?));
            }
        }
    }
    Ok(ends)
}

fn port(address: &str) -> Result<u16> {
    let (_, port) = address.rsplit_once(':').context("an address has a port")?;
    Ok(u16::from_str_radix(port, 16)?)
}
