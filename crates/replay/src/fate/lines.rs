//! The lines of orders that are dead. Only then is a file looked into: it is read once more, from the first record that matters to
//! the last.

use std::sync::Arc;

use forebay_service::Shutdown;
use tokio::runtime::Handle;
use tokio::sync::{Semaphore, mpsc};

use super::known::Found;
use crate::chunk::{Chunk, ChunkSize, LineSpan};
use crate::delivery::sender::order_id;
use crate::source::plan::Plan;
use crate::source::reader::{Handed, Reader};
use crate::source::skip::Skip;

/// How many chunks are read ahead.
const AHEAD: usize = 2;

/// The places of orders of one file, for each of those that are looked for. Among the records of a request several may have an
/// order's id: then all of them are given.
pub(crate) async fn find(plan: &Plan, file: usize, wanted: &[Found], size: ChunkSize) -> Vec<Vec<LineSpan>> {
    let mut places = vec![Vec::new(); wanted.len()];
    let Some(first) = wanted.iter().map(|found| found.records.first).min() else { return places };
    let end = wanted.iter().map(|found| found.records.end).max().unwrap_or(first);
    if !plan.inputs[file].can_be_read_again() {
        return places;
    }
    let mut skip = vec![Skip::Everything; plan.inputs.len()];
    skip[file] = Skip::Records(first);
    let (chunks, mut handed) = mpsc::channel::<Handed>(1);
    let shutdown = Shutdown::new();
    let reader = Reader {
        plan: plan.clone(),
        skip,
        size,
        chunks,
        ahead: Arc::new(Semaphore::new(AHEAD)),
        shutdown: shutdown.clone(),
        tell: Arc::new(|_| {}),
        handle: Handle::current(),
    };
    // Where no thread can be had, the orders are told without their lines.
    let Ok(_thread) = std::thread::Builder::new().name("find".to_owned()).spawn(move || reader.run()) else {
        return places;
    };
    while let Some(Handed { chunk, .. }) = handed.recv().await {
        look(&chunk, wanted, &mut places);
        if chunk.start + chunk.records() >= end {
            break;
        }
    }
    shutdown.start();
    places
}

fn look(chunk: &Chunk, wanted: &[Found], places: &mut [Vec<LineSpan>]) {
    let chunk_end = chunk.start + chunk.records();
    if wanted.iter().all(|found| found.records.end <= chunk.start || found.records.first >= chunk_end) {
        return;
    }
    // Where records are left out of the body, a line does not tell which record it is.
    let is_exact = chunk.refused.is_empty();
    for (index, line) in chunk.body.split(|&byte| byte == b'\n').take(chunk.lines).enumerate() {
        let Some(id) = order_id(line) else { continue };
        let record = chunk.start + index as u64;
        for (found, places) in wanted.iter().zip(&mut *places) {
            let is_there = !is_exact || (found.records.first..found.records.end).contains(&record);
            if is_there && found.order_id.as_deref() == Some(&id) {
                places.push(chunk.place(index));
            }
        }
    }
}
