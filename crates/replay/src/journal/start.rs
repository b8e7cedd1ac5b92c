//! The journal that a run begins with: an empty one, or that of the interrupted run that it goes on with.

use std::path::{Path, PathBuf};

use anyhow::Result;
use forebay_service::BadSetting;

use crate::event::{Event, Tell};
use crate::fate::known::Known;
use crate::journal::rejects_file::RejectsFile;
use crate::journal::state::{Saved, StateDir};
use crate::journal::{Account, Journal};
use crate::settings::Settings;
use crate::source::input::{FileId, Input};
use crate::source::plan::{Plan, default_rejects};
use crate::source::skip::Skip;

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
    /// Whether an earlier run has begun.
    is_resumed: bool,
    rejects: PathBuf,
}

impl JournalStart {
    /// Opens the journal.
    ///
    /// # Errors
    /// When a file has changed since the run that is to go on. [`BadSetting`] where a rejects file cannot be written, is one of the
    /// files that are read, or somebody else's.
    pub(crate) fn new(settings: &Settings, plan: &Plan, tell: &Tell) -> Result<Self> {
        let state = StateDir::find(settings.state_dir.clone());
        let beginnings = plan.inputs.iter().map(|input| Beginning::of(settings, plan, &state, input));
        let beginnings = beginnings.collect::<Result<Vec<Beginning>>>()?;
        refuse_inputs(settings, plan, &beginnings)?;
        let rejects = rejects_files(&beginnings, tell)?;
        if settings.resume && plan.inputs.iter().all(|input| input.window().is_none()) {
            // That a file is new is nothing to say where files are followed.
            for beginning in beginnings.iter().filter(|beginning| beginning.is_resumed || !settings.follows) {
                beginning.announce(tell);
            }
        }
        let skip = beginnings.iter().map(Beginning::skip).collect();
        let resumed = beginnings.iter().map(Beginning::records).collect();
        let account = |beginning: Beginning| {
            let place = rejects.iter().position(|file| is_same(file.path(), &beginning.rejects)).unwrap_or_default();
            Account::new(beginning.name, beginning.saved, place)
        };
        let accounts = beginnings.into_iter().map(account).collect();
        let journal = Journal::new(accounts, rejects, settings.query.is_some(), state, Tell::clone(tell));
        journal.begin()?;
        Ok(Self { journal, skip, resumed })
    }
}

impl Beginning {
    fn of(settings: &Settings, plan: &Plan, state: &StateDir, input: &Input) -> Result<Self> {
        let rejects = || settings.rejects.clone().unwrap_or_else(|| default_rejects(input, settings.kind));
        let identity = if settings.dry_run { None } else { input.identity()? };
        if identity.is_none() && settings.resume && input.query().is_some() {
            return Err(BadSetting::new(
                "a query is gone on with behind a key: say --key COLUMN, in the first run, too",
            )
            .into());
        }
        let Some(file) = identity else {
            return Ok(Self { name: input.name(), saved: None, is_resumed: false, rejects: rejects() });
        };
        let reading = plan.reading(input);
        let earlier = match input.window() {
            Some(window) => state.load_part(&file, &settings.destination(), window.from.records),
            None if settings.follows => state.load(&file, &settings.destination(), &reading).unwrap_or_default(),
            None if settings.resume => state.load(&file, &settings.destination(), &reading)?,
            None => None,
        };
        let to = settings.destination();
        let elsewhere = |saved: &Saved| settings.rejects.clone().filter(|other| !is_same(other, &saved.rejects));
        // A run that has seen nothing acknowledged has rejected nothing.
        if let Some(saved) = earlier.filter(|saved| saved.records > 0 || elsewhere(saved).is_none()) {
            if let Some(other) = elsewhere(&saved) {
                let (other, before) = (other.display(), saved.rejects.display());
                let why =
                    format!("the interrupted run has written rejected records to {before}, and --rejects says {other}");
                return Err(BadSetting::new(why).into());
            }
            return Ok(Self {
                name: input.name(),
                rejects: saved.rejects.clone(),
                is_resumed: true,
                saved: Some(saved),
            });
        }
        let place = std::path::absolute(rejects())?;
        let saved = Saved {
            file,
            to,
            reading,
            records: input.window().map_or(0, |window| window.from.records),
            key: None,
            complete: false,
            known: Known::default(),
            rejects: place,
            rejects_bytes: 0,
        };
        Ok(Self { name: input.name(), rejects: rejects(), is_resumed: false, saved: Some(saved) })
    }

    fn records(&self) -> u64 {
        self.saved.as_ref().map_or(0, |saved| saved.records)
    }

    fn skip(&self) -> Skip {
        match &self.saved {
            Some(saved) if saved.complete => Skip::Everything,
            Some(Saved { key: Some(key), records, .. }) => Skip::Behind { key: key.clone(), records: *records },
            _ => Skip::Records(self.records()),
        }
    }

    fn announce(&self, tell: &Tell) {
        let file = self.name.clone();
        tell(match (self.skip(), self.records()) {
            (Skip::Everything, _) => Event::SentBefore { file },
            (_, 0) if self.is_resumed => Event::Unacknowledged { file },
            (_, 0) => Event::Anew { file },
            (_, behind) => Event::GoesOn { file, behind },
        });
    }
}

/// The rejects file of each beginning, none twice. One that several files share counts as far as the furthest has come.
fn rejects_files(beginnings: &[Beginning], tell: &Tell) -> Result<Vec<RejectsFile>> {
    let mut files: Vec<RejectsFile> = Vec::new();
    for beginning in beginnings {
        let path = &beginning.rejects;
        if files.iter().any(|file| is_same(file.path(), path)) {
            continue;
        }
        let sharing = beginnings.iter().filter(|other| other.is_resumed && is_same(&other.rejects, path));
        let bytes = sharing.filter_map(|other| Some(other.saved.as_ref()?.rejects_bytes)).max();
        if let Some(bytes) = bytes {
            files.push(RejectsFile::of_interrupted(path.clone(), bytes)?);
            continue;
        }
        let (file, kept) = RejectsFile::new(path.clone())?;
        if let Some(kept) = kept {
            tell(Event::Kept { file: path.display().to_string(), kept: kept.display().to_string() });
        }
        files.push(file);
    }
    Ok(files)
}

/// Makes sure that nothing is written to what is read.
///
/// # Errors
/// [`BadSetting`], where a rejects file is one of the inputs, or the map, by whatever name.
fn refuse_inputs(settings: &Settings, plan: &Plan, beginnings: &[Beginning]) -> Result<(), BadSetting> {
    let inputs = plan.inputs.iter().filter_map(Input::id);
    let read: Vec<FileId> = inputs.chain(settings.map.as_deref().and_then(FileId::of)).collect();
    for Beginning { rejects, .. } in beginnings {
        if FileId::of(rejects).is_some_and(|id| read.contains(&id)) {
            let rejects = rejects.display();
            let why =
                format!("rejected records would go to {rejects}, which is read: name another place with --rejects");
            return Err(BadSetting::new(why));
        }
    }
    Ok(())
}

/// Whether two paths lead to the same place, without a look at what is there.
fn is_same(one: &Path, other: &Path) -> bool {
    std::path::absolute(one).ok() == std::path::absolute(other).ok()
}
