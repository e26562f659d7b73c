//! Where each job is, and its keys: a small row a job, so that a million queued jobs stay on disk.

use std::{
    collections::HashMap,
    hash::{DefaultHasher, Hasher},
    time::Duration,
};

use batchmill_core::{JobKeys, Priority, Tenant, WallTime};

use super::{line::Line, numbers::Numbers, rows::Rows};

/// Where one job is.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Row {
    /// Where its line starts.
    pub(crate) offset: u64,
    /// The hash of its line when it was accepted, as [`hash_of_line`] makes it.
    pub(crate) hash: u64,
    /// The length of its line without the newline.
    pub(crate) length: u32,
    /// The number of its line or record, from 1: its id where it brings none.
    pub(crate) number: u32,
    /// Whether it brings an id of its own.
    pub(crate) has_id: bool,
}

/// What is kept of a row.
#[derive(Debug, Clone, Copy)]
struct Stored {
    offset: Bits48,
    hash: Bits48,
    length: u32,
    /// The place of its class, and the two bits below.
    class: u32,
}

// A million jobs are 20 MB.
const _: () = assert!(size_of::<Stored>() == 20);

/// The lower 48 bits of a number: enough for any file, and a changed line is told all the same.
#[derive(Debug, Clone, Copy)]
struct Bits48([u16; 3]);

impl Bits48 {
    #[expect(clippy::cast_possible_truncation, reason = "it is taken apart")]
    fn of(number: u64) -> Self {
        Self([number as u16, (number >> 16) as u16, (number >> 32) as u16])
    }

    fn get(self) -> u64 {
        let [low, middle, high] = self.0.map(u64::from);
        low | middle << 16 | high << 32
    }
}

/// It brings an id of its own.
const HAS_ID: u32 = 1 << 31;
/// It has extras.
const HAS_EXTRAS: u32 = 1 << 30;
/// The bits of the class itself.
const CLASS: u32 = HAS_EXTRAS - 1;

/// Keys that few jobs have.
#[derive(Debug, Clone, Copy)]
struct Extras {
    row: u32,
    cost: f64,
    timeout: Option<Duration>,
    after: Option<WallTime>,
    deadline: Option<WallTime>,
}

/// What a job has that does not say it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Defaults {
    pub(crate) priority: Priority,
    pub(crate) tenant: Tenant,
}

/// The jobs of a file.
#[derive(Debug, Default)]
pub(crate) struct Index {
    rows: Rows<Stored>,
    numbers: Numbers,
    /// In order of row.
    extras: Vec<Extras>,
    classes: Vec<Class>,
    places: HashMap<Class, u32>,
}

/// What many jobs have in common.
type Class = (Tenant, Priority);

/// The index cannot number more jobs or lines.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Full;

/// What is said then.
pub(crate) const FULL: &str = "a batch has at most 4294967295 lines";

impl Index {
    /// Adds the job number `number`, whose line `bytes` is at `offset`; its row.
    pub(crate) fn add(
        &mut self,
        number: u64,
        offset: u64,
        bytes: &[u8],
        line: &Line,
        defaults: &Defaults,
    ) -> Result<u32, Full> {
        let row = u32::try_from(self.rows.len()).map_err(|_| Full)?;
        let (offset, hash) = (Bits48::of(offset), Bits48::of(hash(bytes)));
        let length = u32::try_from(bytes.len()).map_err(|_| Full)?;
        let number = u32::try_from(number).map_err(|_| Full)?;
        let has_extras =
            line.cost.is_some() || line.timeout.is_some() || line.after.is_some() || line.deadline.is_some();
        let tenant = line.tenant.as_ref().unwrap_or(&defaults.tenant);
        let mut class = self.class((tenant.clone(), line.priority.unwrap_or(defaults.priority)))?;
        class |= if line.id.is_some() { HAS_ID } else { 0 };
        class |= if has_extras { HAS_EXTRAS } else { 0 };
        self.rows.push(Stored { offset, hash, length, class });
        self.numbers.push(number);
        if has_extras {
            let cost = line.cost.unwrap_or(1.0);
            let (timeout, after, deadline) = (line.timeout, line.after, line.deadline);
            self.extras.push(Extras { row, cost, timeout, after, deadline });
        }
        Ok(row)
    }

    /// Removes rows, which are given in their order.
    pub(crate) fn remove(&mut self, rows: &[u32]) {
        if rows.is_empty() {
            return;
        }
        let stays = |row: u32| rows.binary_search(&row).is_err();
        self.extras.retain(|extras| stays(extras.row));
        for extras in &mut self.extras {
            // As many rows as there are, and they are counted in u32.
            #[expect(clippy::cast_possible_truncation)]
            let before = rows.partition_point(|row| *row < extras.row) as u32;
            extras.row -= before;
        }
        self.numbers.retain(stays);
        self.rows.retain(|row| u32::try_from(row).is_ok_and(stays));
    }

    /// Each class is kept once.
    fn class(&mut self, class: Class) -> Result<u32, Full> {
        if let Some(place) = self.places.get(&class) {
            return Ok(*place);
        }
        let place = u32::try_from(self.classes.len()).ok().filter(|place| *place <= CLASS).ok_or(Full)?;
        self.classes.push(class.clone());
        self.places.insert(class, place);
        Ok(place)
    }

    /// How many jobs there are.
    pub(crate) fn len(&self) -> usize {
        self.rows.len()
    }

    /// A job.
    pub(crate) fn row(&self, row: u32) -> Row {
        let Stored { offset, hash, length, class } = self.rows.get(row as usize);
        let (offset, hash) = (offset.get(), hash.get());
        Row { offset, hash, length, number: self.numbers.of(row), has_id: class & HAS_ID != 0 }
    }

    /// The keys of a job.
    pub(crate) fn keys(&self, row: u32) -> JobKeys {
        let class = self.rows.get(row as usize).class;
        let mut keys = JobKeys::default();
        (keys.tenant, keys.priority) = self.classes[(class & CLASS) as usize].clone();
        if class & HAS_EXTRAS != 0
            && let Ok(at) = self.extras.binary_search_by_key(&row, |extras| extras.row)
        {
            let extras = &self.extras[at];
            keys.cost = extras.cost;
            (keys.timeout, keys.after, keys.deadline) = (extras.timeout, extras.after, extras.deadline);
        }
        keys
    }

    /// The row of the job with this number.
    pub(crate) fn numbered(&self, number: u32) -> Option<u32> {
        self.numbers.row(number)
    }
}

/// The hash that tells a changed line.
pub(crate) fn hash_of_line(bytes: &[u8]) -> u64 {
    Bits48::of(hash(bytes)).get()
}

/// SipHash with fixed keys: fast enough to be unseen beside the parsing.
pub(crate) fn hash(bytes: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    hasher.write(bytes);
    hasher.finish()
}
