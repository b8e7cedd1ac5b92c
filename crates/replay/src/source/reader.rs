//! Reads the files in a thread of its own, and hands their chunks to the workers.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::{Context, Result};
use forebay_service::Shutdown;
use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};

use crate::chunk::{Chunk, ChunkBuilder, ChunkSize};
use crate::event::{Event, Tell};
use crate::source::RecordSource;
use crate::source::input::Input;
use crate::source::input::name::SourceName;
use crate::source::plan::Plan;
use crate::source::skip::Skip;

/// A chunk on its way, with the permit that keeps the files from being read too far ahead of what is acknowledged.
pub(crate) struct Handed {
    pub(crate) chunk: Chunk,
    /// A name for its file's contents.
    pub(crate) source_name: SourceName,
    /// Whether its file ends with it.
    pub(crate) ends_file: bool,
    /// Goes when everything up to this chunk is acknowledged.
    pub(crate) permit: OwnedSemaphorePermit,
}

/// What reads the files.
pub(crate) struct Reader {
    pub(crate) plan: Plan,
    /// For each file, how many records of it are passed over, or that it is passed over as a whole.
    pub(crate) skip: Vec<Skip>,
    pub(crate) size: ChunkSize,
    pub(crate) chunks: mpsc::Sender<Handed>,
    pub(crate) ahead: Arc<Semaphore>,
    pub(crate) shutdown: Shutdown,
    pub(crate) tell: Tell,
    pub(crate) handle: Handle,
}

/// The run is stopping.
struct Stopping;

/// One file while it is read.
struct Reading<'f> {
    reader: &'f Reader,
    file: usize,
    source_name: SourceName,
    bytes_read: Arc<AtomicU64>,
    bytes_told: u64,
    builder: ChunkBuilder,
    records: u64,
    /// Standard input and pipes may be slow: then what is there is sent, although more would fit.
    is_live: bool,
}

impl Reader {
    /// Reads all files. Gives how many could not be read to their end; that was said.
    pub(crate) fn run(self) -> usize {
        let mut number = 0;
        let mut failed = 0;
        for file in 0..self.plan.inputs.len() {
            if self.skip[file] == Skip::Everything {
                continue;
            }
            match self.read(file, &mut number) {
                Ok(Ok(())) => {}
                Ok(Err(Stopping)) => return failed,
                Err(error) => {
                    (self.tell)(Event::Failed { what: format!("{error:#}") });
                    failed += 1;
                }
            }
        }
        failed
    }

    fn read(&self, file: usize, number: &mut u64) -> Result<Result<(), Stopping>> {
        let (input, skip) = (&self.plan.inputs[file].behind(&self.skip[file]), &self.skip[file]);
        let (opening, source) = self.plan.open(input)?;
        opening.tell(input, &self.tell);
        let mut reading = Reading {
            reader: self,
            file,
            source_name: opening.name,
            bytes_read: opening.bytes_read,
            bytes_told: 0,
            builder: ChunkBuilder::new(self.size),
            records: match skip {
                Skip::Behind { records, .. } => *records,
                _ => input.window().map_or(0, |window| window.from.records),
            },
            is_live: !input.can_be_read_again() && input.query().is_none(),
        };
        let Some(mut source) = source else {
            (self.tell)(Event::Empty { file: input.name() });
            return Ok(reading.hand_over(number, true));
        };
        if let Some(window) = input.window() {
            source.begin_behind(window.lines_before());
            if !window.takes_last {
                source.leave_last();
            }
        }
        reading.pass_over(source.as_mut(), skip, input)?;
        let ran = reading.run(source.as_mut(), number, input);
        if let Some(window) = input.window() {
            window.hold(source.left_at().map(|at| at + opening.mark_bytes));
        }
        ran
    }
}

impl Reading<'_> {
    /// Passes over the records that an earlier run has sent.
    fn pass_over(&mut self, source: &mut dyn RecordSource, skip: &Skip, input: &Input) -> Result<()> {
        let Skip::Records(skip) = *skip else { return Ok(()) };
        while self.records < skip && !self.reader.shutdown.is_started() {
            let left = usize::try_from(skip - self.records).unwrap_or(usize::MAX);
            let records = left.min(self.reader.size.records);
            let mut builder = ChunkBuilder::new(ChunkSize { records, ..self.reader.size });
            let more = source.fill(&mut builder).with_context(|| format!("cannot read {}", input.name()))?;
            self.records += builder.records() as u64;
            if !more {
                break;
            }
        }
        Ok(())
    }

    fn run(&mut self, source: &mut dyn RecordSource, number: &mut u64, input: &Input) -> Result<Result<(), Stopping>> {
        loop {
            match source.fill(&mut self.builder) {
                Ok(true) if !self.builder.is_full() && !self.should_not_wait() => {}
                Ok(true) => {
                    if let Err(stopping) = self.hand_over(number, false) {
                        return Ok(Err(stopping));
                    }
                }
                Ok(false) => return Ok(self.hand_over(number, true)),
                Err(error) => {
                    // What stands before the fault is as good as any.
                    let handed = if self.builder.is_empty() { Ok(()) } else { self.hand_over(number, false) };
                    return match handed {
                        Err(stopping) => Ok(Err(stopping)),
                        Ok(()) => Err(error).with_context(|| format!("cannot read the rest of {}", input.name())),
                    };
                }
            }
        }
    }

    /// Whether somebody waits for a chunk while the next record may be long in coming.
    fn should_not_wait(&self) -> bool {
        let chunks = &self.reader.chunks;
        self.is_live && !self.builder.is_empty() && chunks.capacity() == chunks.max_capacity()
    }

    fn hand_over(&mut self, number: &mut u64, ends_file: bool) -> Result<(), Stopping> {
        let read = self.bytes_read.load(Ordering::Relaxed);
        let chunk = self.builder.take(*number, self.file, self.records, read - self.bytes_told);
        self.bytes_told = read;
        self.records += chunk.records();
        *number += 1;
        let Reader { ahead, chunks, shutdown, handle, .. } = self.reader;
        let source_name = self.source_name.clone();
        let handed = async {
            let permit = Arc::clone(ahead).acquire_owned().await.ok()?;
            chunks.send(Handed { chunk, source_name, ends_file, permit }).await.ok()
        };
        handle.block_on(shutdown.soft().run_until_cancelled(handed)).flatten().ok_or(Stopping)
    }
}
