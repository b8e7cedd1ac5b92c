//! `forebay keys`.

use std::num::NonZeroU32;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::{Args, Subcommand};
use comfy_table::Table;
use comfy_table::presets::NOTHING;
use forebay_admin::audit;
use forebay_admin::keys::{Bounds, ClientsFile, Limits, ListedClient, NewKey, Which};
use forebay_api::Right;
use forebay_service::auth::Binding;
use forebay_shard::ShardList;
use forebay_terminal::{note, or_dash, out};
use serde_json::{Value, json};

/// API keys of the clients file, which services read again when it changes.
#[derive(Debug, Clone, Subcommand)]
pub enum Command {
    /// Add a client, and print its key: that is shown once, and kept nowhere
    Add(Add),
    /// Give a client one more key, and print it; those that it has go on until they are revoked
    Rotate(Rotate),
    /// End a client's keys
    Revoke(Revoke),
    /// Show the clients, and how their keys begin
    List(List),
}

/// Which file.
#[derive(Debug, Clone, Args)]
pub struct FileArgs {
    /// TOML file of the API clients
    #[arg(long, env = "FOREBAY_CLIENTS_FILE", value_name = "FILE")]
    pub clients_file: PathBuf,
}

/// Which file is changed, and where that is recorded.
#[derive(Debug, Clone, Args)]
pub struct ChangeArgs {
    /// Which file.
    #[command(flatten)]
    pub file: FileArgs,

    /// The shards of the system, whose record (`forebay audit`) then has what was done; without them it has nothing of it
    #[arg(long, env = "FOREBAY_SHARDS", value_name = "URLS", hide_env_values = true)]
    pub shards: Option<ShardList>,
}

/// What `keys add` can be told.
#[derive(Debug, Clone, Args)]
pub struct Add {
    /// Which file, and where it is recorded.
    #[command(flatten)]
    pub change: ChangeArgs,

    /// Its name, by which logs and metrics know it
    #[arg(value_name = "CLIENT")]
    pub name: String,

    /// What it may do, separated by commas: orders:write, events:write, orders:read, ops; write is the first two, read the third
    #[arg(long, value_name = "RIGHTS", value_delimiter = ',', required = true, value_parser = right)]
    pub rights: Vec<String>,

    /// A rate limit of its own, in orders per second
    #[arg(long, value_name = "NUMBER")]
    pub orders_per_s: Option<NonZeroU32>,

    /// The like for questions, in requests per second
    #[arg(long, value_name = "NUMBER")]
    pub requests_per_s: Option<NonZeroU32>,

    /// What it sees of the system, and nothing else: `customer=C1`, or a key of a view, such as `seller=S7`
    #[arg(long, value_name = "NAME=ID", value_parser = bound)]
    pub bound: Option<(String, String)>,

    /// The tenant that it is bound to, where several share the system
    #[arg(long, value_name = "TENANT")]
    pub tenant: Option<String>,
}

/// What `keys rotate` can be told.
#[derive(Debug, Clone, Args)]
pub struct Rotate {
    /// Which file, and where it is recorded.
    #[command(flatten)]
    pub change: ChangeArgs,

    /// Whose
    #[arg(value_name = "CLIENT")]
    pub name: String,
}

/// What `keys revoke` can be told.
#[derive(Debug, Clone, Args)]
pub struct Revoke {
    /// Which file, and where it is recorded.
    #[command(flatten)]
    pub change: ChangeArgs,

    /// Whose; without more all of them end, and the client with them
    #[arg(value_name = "CLIENT")]
    pub name: String,

    /// Only the key whose sum begins like that, as `list` shows it
    #[arg(long, value_name = "DIGITS", conflicts_with = "old")]
    pub key: Option<String>,

    /// All but the newest, once that is in use
    #[arg(long)]
    pub old: bool,
}

/// What `keys list` can be told.
#[derive(Debug, Clone, Args)]
pub struct List {
    /// Which file.
    #[command(flatten)]
    pub file: FileArgs,

