//! A jobs file that is read in place: validated and indexed once, then each line again when its job starts.

use std::{
    borrow::Cow,
    fmt,
    fs::File,
    io::{self, BufReader},
    os::unix::fs::FileExt,
    sync::OnceLock,
};

use batchmill_core::{ErrorClass, Job, JobError, JobId, JobKeys, StateData};
use batchmill_executor::JobSource;

use super::{
    duplicates::{Duplicate, Ids},
    index::{self, Defaults, Index, Row},
    json::Mistake,
    line::{self, Line},
    lines::{Lines, Physical},
};
use crate::problems::{Place, Problems, Refusal};

/// How lines are read.
#[derive(Debug, Clone)]
pub(crate) struct Rules {
    /// The longest line, in bytes.
    pub(crate) max_line: usize,
    /// Every line is an input, whatever its names.
    pub(crate) input_is_line: bool,
    /// What a job has that does not say it.
    pub(crate) defaults: Defaults,
}

/// Says what a flow has against an input.
pub(crate) type Accept<'a> = &'a dyn Fn(StateData) -> Result<(), Vec<String>>;

/// The jobs of one file.
pub(crate) struct JsonLines {
    name: String,
    file: File,
    rules: Rules,
    index: Index,
    /// The first line that was not what was accepted any more.
    broken: OnceLock<Refusal>,
}

impl fmt::Debug for JsonLines {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JsonLines").field("name", &self.name).field("jobs", &self.index.rows.len()).finish()
    }
}

impl JsonLines {
    /// Reads all of `file`. Every line that is wrong is reported, and nothing is accepted then.
    pub(crate) fn accept(name: String, file: File, rules: Rules, accept: Accept<'_>) -> Result<Self, Refusal> {
        let mut jobs = Self { name, file, rules, index: Index::default(), broken: OnceLock::new() };
        let (mut problems, mut ids) = (Problems::default(), Ids::default());
        jobs.read_lines(accept, &mut ids, &mut problems)
            .map_err(|error| Refusal::data(format!("{}: {error}", jobs.name)))?;
        for duplicate in ids.duplicates(&jobs.index, |row| jobs.read_id(row)) {
            problems.add(jobs.place(u64::from(duplicate.line), None), describe(&duplicate));
        }
        if problems.is_empty() {
            jobs.index.rows.shrink_to_fit();
            Ok(jobs)
        } else {
            Err(Refusal { exit: crate::exit::Exit::BadData, problems: problems.into_lines() })
        }
    }

    fn read_lines(&mut self, accept: Accept<'_>, ids: &mut Ids, problems: &mut Problems) -> io::Result<()> {
        let reader = BufReader::with_capacity(256 * 1024, self.file.try_clone()?);
        let mut lines = Lines::new(reader, self.rules.max_line);
        while let Some(physical) = lines.next()? {
            match self.read_line(&physical, accept) {
                Ok(None) => {}
                Ok(Some(line)) => self.add(&physical, &line, ids, problems),
                Err(mistakes) => {
                    for mistake in mistakes {
                        let column = mistake.offset.map(|offset| column(physical.bytes.unwrap_or_default(), offset));
                        problems.add(self.place(physical.number, column), mistake.message);
                    }
                }
            }
        }
        Ok(())
    }

    /// `None` for a blank line.
    fn read_line(&self, physical: &Physical<'_>, accept: Accept<'_>) -> Result<Option<Line>, Vec<Mistake>> {
        let Some(bytes) = physical.bytes else {
            let message = format!(
                "the line has {} bytes, at most {} are allowed; --max-line raises it",
                physical.length, self.rules.max_line
            );
            return Err(vec![Mistake { offset: None, message }]);
        };
        if line::is_blank(bytes) {
            return Ok(None);
        }
        let mut line = line::parse(bytes, self.rules.input_is_line)?;
        // The index needs no input: it stays on disk until the job starts.
        accept(std::mem::take(&mut line.input)).map_err(|messages| {
            messages.into_iter().map(|message| Mistake { offset: None, message }).collect::<Vec<_>>()
        })?;
        Ok(Some(line))
    }

    fn add(&mut self, physical: &Physical<'_>, line: &Line, ids: &mut Ids, problems: &mut Problems) {
        let bytes = physical.bytes.unwrap_or_default();
        let row = u32::try_from(self.index.rows.len()).unwrap_or(u32::MAX);
        match self.index.add(physical.number, physical.offset, bytes, line, &self.rules.defaults) {
            Ok(()) => {
                if let Some(id) = &line.id {
                    ids.add(row, id);
                }
            }
            Err(index::Full) => problems.add(self.place(physical.number, None), "a batch has at most 4294967295 lines"),
        }
    }

    fn place(&self, line: u64, column: Option<u64>) -> Place {
        Place { file: self.name.clone(), line: Some(line), column }
    }

