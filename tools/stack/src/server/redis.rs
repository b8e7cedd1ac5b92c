//! The Redis server. It holds a cache, so it writes nothing to disk and forgets what has not been used for long.

use anyhow::{Result, ensure};

use super::installed::Installed;
use crate::home::Home;
use crate::process::Managed;
use crate::process::program::Program;
use crate::process::ready::{Ready, talk};

/// Says how to run the server.
pub(crate) fn managed(home: &Home, installed: &Installed, port: u16) -> Result<Managed> {
    let program = Program::new(home.reachable_program(&installed.redis)?)
        .dir(home.server_dir("redis")?)
        .account(home.account().cloned())
        .bare_environment()
        .args(["--bind", "127.0.0.1", "--dir", ".", "--appendonly", "no", "--save", ""])
        .args(["--maxmemory", "256mb", "--maxmemory-policy", "allkeys-lru", "--port"])
        .arg(port.to_string());
    Ok(Managed::new("Redis", program, home.log("redis"), ready(port)).on_port(port))
}

/// Ready when the server on the port has our process id, and answers PING.
fn ready(port: u16) -> Ready {
    Ready::new(move |pid| async move {
        let info = talk(port, "INFO server\r\nPING\r\n", "+PONG").await?;
        ensure!(info.contains(&format!("process_id:{pid}\r\n")), "another server answers");
        ensure!(info.contains("+PONG"), "it does not answer PING");
        Ok(())
    })
}
