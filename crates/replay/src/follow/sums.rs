//! What came of the files that were followed, each known by itself: of what was sent now, and of what was sent before.

use std::collections::HashMap;
use std::path::PathBuf;

use forebay_client::RecordKind;

use super::state::Followed;
use crate::journal::REJECTS_TOLD;
use crate::journal::summary::{Ending, FileSummary, Summary};
use crate::journal::tally::{Counts, Tally};
use crate::source::input::FileId;

/// What came of them.
#[derive(Debug)]
pub(super) struct Sums {
    of: RecordKind,
    total: Tally,
    seconds: f64,
    files: Vec<(FileId, FileSummary)>,
}

impl Sums {
    /// Nothing yet.
    pub(super) fn new(of: RecordKind) -> Self {
        Self { of, total: Tally::default(), seconds: 0.0, files: Vec::new() }
    }

    /// Whether nothing was sent.
    pub(super) fn is_nothing(&self) -> bool {
        self.files.is_empty()
    }

    /// Takes what came of a part of a file. `before` is what had come of the records in front of it.
    pub(super) fn add(&mut self, id: FileId, part: Summary, before: Counts) {
        self.total += part.total;
        self.seconds += part.seconds;
        for mut file in part.files {
            file.all_runs += before;
            match self.files.iter_mut().find(|(known, _)| *known == id) {
                Some((_, known)) => {
                    file.tally += known.tally;
                    file.resumed_behind = known.resumed_behind;
                    file.rejects = file.rejects.or(known.rejects.take());
                    known.first_rejected.append(&mut file.first_rejected);
                    known.first_rejected.truncate(REJECTS_TOLD);
                    file.first_rejected = std::mem::take(&mut known.first_rejected);
                    *known = file;
                }
                None => self.files.push((id, file)),
            }
        }
    }

    /// Takes a file of which nothing was sent now.
    pub(super) fn add_sent_before(&mut self, id: FileId, followed: &Followed) {
        if followed.mark.records == 0 || self.files.iter().any(|(known, _)| *known == id) {
            return;
        }
        let summary = FileSummary {
            file: String::new(),
            complete: true,
            can_resume: true,
            resumed_behind: followed.mark.records,
            records_done: followed.mark.records,
            tally: Tally::default(),
            all_runs: followed.counts,
            fates: None,
            first_rejected: Vec::new(),
            rejects: None,
        };
        self.files.push((id, summary));
    }

    /// All of it, where the files are called so now.
    pub(super) fn summary(self, names: &HashMap<FileId, PathBuf>) -> Summary {
        let Self { of, total, seconds, files } = self;
        let named = |(id, file): (FileId, FileSummary)| match names.get(&id) {
            Some(path) => FileSummary { file: path.display().to_string(), ..file },
            None => file,
        };
        let mut files: Vec<FileSummary> = files.into_iter().map(named).collect();
        files.sort_by(|one, other| one.file.cmp(&other.file));
        Summary {
            ending: Ending::Interrupted,
            of,
            dry_run: false,
            total,
            fates: None,
            report: None,
            seconds,
            records_per_s: total.accepted as f64 / seconds.max(f64::EPSILON),
            files,
        }
    }
}