    /// Why the batch had to stop because its jobs file is not what was accepted any more, if so.
    pub(crate) fn broken(&self) -> Option<&Refusal> {
        self.broken.get()
    }

    fn row(&self, index: u64) -> &Row {
        &self.index.rows[usize::try_from(index).expect("an index below len() fits the address space")]
    }

    fn read_id(&self, row: u32) -> Option<JobId> {
        self.line(&self.index.rows[row as usize]).ok().and_then(|line| line.id)
    }

    /// Reads a line again. It must be what was accepted, to the byte.
    fn line(&self, row: &Row) -> Result<Line, JobError> {
        let mut bytes = vec![0; row.length as usize];
        let read = self.file.read_exact_at(&mut bytes, row.offset);
        if let Err(error) = read
            && error.kind() != io::ErrorKind::UnexpectedEof
        {
            let message = format!("{}:{}: could not be read: {error}", self.name, row.line);
            return Err(self.stop("source_unreadable", Refusal::storage(message)));
        }
        if index::hash(&bytes) == row.hash
            && let Ok(line) = line::parse(&bytes, self.rules.input_is_line)
        {
            return Ok(line);
        }
        let message = format!("{}:{}: the line changed after the batch was accepted", self.name, row.line);
        Err(self.stop("source_changed", Refusal::data(message)))
    }

    fn stop(&self, code: &'static str, refusal: Refusal) -> JobError {
        let error = JobError::new(ErrorClass::Fatal, code, refusal.problems.join("; "));
        // The first one is what the batch stopped for; the others are its echo.
        let _ = self.broken.set(refusal);
        error
    }
}

impl JobSource for JsonLines {
    fn len(&self) -> u64 {
        self.index.rows.len() as u64
    }

    fn keys(&self, index: u64) -> JobKeys {
        let number = u32::try_from(index).expect("rows are counted in u32");
        self.index.keys(self.row(index), number)
    }

    fn id(&self, index: u64) -> Result<JobId, JobError> {
        let row = self.row(index);
        let default = || JobId::from(u64::from(row.line));
        if row.has_id { self.line(row).map(|line| line.id.unwrap_or_else(default)) } else { Ok(default()) }
    }

    fn load(&self, index: u64) -> Result<Cow<'_, Job>, JobError> {
        let row = self.row(index);
        let line = self.line(row)?;
        let keys = self.keys(index);
        let mut job = Job::new(line.id.unwrap_or_else(|| JobId::from(u64::from(row.line))), line.input);
        (job.priority, job.tenant, job.cost) = (keys.priority, keys.tenant, keys.cost);
        (job.timeout, job.after, job.deadline) = (keys.timeout, keys.after, keys.deadline);
        job.key = line.key;
        Ok(Cow::Owned(job))
    }
}

/// Columns count characters, as editors do.
fn column(line: &[u8], offset: usize) -> u64 {
    let before = &line[..offset.min(line.len())];
    String::from_utf8_lossy(before).chars().count() as u64 + 1
}

fn describe(duplicate: &Duplicate) -> String {
    let Duplicate { id, first, by_default, .. } = duplicate;
    if *by_default {
        format!("duplicate id `{id}`: line {first} has it too (a job without an id has its line number)")
    } else {
        format!("duplicate id `{id}`: line {first} has it too")
    }
}

#[cfg(test)]
mod tests {
    use std::{io::Write, time::Duration};

    use batchmill_core::{Priority, Tenant};

    use super::*;

    fn file(bytes: &[u8]) -> File {
        super::super::spool::spool(bytes).unwrap()
    }

    fn rules() -> Rules {
        Rules { max_line: 200, input_is_line: false, defaults: Defaults::default() }
    }

    fn accept(bytes: &[u8]) -> Result<JsonLines, Refusal> {
        JsonLines::accept("jobs.jsonl".into(), file(bytes), rules(), &|_| Ok(()))
    }

    fn problems(bytes: &[u8]) -> Vec<String> {
        accept(bytes).unwrap_err().problems
    }

    #[test]
    fn jobs_are_read_again_as_they_were_accepted() {
        let jobs = accept(
            b"{\"n\":1}\n\n  \r\n{\"id\":\"b\",\"input\":{\"n\":2},\"priority\":7,\"tenant\":\"t\",\"timeout\":\"2s\",\"key\":\"k\"}\r\n{\"n\":3}",
        )
        .unwrap();
        assert_eq!(jobs.len(), 3);
        let ids: Vec<_> = (0..3).map(|index| jobs.id(index).unwrap().to_string()).collect();
        assert_eq!(ids, ["1", "b", "5"], "the default id is the physical line");
        let keys = jobs.keys(1);
        assert_eq!((keys.priority, keys.tenant.as_str()), (Priority(7), "t"));
        assert_eq!((keys.timeout, keys.cost), (Some(Duration::from_secs(2)), 1.0));
        let job = jobs.load(1).unwrap();
        assert_eq!((job.id.as_str(), job.input["n"].as_u64(), job.key.as_deref()), ("b", Some(2), Some("k")));
        assert_eq!(job.keys(), keys);
        assert_eq!(jobs.load(2).unwrap().input["n"], 3);
    }

