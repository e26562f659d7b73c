//! A batch as somebody reads it who does not run it.

use std::path::{Path, PathBuf};

use batchmill_core::{BatchId, Delivered, ErrorClass, JobId, JobResult, Position, Setback, Status, Verdict, WallTime};
use rusqlite::{Connection, OptionalExtension, TransactionBehavior, params};
use serde_json::Value;

use crate::{
    Listed, Standing, StoreError,
    batch::{manifest, meta, needed},
    database::{self, Reading},
    error::At,
    lock, queries,
    rows::{self, Damage},
    schema,
    state::ended_now,
};

/// Reads a batch, also beside the host that runs it. Every call is one short transaction, so that nothing keeps the
/// host's log from being cut. Blocks.
#[derive(Debug)]
pub struct BatchReader {
    id: BatchId,
    path: PathBuf,
    folder: PathBuf,
    connection: Reading,
    accepted: WallTime,
}

/// How many jobs have ended, and how far sinks have got.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Counts {
    /// Jobs of the batch.
    pub jobs: u64,
    /// Jobs that failed and will run again.
    pub retrying: u64,
    /// How far each sink has got.
    pub deliveries: Vec<Delivery>,
    ended: [u64; Status::ALL.len()],
}

impl Counts {
    /// Jobs that ended with `status`.
    pub fn of(&self, status: Status) -> u64 {
        Status::ALL.iter().zip(self.ended).find(|(other, _)| **other == status).map_or(0, |(_, jobs)| jobs)
    }

    /// Jobs that have ended.
    pub fn ended(&self) -> u64 {
        self.ended.iter().sum()
    }
}

/// How far a sink has got.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Delivery {
    /// The sink and its position.
    pub delivered: Delivered,
    /// Results that it has not got yet.
    pub behind: u64,
}

/// Something that happened to a batch as a whole.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Happened {
    /// Where it stands.
    pub position: Position,
    /// `accepted`, `adopted`, `amended`, `closing`, `paused` or `closed`.
    pub kind: String,
    /// When.
    pub at: WallTime,
    /// What is known of it.
    pub body: Value,
}

/// Jobs that did not succeed for the same reason.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ErrorGroup {
    /// How they ended.
    pub status: Status,
    /// The class of their error.
    pub class: ErrorClass,
    /// Its code.
    pub code: String,
    /// The node that failed, if one did.
    pub node: Option<String>,
    /// How many they are.
    pub jobs: u64,
    /// The first of them by place.
    pub job_id: JobId,
    /// What its error says.
    pub message: String,
}

impl BatchReader {
    pub(crate) fn open(id: &BatchId, folder: &Path) -> Result<Self, StoreError> {
        let path = folder.join(database::BATCH_FILE);
        let connection = database::read(&path, &schema::BATCH)?;
        let accepted = WallTime::from_micros(needed(&connection, "accepted").at(&path)?);
        Ok(Self { id: id.clone(), path, folder: folder.to_path_buf(), connection, accepted })
    }

    /// The batch as it is listed.
    pub fn listed(&self) -> Result<Listed, StoreError> {
        self.facts()
            .map_err(|damage| self.damaged(&damage))
            .and_then(|listed| Ok(Listed { owner: lock::owner(&self.folder)?, ..listed }))
    }

    fn facts(&self) -> Result<Listed, Damage> {
        let c = &self.connection;
        let standing: String = needed(c, "standing")?;
        Ok(Listed {
            id: self.id.clone(),
            name: meta(c, "name")?,
            flow: needed(c, "flow")?,
            source: needed(c, "source")?,
            standing: Standing::parse(&standing).ok_or(Damage::Value(standing))?,
            jobs: needed(c, "jobs")?,
            created: self.accepted,
            ended: meta(c, "ended")?.map(WallTime::from_micros),
            parent: meta::<String>(c, "parent")?.map(BatchId::new).transpose()?,
            generation: needed(c, "generation")?,
            owner: None,
        })
    }

    /// What the host wrote down of it.
    pub fn manifest(&self) -> Result<Value, StoreError> {
        manifest(&self.connection, &self.path)
    }

    /// When it was accepted.
    pub fn accepted(&self) -> WallTime {
        self.accepted
    }

    /// How far it is.
    pub fn counts(&self) -> Result<Counts, StoreError> {
        self.run(|c| {
            let _moment = c.unchecked_transaction()?;
            let mut ended = [0; Status::ALL.len()];
            let tally = queries::all(c, "SELECT status, jobs FROM tally", [], |row| {
                Ok((rows::status(row.get(0)?)?, row.get::<_, u64>(1)?))
            })?;
            for (status, jobs) in tally {
                ended[usize::try_from(rows::code(status)).unwrap_or(0)] = jobs;
            }
            let behind = |upto: Position| {
                let sql = "SELECT count(*) FROM record WHERE position > ?1";
                c.prepare_cached(sql)?.query_row([upto.0], |row| row.get(0))
            };
            let mut deliveries = Vec::new();
            for (_, delivered) in queries::deliveries(c, Position(0))? {
                let behind = behind(delivered.upto)?;
                deliveries.push(Delivery { delivered, behind });
            }
            let retrying = c.query_row("SELECT count(*) FROM setback", [], |row| row.get(0))?;
            Ok(Counts { jobs: needed(c, "jobs")?, retrying, deliveries, ended })
        })
    }