    /// Print the clients as JSON
    #[arg(long)]
    pub json: bool,
}

/// Does it.
pub(crate) async fn run(command: Command) -> Result<ExitCode> {
    match command {
        Command::Add(args) => {
            let binding = args.bound.as_ref().map(|(name, whose)| json!({"to": name, "whose": whose}));
            let (orders_per_s, requests_per_s) = (args.orders_per_s, args.requests_per_s);
            let asked = json!({"client": args.name, "rights": args.rights, "tenant": args.tenant, "bound": binding,
                "orders_per_s": orders_per_s, "requests_per_s": requests_per_s});
            let add = |file: &mut ClientsFile| {
                let bounds = Bounds { tenant: args.tenant.as_deref(), to: args.bound.as_ref() };
                let key = file.add(&args.name, &args.rights, Limits { orders_per_s, requests_per_s }, bounds)?;
                Ok((Some(key), format!("client {:?} may come in", args.name)))
            };
            edit(&args.change, ("keys add", asked), add).await?;
        }
        Command::Rotate(args) => {
            let rotate = |file: &mut ClientsFile| {
                let key = file.rotate(&args.name)?;
                Ok((Some(key), format!("client {:?} has one more key; its others end by `revoke --old`", args.name)))
            };
            edit(&args.change, ("keys rotate", json!({"client": args.name})), rotate).await?;
        }
        Command::Revoke(args) => {
            let asked = json!({"client": args.name, "key": args.key, "old": args.old});
            let revoke = |file: &mut ClientsFile| {
                let which = match (&args.key, args.old) {
                    (Some(digits), _) => Which::One(digits.clone()),
                    (None, true) => Which::Old,
                    (None, false) => Which::All,
                };
                let ended = file.revoke(&args.name, &which)?;
                let what = if which == Which::All { ", and is not one any more" } else { "" };
                Ok((None, format!("client {:?} has lost {ended} keys{what}", args.name)))
            };
            edit(&args.change, ("keys revoke", asked), revoke).await?;
        }
        Command::List(args) => {
            let clients = ClientsFile::open_existing(&args.file.clients_file)?.list();
            out!("{}", if args.json { serde_json::to_string_pretty(&clients)? } else { table(&clients) })?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Edits the file, and says what was done: the key alone to standard output, so that it can be kept in a file at once. The record has no key.
async fn edit(
    change: &ChangeArgs,
    act: (&'static str, Value),
    edit: impl FnOnce(&mut ClientsFile) -> Result<(Option<NewKey>, String)>,
) -> Result<()> {
    let work = async {
        let mut clients = ClientsFile::open(&change.file.clients_file)?;
        let edited = edit(&mut clients)?;
        clients.save()?;
        Ok(edited)
    };
    let (key, said) =
        audit::recorded_beside(change.shards.as_ref(), act, |(_, said)| json!({"said": said}), work).await?;
    if let Some(key) = key {
        out!("{}", key.reveal())?;
    }
    note!("{said}");
    Ok(())
}

fn table(clients: &[ListedClient]) -> String {
    let mut table = Table::new();
    table.load_style(NOTHING);
    table.set_header(["client", "rights", "orders/s", "requests/s", "tenant", "bound to", "keys and certificates"]);
    for client in clients {
        table.add_row([
            client.name.clone(),
            client.rights.join(" "),
            or_dash(client.orders_per_s),
            or_dash(client.requests_per_s),
            or_dash(client.tenant.as_ref()),
            or_dash(client.bound.as_ref()),
            [client.keys.as_slice(), &client.certificates].concat().join(" "),
        ]);
    }
    table.trim_fmt()
}

fn bound(text: &str) -> Result<(String, String), String> {
    let (name, whose) = text.split_once('=').ok_or("write customer=ID, or the name of a view, = and its key")?;
    Binding::of(name, whose).map(|_| (name.to_owned(), whose.to_owned()))
}

fn right(text: &str) -> Result<String, String> {
    Right::named(text).map(|_| text.to_owned()).ok_or_else(Right::known)
}
