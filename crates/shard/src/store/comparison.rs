//! Facts as they should be, against what a shard stores.
//!
//! The tuples take the way that stored facts take, a COPY into the staging table, so equality here is the one by which a
//! duplicate is told from a conflict. Nothing is changed.

use bytes::Bytes;
use forebay_model::tuple::Tuples;
use forebay_model::{Lane, Timestamp};
use sqlx::postgres::PgConnection;
use sqlx::{AssertSqlSafe, Executor};

use super::connections::staging_settings;
use crate::connection::address::ShardAddresses;
use crate::connection::session::{SessionSettings, connect_primary};
use crate::connection::sqlstate::ErrorClass;
use crate::place::{self, Place};
use crate::step::{Fault, Step, StepError, StoreError, step};
use crate::store::copy::{Sent, copy};
use crate::store::lane::statements::Statements;
use crate::timestamptz::Timestamptz;

/// Compares facts of one lane with what one shard stores.
#[derive(Debug)]
pub struct Comparison {
    lane: Lane,
    addresses: ShardAddresses,
    statements: Statements,
    connection: Option<PgConnection>,
}

/// A fact that is not stored as it should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// Which of the facts that were given, from 0.
    pub fact: usize,
    /// How it differs.
    pub disagreement: Disagreement,
}

/// How a fact differs from what is stored. The texts are JSON objects by column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Disagreement {
    /// Nothing is stored under its identity.
    Missing {
        /// The fact.
        fact: String,
    },
    /// Something else is stored under its identity.
    Other {
        /// The fact.
        fact: String,
        /// What is stored instead.
        stored: String,
    },
    /// The shard would refuse it.
    Refused {
        /// Why.
        detail: String,
    },
}

impl Comparison {
    /// A comparison that connects when it is first used.
    pub fn new(addresses: &ShardAddresses, lane: Lane) -> Self {
        Self { lane, addresses: addresses.clone(), statements: Statements::new(lane), connection: None }
    }

    /// The facts among these that are not stored as they are, in order. Each is one tuple of the lane. What is stored is
    /// what other sessions see now.
    ///
    /// # Errors
    /// Where the shard does not answer. The comparison can be used again.
    pub async fn differences(&mut self, facts: &[Bytes]) -> Result<Vec<Difference>, StoreError> {
        let mut differences = Vec::new();
        if facts.is_empty() {
            return Ok(differences);
        }
        let mut open = vec![(0, facts.len())];
        while let Some((first, behind)) = open.pop() {
            match self.attempt(first, &facts[first..behind]).await {
                Ok(mut found) => differences.append(&mut found),
                Err(error) if error.fault_of_rows() == Some(Fault::Data) && behind - first == 1 => {
                    let disagreement = Disagreement::Refused { detail: error.reason };
                    differences.push(Difference { fact: first, disagreement });
                }
                Err(error) if behind - first == 1 || !is_too_much(&error) => return Err(error.into()),
                Err(_) => {
                    let middle = first.midpoint(behind);
                    open.extend([(middle, behind), (first, middle)]);
                }
            }
        }
        Ok(differences)
    }

    /// The connection is given back only after a whole attempt: an error within a COPY leaves it off by an answer.
    async fn attempt(&mut self, first: usize, facts: &[Bytes]) -> Result<Vec<Difference>, StepError> {
        let mut connection = match self.connection.take() {
            Some(connection) => connection,
            None => self.connect().await?,
        };
        step(Step::Position, connection.execute("begin")).await?;
        // What is compared was never logged, and places are not compared.
        let place = place::is_kept(self.lane).then_some(Place { log: 0, seq: 0 });
        let rows: Vec<_> = facts.iter().map(|tuples| Sent { tuples, place }).collect();
        copy(&mut connection, &self.statements.copy_staged, &rows).await?;
        let found = self.find(&mut connection, facts).await?;
        // Nothing but the staging table was written to. A commit empties it; behind a rollback its rows would stay, dead.
        step(Step::Commit, connection.execute("commit")).await?;
        self.connection = Some(connection);
        let difference = |(number, fact, stored): (i64, String, Option<String>)| Difference {
            fact: first + number as usize,
            disagreement: match stored {
                Some(stored) => Disagreement::Other { fact, stored },
                None => Disagreement::Missing { fact },
            },
        };
        Ok(found.into_iter().map(difference).collect())
    }

    async fn find(
        &self,
        connection: &mut PgConnection,
        facts: &[Bytes],
    ) -> Result<Vec<(i64, String, Option<String>)>, StepError> {
        let mut query = sqlx::query_as(AssertSqlSafe(self.statements.differences.clone()));
        if self.lane.is_partitioned_by_time() {
            let (earliest, latest) = self.times(facts);
            query = query.bind(Timestamptz(earliest)).bind(Timestamptz(latest));
        }
        step(Step::Letters, query.fetch_all(connection)).await
    }

    /// The earliest and the latest time: they leave out every partition that there is nothing for.
    fn times(&self, facts: &[Bytes]) -> (Timestamp, Timestamp) {
        let times = facts.iter().filter_map(|fact| Some(Tuples::new(self.lane, fact).next()?.ok()?.ordered_at()));
        let times = times.map(|at| (at, at)).reduce(|sum, at| (sum.0.min(at.0), sum.1.max(at.1)));
        times.unwrap_or((Timestamp::EARLIEST, Timestamp::EARLIEST))
    }

    async fn connect(&self) -> Result<PgConnection, StepError> {
        let application_name = format!("forebay-comparison {}", self.lane);
        let settings = SessionSettings { application_name, ..staging_settings(self.lane, "comparison") };
        let connected = connect_primary(&self.addresses, &settings).await;
        let (mut connection, _) = connected.map_err(|error| StepError::connect(&error))?;
        let create = AssertSqlSafe(self.statements.create_compared.clone());
        step(Step::Staging, connection.execute(create)).await?;
        Ok(connection)
    }
}

/// Whether fewer facts may fare better: one of them is refused, or together they take too long, or more than the server has.
fn is_too_much(error: &StepError) -> bool {
    let is_of_many = matches!(error.class, ErrorClass::Timeout | ErrorClass::Resources);
    error.fault_of_rows() == Some(Fault::Data) || (error.step != Step::Connect && is_of_many)
}