    /// What became of it, and when, unless it is still to end.
    pub fn verdict(&self) -> Result<Option<(Verdict, WallTime)>, StoreError> {
        self.run(|c| {
            let sql =
                "SELECT kind, at, body FROM event WHERE kind IN ('closed', 'adopted') ORDER BY position DESC LIMIT 1";
            let found = queries::all(c, sql, [], |row| {
                let is_closed = row.get_ref(0)?.as_str()? == "closed";
                let verdict = is_closed.then(|| serde_json::from_str(row.get_ref(2)?.as_str()?).map_err(Damage::from));
                Ok(verdict.transpose()?.map(|verdict| (verdict, WallTime::from_micros(row.get(1).unwrap_or(0)))))
            })?;
            Ok(found.into_iter().next().flatten())
        })
    }

    /// Results after a position, oldest first: at most `max`. Empty at the end.
    pub fn results(&self, after: Position, max: usize) -> Result<Vec<(Position, JobResult)>, StoreError> {
        self.run(|c| queries::results(c, self.accepted, after, max))
    }

    /// The result of the job at `place`, once it has ended.
    pub fn result_at(&self, place: u64) -> Result<Option<(Position, JobResult)>, StoreError> {
        self.run(|c| queries::result(c, self.accepted, "place = ?1", [place]))
    }

    /// The result of a job, once it has ended. Looks at every record, unless the id is the one that the job has by its
    /// place; whoever knows the place asks for that.
    pub fn result_of(&self, job: &JobId) -> Result<Option<(Position, JobResult)>, StoreError> {
        let line: Option<u64> = job.as_str().parse().ok();
        if let Some(place) = line.and_then(|line| line.checked_sub(1)) {
            let by_place = self.run(|c| {
                queries::result(c, self.accepted, "place = ?1 AND job_id = ?2", params![place, job.as_str()])
            })?;
            if by_place.is_some() {
                return Ok(by_place);
            }
        }
        self.run(|c| queries::result(c, self.accepted, "job_id = ?1", [job.as_str()]))
    }

    /// What is remembered of the job at `place`, if it failed and will run again.
    pub fn setback(&self, place: u64) -> Result<Option<Setback>, StoreError> {
        let found = self.run(|c| queries::setbacks(c, "place = ?1", [place]))?;
        Ok(found.into_iter().next().map(|(_, setback)| setback))
    }

    /// How often the host died while the job at `place` ran.
    pub fn crashes(&self, place: u64) -> Result<u32, StoreError> {
        self.run(|c| {
            let mut statement = c.prepare_cached("SELECT crashes FROM crash WHERE place = ?1")?;
            Ok(statement.query_row([place], |row| row.get(0)).optional()?.unwrap_or(0))
        })
    }

    /// What happened to the batch after a position, oldest first: at most `max`.
    pub fn events(&self, after: Position, max: usize) -> Result<Vec<Happened>, StoreError> {
        let sql = "SELECT position, kind, at, body FROM event WHERE position > ?1 ORDER BY position LIMIT ?2";
        let page = [i64::try_from(after.0).unwrap_or(i64::MAX), i64::try_from(max).unwrap_or(i64::MAX)];
        self.run(|c| {
            queries::all(c, sql, page, |row| {
                let body = row.get_ref(3)?.as_str_or_null()?.map(serde_json::from_str).transpose()?;
                Ok(Happened {
                    position: Position(row.get(0)?),
                    kind: row.get(1)?,
                    at: WallTime::from_micros(row.get(2)?),
                    body: body.unwrap_or(Value::Null),
                })
            })
        })
    }

    /// Why jobs did not succeed: the most frequent reasons first, at most `max`.
    pub fn error_groups(&self, max: usize) -> Result<Vec<ErrorGroup>, StoreError> {
        let sql = "SELECT jobs, (SELECT id FROM status WHERE name = errors.status), class, code, node, job_id, message \
                   FROM errors LIMIT ?1";
        self.run(|c| {
            queries::all(c, sql, [i64::try_from(max).unwrap_or(i64::MAX)], |row| {
                Ok(ErrorGroup {
                    jobs: row.get(0)?,
                    status: rows::status(row.get(1)?)?,
                    class: rows::class_of(row.get_ref(2)?.as_str()?)?,
                    code: row.get(3)?,
                    node: row.get(4)?,
                    job_id: JobId::new(row.get_ref(5)?.as_str()?)?,
                    message: row.get(6)?,
                })
            })
        })
    }

    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    pub(crate) fn run<T>(&self, read: impl FnOnce(&Connection) -> Result<T, Damage>) -> Result<T, StoreError> {
        read(&self.connection).map_err(|damage| self.damaged(&damage))
    }

    fn damaged(&self, damage: &Damage) -> StoreError {
        match damage {
            Damage::Sql(error) => StoreError::sql(&self.path, error),
            other => StoreError::Corrupt { path: self.path.clone(), reason: other.to_string() },
        }
    }
}

/// Writes down where the batch in `folder` stands, beside whoever runs it. Says when it ended and how many jobs it has.
pub(crate) fn write_standing(folder: &Path, standing: Standing) -> Result<(Option<WallTime>, u64), StoreError> {
    let path = folder.join(database::BATCH_FILE);
    let mut connection = database::open(&path, &schema::BATCH)?;
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate).at(&path)?;
    let closed = "SELECT max(at) FROM event WHERE kind = 'closed'";
    let closed: Option<i64> = transaction.query_row(closed, [], |row| row.get(0)).at(&path)?;
    let ended = (standing != Standing::Open).then(|| ended_now(closed.map(WallTime::from_micros)));
    let mut put = transaction.prepare("INSERT OR REPLACE INTO meta VALUES (?1, ?2)").at(&path)?;
    put.execute(params!["standing", standing.as_str()]).at(&path)?;
    put.execute(params!["ended", ended.map(WallTime::as_micros)]).at(&path)?;
    drop(put);
    let jobs = needed(&transaction, "jobs").at(&path)?;
    transaction.commit().at(&path)?;
    Ok((ended, jobs))
}
