//! The journal that a run begins with: an empty one, or that of the interrupted run that it goes on with.

use std::path::PathBuf;

use anyhow::Result;

use crate::event::{Event, Tell};
use crate::fate::known::Known;
use crate::journal::rejects::RejectsFile;
use crate::journal::state::{Saved, StateDir};
use crate::journal::{Account, Journal};
use crate::settings::Settings;
use crate::source::input::Input;
use crate::source::plan::{Plan, default_rejects};
use crate::source::reader::Skip;

/// A journal, and what of the files is already sent.
pub(crate) struct JournalStart {
    pub(crate) journal: Journal,
    /// For each file, what of it is not sent.
    pub(crate) skip: Vec<Skip>,
    /// For each file, how many records an earlier run has sent.
    pub(crate) resumed: Vec<u64>,
}

/// What is known of a file before the run.
struct Beginning {
    name: String,
    /// How far an earlier run has come, or that none has begun; nothing where the file cannot be read a second time.
    saved: Option<Saved>,
    rejects: PathBuf,
}

impl JournalStart {
    /// Opens the journal.
    ///
    /// # Errors
    /// When a file has changed since the run that is to go on, or a rejects file cannot be written.
    pub(crate) fn new(settings: &Settings, plan: &Plan, tell: &Tell) -> Result<Self> {
        let state = StateDir::find(settings.state_dir.clone());
        let beginnings = plan.inputs.iter().map(|input| Beginning::of(settings, plan, &state, input));
        let beginnings = beginnings.collect::<Result<Vec<Beginning>>>()?;
        if settings.resume {
            for beginning in &beginnings {
                beginning.announce(tell);
            }
        }
        let skip = beginnings.iter().map(Beginning::skip).collect();
        let resumed = beginnings.iter().map(Beginning::records).collect();
        let rejects = rejects_files(&beginnings)?;
        let account = |beginning: Beginning| {
            let place = rejects.iter().position(|file| file.path() == beginning.rejects).unwrap_or_default();
            Account::new(beginning.name, beginning.saved, place)
        };
        let accounts = beginnings.into_iter().map(account).collect();
        Ok(Self {
            journal: Journal::new(accounts, rejects, settings.query.is_some(), state, Tell::clone(tell)),
            skip,
            resumed,
        })
    }
}

impl Beginning {
    fn of(settings: &Settings, plan: &Plan, state: &StateDir, input: &Input) -> Result<Self> {
        let rejects = || settings.rejects.clone().unwrap_or_else(|| default_rejects(input));
        let identity = if settings.dry_run { None } else { input.identity()? };
        let Some(file) = identity else {
            return Ok(Self { name: input.name(), saved: None, rejects: rejects() });
        };
        let reading = plan.reading(input);
        let earlier = if settings.resume { state.load(&file, &settings.to, &reading)? } else { None };
        let to = settings.to.clone();
        let saved = earlier.unwrap_or_else(|| Saved {
            file,
            to,
            reading,
            records: 0,
            complete: false,
            known: Known::default(),
            rejects: rejects(),
            rejects_bytes: 0,
        });
        Ok(Self { name: input.name(), rejects: saved.rejects.clone(), saved: Some(saved) })
    }

    fn records(&self) -> u64 {
        self.saved.as_ref().map_or(0, |saved| saved.records)
    }

    fn skip(&self) -> Skip {
        match &self.saved {
            Some(saved) if saved.complete => Skip::Everything,
            _ => Skip::Records(self.records()),
        }
    }

    fn announce(&self, tell: &Tell) {
        let file = self.name.clone();
        tell(match (self.skip(), self.records()) {
            (Skip::Everything, _) => Event::SentBefore { file },
            (_, 0) => Event::Anew { file },
            (_, behind) => Event::GoesOn { file, behind },
        });
    }
}

/// The rejects file of each beginning, none twice. One that several files share counts as far as the furthest has come.
fn rejects_files(beginnings: &[Beginning]) -> Result<Vec<RejectsFile>> {
    let mut files: Vec<RejectsFile> = Vec::new();
    for beginning in beginnings {
        let path = &beginning.rejects;
        if files.iter().any(|file| file.path() == path) {
            continue;
        }
        let sharing = beginnings.iter().filter(|other| other.rejects == *path);
        let bytes = sharing.filter_map(|other| Some(other.saved.as_ref()?.rejects_bytes)).max();
        files.push(RejectsFile::new(path.clone(), bytes.unwrap_or_default())?);
    }
    Ok(files)
}
