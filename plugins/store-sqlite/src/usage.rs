//! What shares used in the batches of a state directory.
//!
//! Hosts add what was used, and never write a total: so several of them at once, and with different half-lives, keep one
//! record. What was used within a sixteenth of a half-life is one row, which is off by two in a hundred at most; rows older
//! than [`KEPT`] of their half-lives, which count next to nothing, are removed. So a share has at most 512 rows a half-life.

use std::time::Duration;

use batchmill_core::{ShareUsage, UsageMemory, WallTime};
use rusqlite::{TransactionBehavior, params};

use crate::{StateDir, StoreError, catalogue::Catalogue, error::At};

/// Rows a half-life.
const PARTS: i64 = 16;
/// Half-lives for which a row is kept: it counts less than a billionth then.
const KEPT: i64 = 32;

impl StateDir {
    /// Adds what shares used up to now.
    pub fn add_usage(&self, memory: UsageMemory, now: WallTime, used: &[ShareUsage]) -> Result<(), StoreError> {
        self.catalogue().add_usage(memory, now, used)
    }

    /// What shares used before now, as much as it still counts; for a scheduler that begins.
    pub fn recall_usage(&self, memory: UsageMemory, now: WallTime) -> Result<Vec<ShareUsage>, StoreError> {
        self.catalogue().recall_usage(memory, now)
    }
}

impl Catalogue {
    fn add_usage(&self, memory: UsageMemory, now: WallTime, used: &[ShareUsage]) -> Result<(), StoreError> {
        let used: Vec<&ShareUsage> = used.iter().filter(|used| used.amount.is_finite() && used.amount > 0.0).collect();
        if used.is_empty() {
            return Ok(());
        }
        let (half_life, moment) = (micros(memory.half_life), middle_of_part(memory.half_life, now));
        let mut connection = self.open()?;
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate).at(self.path())?;
        {
            let sql = "INSERT INTO usage(share, unit, half_life, moment, amount) VALUES (?1, ?2, ?3, ?4, ?5) \
                ON CONFLICT DO UPDATE SET amount = amount + excluded.amount";
            let mut statement = transaction.prepare(sql).at(self.path())?;
            for ShareUsage { share, amount, .. } in used {
                statement.execute(params![share, memory.unit, half_life, moment, amount]).at(self.path())?;
            }
        }
        transaction.commit().at(self.path())
    }

    fn recall_usage(&self, memory: UsageMemory, now: WallTime) -> Result<Vec<ShareUsage>, StoreError> {
        let connection = self.open()?;
        let forget = "DELETE FROM usage WHERE moment + ?1 * half_life < ?2";
        connection.execute(forget, params![KEPT, now.as_micros()]).at(self.path())?;
        let sql = "SELECT share, moment, amount FROM usage WHERE unit = ?1 ORDER BY share";
        let mut statement = connection.prepare(sql).at(self.path())?;
        let mut rows = statement.query([memory.unit]).at(self.path())?;
        let mut used: Vec<ShareUsage> = Vec::new();
        while let Some(row) = rows.next().at(self.path())? {
            let share: String = row.get(0).at(self.path())?;
            let age = now.since(WallTime::from_micros(row.get(1).at(self.path())?));
            let amount = row.get::<_, f64>(2).at(self.path())? * decay(age, memory.half_life);
            match used.last_mut().filter(|last| last.share == share) {
                Some(last) => last.amount += amount,
                None => used.push(ShareUsage::new(share, amount)),
            }
        }
        Ok(used)
    }
}

fn decay(age: Duration, half_life: Duration) -> f64 {
    (-age.as_secs_f64() / half_life.as_secs_f64()).exp2()
}

fn micros(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX).max(1)
}

fn middle_of_part(half_life: Duration, now: WallTime) -> i64 {
    let part = (micros(half_life) / PARTS).max(1);
    now.as_micros().div_euclid(part) * part + part / 2
}
