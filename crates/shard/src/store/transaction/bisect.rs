//! Finding the rows that the server refuses, by halves.

use super::attempt::Session;
use crate::dead_letter::{Letter, Reason};
use crate::step::{Fault, StepError};
use crate::store::error::AttemptError;
use crate::store::lane::LanePart;
use crate::store::lane::sift::RowRange;

/// Rows that the server takes, and those that it refuses.
#[derive(Debug, Default)]
pub(crate) struct Parted<'a> {
    pub(crate) taken: Vec<RowRange<'a>>,
    pub(crate) refused: Vec<Letter>,
}

/// Gives a connection for the next probe: a failed one costs its connection.
pub(crate) trait Sessions {
    async fn take(&mut self) -> Result<Session, StepError>;
    fn give_back(&mut self, session: Session);
}

/// Parts the rows of one frame, of a lane whose part goes through staging. Every probe goes through the staging table and is rolled back. Data errors only count
/// where they are met with a single row; anything that is not the rows' fault ends the search.
pub(crate) async fn bisect<'a>(
    sessions: &mut impl Sessions,
    of: LanePart<'_>,
    ranges: &[RowRange<'a>],
) -> Result<Parted<'a>, AttemptError> {
    let mut parted = Parted::default();
    // Depth first and the earlier half first, so that both lists stay in the order of the log.
    let mut open: Vec<Vec<RowRange<'a>>> = vec![ranges.iter().flat_map(|range| range.split()).collect()];
    while let Some(mut rows) = open.pop() {
        let Some(&first) = rows.first() else { continue };
        match probe(sessions, of, &rows).await? {
            None => parted.taken.append(&mut rows),
            Some(error) if rows.len() == 1 => parted.refused.push(letter(first, &error)),
            Some(_) => {
                let later = rows.split_off(rows.len() / 2);
                open.extend([later, rows]);
            }
        }
    }
    Ok(parted)
}

/// What is wrong with some of the rows, if the server refuses them for their data.
async fn probe(
    sessions: &mut impl Sessions,
    of: LanePart<'_>,
    rows: &[RowRange<'_>],
) -> Result<Option<StepError>, AttemptError> {
    let session = sessions.take().await?;
    match (LanePart { ranges: rows, ..of }).probe(session).await {
        Ok(session) => {
            sessions.give_back(session);
            Ok(None)
        }
        Err(AttemptError::Rows { error, .. }) if error.fault_of_rows() == Some(Fault::Data) => Ok(Some(error)),
        Err(error) => Err(error),
    }
}

fn letter(row: RowRange<'_>, error: &StepError) -> Letter {
    Letter {
        position: row.position(),
        rows: 1,
        reason: Reason::Refused,
        sqlstate: error.sqlstate.clone(),
        detail: error.reason.clone(),
        tuple: row.to_bytes(),
    }
}