    #[test]
    fn defaults_fill_what_a_line_does_not_say() {
        let defaults = Defaults { priority: Priority(5), tenant: Tenant::new("team").unwrap() };
        let rules = Rules { defaults, ..rules() };
        let bytes = b"{}\n{\"input\":{},\"priority\":0,\"tenant\":\"default\"}\n";
        let jobs = JsonLines::accept("jobs".into(), file(bytes), rules, &|_| Ok(())).unwrap();
        assert_eq!((jobs.keys(0).priority, jobs.keys(0).tenant.as_str()), (Priority(5), "team"));
        assert_eq!((jobs.keys(1).priority, jobs.keys(1).tenant.as_str()), (Priority(0), "default"));
    }

    #[test]
    fn every_bad_line_is_reported_with_its_place() {
        let long = format!("{{\"a\":\"{}\"}}\n", "x".repeat(300));
        let mut bytes = b"{\"a\":}\n{}\n{\"\xC3\xA9\":\"\xFF\"}\n".to_vec();
        bytes.extend_from_slice(long.as_bytes());
        bytes.extend_from_slice("{\"é\":1, \"é\":2}\n".as_bytes());
        assert_eq!(
            problems(&bytes),
            [
                "jobs.jsonl:1:6: not JSON: expected value",
                "jobs.jsonl:3:7: not UTF-8: byte 0xFF at byte 8 of the line",
                "jobs.jsonl:4: the line has 308 bytes, at most 200 are allowed; --max-line raises it",
                "jobs.jsonl:5:11: duplicate key `é`",
            ]
        );
    }

    #[test]
    fn twenty_problems_are_shown_and_the_others_counted() {
        let shown = problems("[]\n".repeat(1000).as_bytes());
        assert_eq!((shown.len(), shown[20].as_str()), (21, "and 980 more"));
    }

    #[test]
    fn equal_ids_are_found_and_both_lines_named() {
        let bytes = b"{\"id\":\"a\",\"input\":{}}\n{}\n{\"id\":\"a\",\"input\":{}}\n{\"id\":\"2\",\"input\":{}}\n{\"id\":\"9\",\"input\":{}}\n{\"id\":\"a\",\"input\":{}}\n";
        assert_eq!(
            problems(bytes),
            [
                "jobs.jsonl:3: duplicate id `a`: line 1 has it too",
                "jobs.jsonl:4: duplicate id `2`: line 2 has it too (a job without an id has its line number)",
                "jobs.jsonl:6: duplicate id `a`: line 1 has it too",
            ]
        );
        // `02` is not what a line number looks like, and line 3 has an id of its own.
        assert!(accept(b"{}\n{}\n{\"id\":\"02\",\"input\":{}}\n{\"id\":\"3\",\"input\":{}}\n").is_ok());
    }

    #[test]
    fn the_flow_is_asked_about_every_input() {
        let accept = |input: StateData| {
            if input.contains_key("path") { Ok(()) } else { Err(vec!["`path` is missing".to_owned()]) }
        };
        let refusal = JsonLines::accept("j".into(), file(b"{\"path\":1}\n{}\n"), rules(), &accept).unwrap_err();
        assert_eq!(refusal.problems, ["j:2: `path` is missing"]);
    }

    #[test]
    fn a_line_that_changed_stops_the_batch_and_is_named() {
        let jobs = accept(b"{\"n\":1}\n{\"n\":2}\n").unwrap();
        let mut writer = jobs.file.try_clone().unwrap();
        io::Seek::seek(&mut writer, io::SeekFrom::Start(13)).unwrap();
        writer.write_all(b"7").unwrap();
        assert!(jobs.load(0).is_ok());
        let error = jobs.load(1).unwrap_err();
        assert_eq!((error.class, error.code.as_ref()), (ErrorClass::Fatal, "source_changed"));
        assert_eq!(jobs.broken().unwrap().problems, ["jobs.jsonl:2: the line changed after the batch was accepted"]);
        jobs.file.set_len(3).unwrap();
        assert_eq!(jobs.load(0).unwrap_err().code, "source_changed", "a cut file changed too");
    }

    #[test]
    fn no_line_is_an_empty_batch() {
        assert_eq!(accept(b"").unwrap().len(), 0);
        assert_eq!(accept(b"\n\n").unwrap().len(), 0);
    }
}
