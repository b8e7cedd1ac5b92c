//! `forebay views`.

use std::process::ExitCode;

use anyhow::Result;
use clap::{Args, Subcommand};
use comfy_table::Table;
use comfy_table::presets::NOTHING;
use forebay_admin::system::System;
use forebay_admin::views::{self, Added, ViewProgress};
use forebay_model::{SystemView, ViewSpec, ViewState};
use forebay_terminal::{grouped, note, out};

use super::system::SystemArgs;

/// Fields that orders are read by, beside their customer: the views of the system.
#[derive(Debug, Clone, Subcommand)]
pub enum Command {
    /// Show every view, and how it stands
    List(List),
    /// Add a view, and fill in what stored orders make; goes on where it was interrupted, and orders may flow meanwhile
    Add(Add),
    /// Drop a view, and delete its rows; goes on where it was interrupted, and orders may flow meanwhile
    Drop(Drop),
}

/// What `views list` can be told.
#[derive(Debug, Clone, Args)]
pub struct List {
    /// Where the log and the shards are.
    #[command(flatten)]
    pub system: SystemArgs,

    /// Print the views as JSON
    #[arg(long)]
    pub json: bool,
}

/// What `views add` can be told.
#[derive(Debug, Clone, Args)]
pub struct Add {
    /// Where the log and the shards are.
    #[command(flatten)]
    pub system: SystemArgs,

    /// Its name, and where its key stands: `warehouse=warehouse_id` in the order, `seller=items[].seller_id` in each item
    #[arg(value_name = "NAME=PATH")]
    pub view: ViewSpec,
}

/// What `views drop` can be told.
#[derive(Debug, Clone, Args)]
pub struct Drop {
    /// Where the log and the shards are.
    #[command(flatten)]
    pub system: SystemArgs,

    /// Its name
    #[arg(value_name = "NAME")]
    pub name: String,
}

/// Does it.
pub(crate) async fn run(command: Command) -> Result<ExitCode> {
    match command {
        Command::List(args) => {
            let views = views::list(&args.system.find().await?).await?;
            out!("{}", if args.json { serde_json::to_string_pretty(&views)? } else { table(&views) })?;
        }
        Command::Add(args) => add(&args.system.find().await?, &args.view).await?,
        Command::Drop(args) => {
            let rows = views::drop(&args.system.find().await?, &args.name, &tell).await?;
            note!("the view {} is gone, with {} rows", args.name, grouped(rows));
        }
    }
    Ok(ExitCode::SUCCESS)
}

async fn add(system: &System, view: &ViewSpec) -> Result<()> {
    let path = format!("/v1/{}/{{key}}/orders", view.plural());
    match views::add(system, view, &tell).await? {
        Added::Now(_) => note!("the view {} is ready: {path}", view.name()),
        Added::Before(_) => note!("the view {} was ready already: {path}", view.name()),
    }
    Ok(())
}

fn tell(progress: ViewProgress) {
    match progress {
        ViewProgress::Waiting(shard) => note!("waiting for shard {shard}"),
        ViewProgress::Filling => note!("new orders have it; filling in what stored orders make"),
        ViewProgress::Filled(filled) => note!(
            "shard {}: {} orders read, {} facts stored",
            filled.shard,
            grouped(filled.orders),
            grouped(filled.facts)
        ),
        ViewProgress::Deleted { shard, rows } => note!("shard {shard}: {} rows deleted", grouped(rows)),
    }
}

fn table(views: &[SystemView]) -> String {
    if views.is_empty() {
        return "There is no view.".to_owned();
    }
    let mut table = Table::new();
    table.load_style(NOTHING);
    table.set_header(["id", "view", "key", "read under", "state"]);
    for SystemView { view, state } in views {
        let state = match state {
            ViewState::Building => "building",
            ViewState::Ready => "ready",
            ViewState::Dropping => "dropping",
        };
        let path = format!("/v1/{}/{{key}}/orders", view.spec.plural());
        table.add_row([view.id.to_string(), view.spec.name().to_string(), view.spec.path(), path, state.to_owned()]);
    }
    table.trim_fmt()
}

#[cfg(test)]
mod tests {
    use forebay_model::SystemViews;

    use super::*;

    #[test]
    fn views_are_shown_with_their_paths_and_states() {
        let mut views = SystemViews::first(&"seller=items[].seller_id,depot=depot_id".parse().unwrap());
        views.begin_drop("depot").unwrap();
        views.add("factory=items[].factory".parse().unwrap()).unwrap();
        insta::assert_snapshot!(table(&views.iter().cloned().collect::<Vec<_>>()), @"
        id  view     key                read under                  state
        1   seller   items[].seller_id  /v1/sellers/{key}/orders    ready
        2   depot    depot_id           /v1/depots/{key}/orders     dropping
        3   factory  items[].factory    /v1/factories/{key}/orders  building
        ");
        assert_eq!(table(&[]), "There is no view.");
    }
}
