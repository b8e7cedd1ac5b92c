//! `forebay dead show`.

use std::process::ExitCode;

use anyhow::Result;
use forebay_admin::dead;
use forebay_terminal::{letter_text, out};

use super::args::Show;

pub(super) async fn run(args: Show) -> Result<ExitCode> {
    let letter = dead::show(&args.system.find().await?, args.letter).await?;
    out!("{}", if args.json { serde_json::to_string_pretty(&letter)? } else { letter_text(&letter) })?;
    Ok(ExitCode::SUCCESS)
}
