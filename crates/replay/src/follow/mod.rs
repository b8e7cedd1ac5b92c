//! Files that grow, are rotated, or appear.
//!
//! A file is read in parts, each a run of its own that goes on where an interrupted one has stopped: a part is kept before
//! anything of it is sent, so that the same records have the same numbers whatever happens. A file is known by itself, not by
//! its name. While it grows, the order whose lines end it waits for the next one; when it has not grown for a while, it
//! is whole.
//!
//! What cannot be read from a place in its middle, because it is compressed, a JSON document, in another encoding than UTF-8, or
//! has lines of orders that stand apart, is sent as a whole when it has not grown for a while.
//!
//! | module | concept |
//! |---|---|
//! | `state` | how far each file was read, kept where the next run finds it |
//! | `part` | the next part of a file |
//! | `sums` | what came of all of them |

mod part;
mod state;
mod sums;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Result;
use forebay_service::{BadSetting, Shutdown};
use forebay_task::Backoff;

use self::part::{Next, next_part};
use self::state::FollowedFiles;
use self::sums::Sums;
use crate::event::{Event, Tell};
use crate::journal::state::StateDir;
use crate::journal::summary::Summary;
use crate::journal::tally::Counts;
use crate::run::run_plan;
use crate::settings::Settings;
use crate::source::input::listing::files;
use crate::source::input::object::Object;
use crate::source::input::{FileId, Input};
use crate::source::plan::Plan;

/// How often files are looked at.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// How long to wait where something could not be sent to its end.
const TROUBLE: Backoff = Backoff::new(LOOK_EVERY, Duration::from_secs(30));

/// Sends what the files have and what they get, until it is interrupted.
///
/// # Errors
/// One sentence about what is wrong before anything is sent, or when it is not known any more how far files were read.
pub async fn follow(settings: Settings, tell: Tell, interrupt: Shutdown) -> Result<Summary> {
    if settings.files.iter().any(|file| file.as_os_str() == "-") {
        return Err(BadSetting::new("standard input is followed anyway: leave out --follow").into());
    }
    if settings.files.iter().any(|file| Object::is_meant(file)) {
        return Err(BadSetting::new("objects do not grow: leave out --follow").into());
    }
    let (kind, state) = (settings.kind, StateDir::find(settings.state_dir.clone()));
    let mut following = Following {
        known: FollowedFiles::new(state.path(), &settings.destination()),
        settings: Settings { resume: true, follows: true, query: None, ..settings },
        state,
        seen: HashMap::new(),
        said: HashMap::new(),
        tell,
        interrupt,
        sums: Sums::new(kind),
        has_failed: false,
    };
    let mut trouble = TROUBLE;
    (following.tell)(Event::Begins { bytes: None });
    loop {
        let has_sent = following.look().await?;
        if following.interrupt.is_started() {
            break;
        }
        let pause = if std::mem::take(&mut following.has_failed) {
            trouble.after_failure()
        } else {
            trouble.reset();
            if has_sent { Duration::ZERO } else { LOOK_EVERY }
        };
        following.interrupt.soft().run_until_cancelled(tokio::time::sleep(pause)).await;
        if following.interrupt.is_started() {
            break;
        }
    }
    Ok(following.summary())
}

struct Following {
    settings: Settings,
    state: StateDir,
    known: FollowedFiles,
    /// Where each file was last, so that it is found again when it is called otherwise.
    seen: HashMap<FileId, PathBuf>,
    /// What was said last of files that could not be sent.
    said: HashMap<PathBuf, String>,
    tell: Tell,
    interrupt: Shutdown,
    sums: Sums,
    /// Whether something was not sent to its end since it was asked last.
    has_failed: bool,
}

impl Following {
    /// Looks at every file once, and sends what it has. Says whether there was something.
    async fn look(&mut self) -> Result<bool> {
        let mut has_sent = false;
        for path in self.files()? {
            if self.interrupt.is_started() {
                return Ok(true);
            }
            match self.send_part(path.clone()).await {
                Ok(sent) => has_sent |= sent,
                Err(error) if error.is::<BadSetting>() && self.sums.is_nothing() => return Err(error),
                Err(error) => self.say(&path, format!("{}: {error:#}", path.display())),
            }
        }
        Ok(has_sent)
    }

    /// The files that are named, and those that were and are called otherwise now.
    fn files(&mut self) -> Result<Vec<PathBuf>> {
        let mut found = files(&self.settings.files, true)?;
        let ids: HashMap<FileId, PathBuf> =
            found.iter().filter_map(|path| Some((FileId::of(path)?, path.clone()))).collect();
        let gone: Vec<FileId> = self.seen.keys().filter(|id| !ids.contains_key(id)).copied().collect();
        for id in gone {
            let renamed = self.seen.get(&id).and_then(|path| renamed(path, id));
            match renamed {
                Some(path) => {
                    self.seen.insert(id, path.clone());
                    // What is older is sent first.
                    found.insert(0, path);
                }
                None => {
                    self.seen.remove(&id);
                }
            }
        }
        self.seen.extend(ids);
        Ok(found)
    }

    /// Says what is wrong with a file, once.
    fn say(&mut self, path: &Path, what: String) {
        if self.said.get(path) != Some(&what) {
            (self.tell)(Event::Failed { what: what.clone() });
            self.said.insert(path.to_owned(), what);
        }
    }

    async fn send_part(&mut self, path: PathBuf) -> Result<bool> {
        let Some(id) = FileId::of(&path) else { return Ok(false) };
        let settings = Settings { files: vec![path.clone()], ..self.settings.clone() };
        let followed = self.known.get(id, &path)?;
        let part = match next_part(&path, followed, &settings)? {
            Next::Part(part) => part,
            Next::Nothing => return Ok(false),
            Next::Unfinished => {
                let what =
                    "its last line has no end: it is sent once it has one, or by the same command without --follow";
                self.say(&path, format!("{}: {what}", path.display()));
                return Ok(false);
            }
        };
        let before = part.counts;
        let input = match &part.window {
            Some(window) => {
                self.known.keep(id, &part)?;
                Input::Part(path.clone(), window.clone(), id)
            }
            // It is known once all of it is sent: its run goes on with an interrupted one by itself.
            None => Input::new(&path),
        };
        let plan = Plan::of_inputs(vec![input], &settings, self.state.path())?;
        let ran = run_plan(settings, plan, Tell::clone(&self.tell), self.interrupt.clone()).await?;
        let is_sent = ran.files.iter().all(|file| file.complete);
        if is_sent {
            let (mut records, mut counts) = (0, Counts::default());
            for file in &ran.files {
                records += file.records_done;
                counts += file.all_runs;
            }
            self.known.keep(id, &part.sent(&path, records, counts)?)?;
        }
        self.has_failed |= !is_sent;
        let sent_something = is_sent && ran.total.records > 0;
        self.sums.add(id, ran, before);
        Ok(sent_something)
    }

    /// What came of all files, also of what other runs have sent.
    fn summary(mut self) -> Summary {
        for (id, path) in &self.seen {
            if let Ok(followed) = self.known.get(*id, path) {
                self.sums.add_sent_before(*id, &followed);
            }
        }
        self.sums.summary(&self.seen)
    }
}

/// Where a file lies that was called so.
fn renamed(path: &Path, id: FileId) -> Option<PathBuf> {
    let directory = path.parent().filter(|directory| !directory.as_os_str().is_empty());
    let entries = std::fs::read_dir(directory.unwrap_or(Path::new("."))).ok()?;
    entries.filter_map(|entry| Some(entry.ok()?.path())).find(|path| FileId::of(path) == Some(id))
}
