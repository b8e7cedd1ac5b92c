//! The Redis server. It holds a cache, so it writes nothing to disk and forgets what has not been used for long.

use anyhow::{Result, ensure};

use super::installed::Installed;
use super::postgres::NAME;
use super::secrets::Secrets;
use crate::home::Home;
use crate::process::Managed;
use crate::process::program::Program;
use crate::process::ready::{Ready, connect, talk};

/// Says how to run the server.
pub(crate) fn managed(home: &Home, installed: &Installed, port: u16, secrets: Option<&Secrets>) -> Result<Managed> {
    let program = Program::new(home.reachable_program(&installed.redis)?)
        .dir(home.server_dir("redis")?)
        .account(home.account().cloned())
        .bare_environment()
        .args(["--bind", "127.0.0.1", "--dir", ".", "--appendonly", "no", "--save", ""])
        .args(["--maxmemory", "256mb", "--maxmemory-policy", "allkeys-lru"]);
    let program = match secrets {
        None => program.arg("--port").arg(port.to_string()),
        Some(secrets) => secured(program, port, secrets),
    };
    Ok(Managed::new("Redis", program, home.log("redis"), ready(port, secrets.cloned())).on_port(port))
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

/// Ready when the server on the port has our process id, and answers PING.
fn ready(port: u16, secrets: Option<Secrets>) -> Ready {
    Ready::new(move |pid| {
        let secrets = secrets.clone();
        async move { is_ready(port, pid, secrets.as_ref()).await }
    })
}

async fn is_ready(port: u16, pid: u32, secrets: Option<&Secrets>) -> Result<()> {
    const QUESTION: &str = "INFO server\r\nPING\r\n";
    let info = match secrets {
        None => talk(connect(port).await?, QUESTION, "+PONG").await?,
        Some(secrets) => {
            let question = format!("AUTH {NAME} {}\r\n{QUESTION}", secrets.text("redis-password")?);
            talk(secrets.connect(port).await?, &question, "+PONG").await?
        }
    };
    ensure!(info.contains(&format!("process_id:{pid}\r\n")), "another server answers");
    ensure!(info.contains("+PONG"), "it does not answer PING");
    Ok(())
}
