//! The NATS server, with a JetStream whose acknowledgement means "on disk".

use anyhow::{Context, Result, ensure};

use super::installed::Installed;
use super::secrets::Secrets;
use crate::home::Home;
use crate::ports::random;
use crate::process::Managed;
use crate::process::program::Program;
use crate::process::ready::{Ready, connect, talk};

/// Says how to run the server.
pub(crate) fn managed(
    home: &Home,
    installed: &Installed,
    port: u16,
    store_bytes_max: u64,
    secrets: Option<&Secrets>,
) -> Result<Managed> {
    let dir = home.server_dir("nats")?;
    // The name tells this server from another one that may have been faster on the port.
    let name = format!("forebay-{:016x}", random(u32::from(port)));
    let config = home.servers().join("nats.conf");
    // It is beside this file that it is looked for.
    let secured = secrets.map_or("", |_| "include \"secrets/nats.conf\"\n");
    std::fs::write(&config, configuration(&name, port, store_bytes_max) + secured)
        .with_context(|| format!("cannot write {}", config.display()))?;
    let program = Program::new(home.reachable_program(&installed.nats)?)
        .dir(dir)
        .account(home.account().cloned())
        .bare_environment()
        .arg("-c")
        .arg("../nats.conf");
    Ok(Managed::new("NATS", program, home.log("nats"), ready(name, port)).on_port(port))
}

fn configuration(name: &str, port: u16, store_bytes_max: u64) -> String {
    format!(
        "server_name: \"{name}\"\n\
         listen: \"127.0.0.1:{port}\"\n\
         logtime_utc: true\n\
         jetstream {{\n\
         \x20 store_dir: \".\"\n\
         \x20 # An acknowledgement is given only after fsync: HTTP 202 rests on this line.\n\
         \x20 sync_interval: always\n\
         \x20 max_file_store: {store_bytes_max}\n\
         }}\n"
    )
}

/// Ready when the greeting carries this server's name and says that JetStream is on.
fn ready(name: String, port: u16) -> Ready {
    Ready::new(move |_| {
        let name = name.clone();
        async move {
            let greeting = talk(connect(port).await?, "", "\r\n").await?;
            ensure!(greeting.contains(&format!("\"server_name\":\"{name}\"")), "another server answers");
            ensure!(greeting.contains("\"jetstream\":true"), "JetStream is not enabled yet");
            Ok(())
        }
    })
}
