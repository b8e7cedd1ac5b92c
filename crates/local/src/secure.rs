//! `--secure`: every server and service speaks TLS alone, and asks who comes. Certificates and passwords are made where there are none.

use std::fmt::Write;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use forebay_admin::keys::{Bounds, ClientsFile, Limits, Which};
use forebay_log::NatsSecurity;
use forebay_stack::{Secrets, Stack};

use super::args::UpArgs;

/// The client of the clients file that replays the sample and reads it back. Its key is another one at each start, and kept nowhere.
const ITSELF: &str = "forebay-up";
/// Which authorities every client of a process trusts, and which curl does before all others.
const TRUSTED: &str = "SSL_CERT_FILE";
const TRUSTED_BY_CURL: &str = "CURL_CA_BUNDLE";
/// Where a process finds its passwords for Postgres.
const PASSWORDS: &str = "PGPASSFILE";

/// The variables by which commands, curl and psql find a system, in the form of a shell.
pub(super) fn variables_path(home: &Path) -> PathBuf {
    home.join("secure.env")
}

/// Why a system that was started with `--secure` is not started without.
pub(super) fn left_open(home: &Path) -> String {
    let (dir, variables) = (home.display(), variables_path(home));
    format!(
        "the system in {dir} asks who comes, and would be open to all: start it with --secure, or delete {}",
        variables.display()
    )
}

/// Who may come in, where nothing else says so.
pub(super) fn clients_path(home: &Path) -> PathBuf {
    home.join("clients.toml")
}

/// Begins this program anew, where it was not begun as one that trusts the authority of the system in that directory: clients look for whom
/// to trust in the environment. Returns in the new one.
///
/// # Errors
/// Where there can be no secrets, or no new one.
pub(super) fn trust(home: &Path) -> Result<()> {
    let secrets = Secrets::make(home)?;
    let trusted = [(TRUSTED, secrets.path("ca.pem")), (PASSWORDS, secrets.path("pgpass"))];
    if trusted.iter().all(|(name, path)| std::env::var_os(name).is_some_and(|now| now == path.as_os_str())) {
        return Ok(());
    }
    let program = std::env::current_exe().context("cannot find out where this program is")?;
    let error = Command::new(program).args(std::env::args_os().skip(1)).envs(trusted).exec();
    Err(error).context("cannot begin anew")
}

/// With a clients file that has a client for what this program does itself, where nothing names another one.
///
/// # Errors
/// Where the file cannot be written.
pub(super) fn with_clients(args: UpArgs, home: &Path) -> Result<UpArgs> {
    if std::env::var_os("FOREBAY_CLIENTS_FILE").is_some() {
        return Ok(args);
    }
    let mut clients = ClientsFile::open(&clients_path(home))?;
    if clients.list().iter().any(|client| client.name == ITSELF) {
        clients.revoke(ITSELF, &Which::All)?;
    }
    let rights = ["read", "write", "ops"].map(str::to_owned);
    let key = clients.add(ITSELF, &rights, Limits::default(), Bounds::default())?;
    clients.save()?;
    Ok(UpArgs { token: Some(key.reveal().to_owned()), ..args })
}

/// What services are told beyond the servers' addresses.
pub(super) fn of_service(secrets: &Secrets, home: &Path) -> Vec<(&'static str, PathBuf)> {
    let mut set =
        vec![("FOREBAY_TLS_CERT", secrets.path("server.pem")), ("FOREBAY_TLS_KEY", secrets.path("server.key"))];
    if std::env::var_os("FOREBAY_CLIENTS_FILE").is_none() {
        set.push(("FOREBAY_CLIENTS_FILE", clients_path(home)));
    }
    set
}

/// How a connection to NATS is made safe.
pub(super) fn of_log(secrets: &Secrets) -> NatsSecurity {
    let file = |name: &str| Some(secrets.path(name));
    NatsSecurity {
        nats_creds: file("nats.seed"),
        nats_ca: file("ca.pem"),
        nats_cert: file("client.pem"),
        nats_key: file("client.key"),
    }
}

/// Leaves the variables by which the system is found. None of them is a secret, they say where the secrets are.
///
/// # Errors
/// Where they cannot be written.
pub(super) fn leave_variables(
    args: &UpArgs,
    [ingest, query]: [String; 2],
    stack: &Stack,
    secrets: &Secrets,
    home: &Path,
) -> Result<()> {
    let ca = secrets.path("ca.pem").display().to_string();
    let more: [(&str, String); 8] = [
        ("FOREBAY_LOG_PREFIX", args.log_prefix.to_string()),
        ("FOREBAY_CLIENTS_FILE", clients_path(home).display().to_string()),
        ("FOREBAY_INGEST_URL", ingest),
        ("FOREBAY_QUERY_URL", query),
        ("PGSSLMODE", "verify-full".to_owned()),
        ("PGSSLROOTCERT", ca.clone()),
        (TRUSTED_BY_CURL, ca.clone()),
        (TRUSTED, ca),
    ];
    let more = more.map(|(name, value)| (name.to_owned(), value));
    let mut text = String::from("# Where the system of `forebay up --secure` is: `. secure.env` in a shell.\n");
    for (name, value) in stack.env().into_iter().chain(more) {
        // Writing into a String cannot fail.
        let _ = writeln!(text, "export {name}='{}'", value.replace('\'', r"'\''"));
    }
    let path = variables_path(home);
    std::fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))
}
