//! Redis servers. They hold a cache, so they write nothing to disk and forget what has not been used for long.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use anyhow::{Context, Result, ensure};

use super::NAME;
use super::installed::Installed;
use super::secrets::Secrets;
use crate::home::Home;
use crate::process::Managed;
use crate::process::program::Program;
use crate::process::ready::{Ready, connect, talk};

/// How a server is to be.
pub(crate) struct Wanted<'a> {
    /// What people call it.
    pub(crate) name: String,
    /// Its directory and its log.
    pub(crate) file_name: String,
    pub(crate) port: u16,
    pub(crate) role: Role,
    pub(crate) secrets: Option<&'a Secrets>,
}

/// What a server does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// It serves, by itself.
    Server,
    /// It serves, and may come to follow another one.
    Primary,
    /// It follows the server on that port.
    Replica { primary: u16 },
    /// With two others it watches over the server on that port and its replica.
    Sentinel { primary: u16 },
    /// It serves a part of the keys; with other nodes it speaks on that port.
    Node { bus: u16 },
}

impl Role {
    /// What stands in the file of settings, where there is one: it is the server's own, and may be written anew by it.
    fn settings(self, secrets: Option<&Secrets>) -> Result<Option<String>> {
        let password = secrets.map(|secrets| secrets.text("redis-password")).transpose()?;
        let or_nothing = |text: &dyn Fn(&str) -> String| password.as_deref().map(text).unwrap_or_default();
        let follows =
            or_nothing(&|password| format!("tls-replication yes\nmasteruser {NAME}\nmasterauth {password}\n"));
        Ok(match self {
            Self::Server => None,
            Self::Primary => Some(format!("repl-diskless-sync-delay 0\n{follows}")),
            Self::Replica { primary } => Some(format!("replicaof 127.0.0.1 {primary}\n{follows}")),
            Self::Sentinel { primary } => {
                let comes = or_nothing(&|password| {
                    format!(
                        "tls-replication yes\n\
                         sentinel auth-user {NAME} {NAME}\nsentinel auth-pass {NAME} {password}\n\
                         sentinel sentinel-user {NAME}\nsentinel sentinel-pass {password}\n"
                    )
                });
                Some(format!(
                    "sentinel monitor {NAME} 127.0.0.1 {primary} 2\n\
                     sentinel down-after-milliseconds {NAME} 1500\n\
                     sentinel failover-timeout {NAME} 1000\n{comes}"
                ))
            }
            Self::Node { bus } => {
                let secured = or_nothing(&|_| "tls-cluster yes\n".to_owned());
                Some(format!("cluster-enabled yes\ncluster-port {bus}\ncluster-node-timeout 1000\n{secured}"))
            }
        })
    }

    /// What it says of itself once it does that.
    fn says(self) -> &'static str {
        match self {
            Self::Server | Self::Primary | Self::Node { .. } => "",
            Self::Replica { .. } => "master_link_status:up",
            Self::Sentinel { .. } => "slaves=1,sentinels=3",
        }
    }
}

/// Says how to run the server.
pub(crate) fn managed(home: &Home, installed: &Installed, wanted: Wanted<'_>) -> Result<Managed> {
    let Wanted { name, file_name, port, role, secrets } = wanted;
    let dir = home.server_dir(&file_name)?;
    let mut program = Program::new(home.reachable_program(&installed.redis)?)
        .dir(&dir)
        .account(home.account().cloned())
        .bare_environment();
    if let Some(settings) = role.settings(secrets)? {
        let file = dir.join("redis.conf");
        fs::write(&file, "").with_context(|| format!("cannot write {}", file.display()))?;
        fs::set_permissions(&file, fs::Permissions::from_mode(0o600))?;
        fs::write(&file, settings)?;
        home.account().map_or(Ok(()), |account| account.own(&file))?;
        program = program.arg("redis.conf");
    }
    program = match role {
        Role::Sentinel { .. } => program.arg("--sentinel"),
        _ => program.args([
            "--appendonly",
            "no",
            "--save",
            "",
            "--maxmemory",
            "256mb",
            "--maxmemory-policy",
            "allkeys-lru",
        ]),
    };
    program = program.args(["--bind", "127.0.0.1", "--dir", "."]);
    program = match secrets {
        None => program.arg("--port").arg(port.to_string()),
        Some(secrets) => secured(program, port, secrets),
    };
    Ok(Managed::new(name, program, home.log(&file_name), ready(port, role, secrets.cloned())).on_port(port))
}

fn secured(program: Program, port: u16, secrets: &Secrets) -> Program {
    let port = port.to_string();
    let files = [
        ("--tls-ca-cert-file", "ca.pem"),
        ("--tls-cert-file", "server.pem"),
        ("--tls-key-file", "server.key"),
        ("--aclfile", "redis.acl"),
    ];
    let program = program.args(["--port", "0", "--tls-port", &port, "--tls-auth-clients", "no"]);
    files.into_iter().fold(program, |program, (flag, file)| program.arg(flag).arg(secrets.path(file)))
}

/// Ready when the server on the port has our process id, answers, and does what it is to do.
fn ready(port: u16, role: Role, secrets: Option<Secrets>) -> Ready {
    Ready::new(move |pid| {
        let secrets = secrets.clone();
        async move {
            let info = ask(port, secrets.as_ref(), "INFO").await?;
            ensure!(info.contains(&format!("process_id:{pid}\r\n")), "another server answers");
            ensure!(info.contains(role.says()), "it does not say {} yet", role.says());
            Ok(())
        }
    })
}

/// What the server on the port answers to a command.
pub(crate) async fn ask(port: u16, secrets: Option<&Secrets>, command: &str) -> Result<String> {
    let question = format!("{command}\r\nPING\r\n");
    let answer = match secrets {
        None => talk(connect(port).await?, &question, "+PONG").await?,
        Some(secrets) => {
            let question = format!("AUTH {NAME} {}\r\n{question}", secrets.text("redis-password")?);
            talk(secrets.connect(port).await?, &question, "+PONG").await?
        }
    };
    ensure!(answer.contains("+PONG"), "it does not answer PING");
    Ok(answer)
}
