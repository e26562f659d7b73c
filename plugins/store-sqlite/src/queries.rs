//! What is read of a batch's database, each in one short transaction.

use std::sync::Arc;

use batchmill_core::{Closing, Delivered, JobResult, Pause, Position, Recalled, Setback, WallTime};
use rusqlite::{Connection, Params, Row, params};

use crate::rows::{self, Damage};

/// Results after a position, oldest first.
pub(crate) fn results(
    connection: &Connection,
    accepted: WallTime,
    after: Position,
    max: usize,
) -> Result<Vec<(Position, JobResult)>, Damage> {
    let sql = format!("{} WHERE position > ?1 ORDER BY position LIMIT ?2", rows::SELECT);
    all(connection, &sql, params![bound(after), limit(max)], |row| {
        rows::read(row, accepted).map(|(position, result)| (Position(position), result))
    })
}

/// The same of those with an error.
pub(crate) fn failures(
    connection: &Connection,
    accepted: WallTime,
    after: Position,
    max: usize,
) -> Result<Vec<(Position, JobResult)>, Damage> {
    let sql = format!("{} WHERE position > ?1 AND error IS NOT NULL ORDER BY position LIMIT ?2", rows::SELECT);
    all(connection, &sql, params![bound(after), limit(max)], |row| {
        rows::read(row, accepted).map(|(position, result)| (Position(position), result))
    })
}

/// The result that `condition` finds.
pub(crate) fn result(
    connection: &Connection,
    accepted: WallTime,
    condition: &str,
    parameters: impl Params,
) -> Result<Option<(Position, JobResult)>, Damage> {
    let sql = format!("{} WHERE {condition} LIMIT 1", rows::SELECT);
    let found = all(connection, &sql, parameters, |row| rows::read(row, accepted))?;
    Ok(found.into_iter().next().map(|(position, result)| (Position(position), result)))
}

/// What decisions need to know, after a position, oldest first.
pub(crate) fn recall(
    connection: &Connection,
    accepted: WallTime,
    after: Position,
    max: usize,
) -> Result<Vec<(Position, Recalled)>, Damage> {
    // One moment for all tables.
    let _moment = connection.unchecked_transaction()?;
    let mut found = ends(connection, accepted, params![bound(after), limit(max)])?;
    // What comes behind a page that is full is read with a later one.
    let last = if found.len() == max { found.last().map(|(position, _)| *position) } else { None };
    let page = params![bound(after), limit(max), last.map_or(i64::MAX, bound)];
    let condition = "position > ?1 AND position <= ?3 ORDER BY position LIMIT ?2";
    found.extend(setbacks(connection, condition, page)?.into_iter().map(retrying));
    found.extend(crashes(connection, page)?);
    found.extend(notes(connection, page)?);
    found
        .extend(deliveries(connection, after)?.into_iter().map(|(at, delivered)| (at, Recalled::Delivered(delivered))));
    found.sort_by_key(|(position, _)| *position);
    found.truncate(max);
    Ok(found)
}

fn retrying((position, setback): (Position, Setback)) -> (Position, Recalled) {
    (position, Recalled::Retrying(Box::new(setback)))
}

fn ends(connection: &Connection, accepted: WallTime, page: impl Params) -> Result<Vec<(Position, Recalled)>, Damage> {
    let sql = "SELECT position, place, status, error_class, by_attempt, finished_us FROM record \
               WHERE position > ?1 ORDER BY position LIMIT ?2";
    all(connection, sql, page, |row| {
        let ended = Recalled::Ended {
            place: row.get(1)?,
            status: rows::status(row.get(2)?)?,
            class: row.get_ref(3)?.as_str_or_null()?.map(rows::class_of).transpose()?,
            by_attempt: row.get(4)?,
            at: WallTime::from_micros(accepted.as_micros().saturating_add(row.get(5)?)),
        };
        Ok((Position(row.get(0)?), ended))
    })
}

/// The setbacks that `condition` finds.
pub(crate) fn setbacks(
    connection: &Connection,
    condition: &str,
    parameters: impl Params,
) -> Result<Vec<(Position, Setback)>, Damage> {
    let sql = format!(
        "SELECT position, place, first_started, due, attempts, failures, history, given_up FROM setback WHERE {condition}"
    );
    all(connection, &sql, parameters, |row| {
        let moment = |column| row.get(column).map(WallTime::from_micros);
        let mut setback = Setback::new(row.get(1)?, moment(2)?, moment(3)?);
        setback.attempts = row.get(4)?;
        let failures: Vec<(Option<Arc<str>>, u32)> = serde_json::from_str(row.get_ref(5)?.as_str()?)?;
        setback.failures = failures;
        setback.history = serde_json::from_str(row.get_ref(6)?.as_str()?)?;
        setback.given_up = serde_json::from_str(row.get_ref(7)?.as_str()?)?;
        Ok((Position(row.get(0)?), setback))
    })
}

fn crashes(connection: &Connection, page: impl Params) -> Result<Vec<(Position, Recalled)>, Damage> {
    let sql = "SELECT position, place, crashes FROM crash \
               WHERE position > ?1 AND position <= ?3 ORDER BY position LIMIT ?2";
    all(connection, sql, page, |row| {
        Ok((Position(row.get(0)?), Recalled::Lost { place: row.get(1)?, crashes: row.get(2)? }))
    })
}

fn notes(connection: &Connection, page: impl Params) -> Result<Vec<(Position, Recalled)>, Damage> {
    let sql = "SELECT position, kind, body FROM event \
               WHERE position > ?1 AND position <= ?3 AND kind IN ('closing', 'paused') ORDER BY position LIMIT ?2";
    all(connection, sql, page, |row| {
        let body = row.get_ref(2)?.as_str()?;
        let recalled = match row.get_ref(1)?.as_str()? {
            "closing" => Recalled::Closing(serde_json::from_str::<Closing>(body)?),
            _ => Recalled::Paused(serde_json::from_str::<Option<Pause>>(body)?),
        };
        Ok((Position(row.get(0)?), recalled))
    })
}

/// How far each sink has got, for those that moved after a position.
pub(crate) fn deliveries(connection: &Connection, after: Position) -> Result<Vec<(Position, Delivered)>, Damage> {
    let sql = "SELECT position, sink, upto, mark FROM delivery WHERE position > ?1 ORDER BY position";
    all(connection, sql, [bound(after)], |row| {
        let (sink, upto, mark) = (row.get::<_, String>(1)?, Position(row.get(2)?), row.get(3)?);
        Ok((Position(row.get(0)?), Delivered::new(sink, upto, mark)))
    })
}

/// Every row of a query, read by `read`.
pub(crate) fn all<T>(
    connection: &Connection,
    sql: &str,
    parameters: impl Params,
    mut read: impl FnMut(&Row<'_>) -> Result<T, Damage>,
) -> Result<Vec<T>, Damage> {
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query(parameters)?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        found.push(read(row)?);
    }
    Ok(found)
}

/// A position as a number of SQLite: none is larger than the largest.
fn bound(position: Position) -> i64 {
    i64::try_from(position.0).unwrap_or(i64::MAX)
}

fn limit(max: usize) -> i64 {
    i64::try_from(max).unwrap_or(i64::MAX)
}
