//! Jobs on disk: checked and indexed once, then each line read again when its job starts.

use std::{
    borrow::Cow,
    fmt,
    fs::File,
    io::{self, ErrorKind},
    path::Path,
    sync::OnceLock,
};

use batchmill_core::{ErrorClass, Job, JobError, JobId, JobKeys};
use batchmill_executor::JobSource;

use super::{
    accept,
    ahead::Ahead,
    bad_line::LeftOut,
    fingerprint::Fingerprint,
    index::{self, INPUT_IS_LINE, Index, IndexWriter, Row, SPOOLED},
    keys::{Keys, Made, MadeOfAll, Seen},
    line::{self, Line},
    spool::{self, Scratch},
};
use crate::{
    exit::Exit,
    problems::{Place, Problems, Refusal},
};

/// What the index of a batch's jobs is called in its folder.
pub(super) const INDEX: &str = "jobs.idx";

/// The copy of jobs that are not read in place.
const COPY: &str = "jobs.jsonl";

/// The jobs of one file.
pub(crate) struct JsonLines {
    name: String,
    file: File,
    ahead: Ahead,
    index: Index,
    left_out: LeftOut,
    /// The source as a whole, where it is a file.
    fingerprint: Option<Fingerprint>,
    /// What config makes of each job, where it asks and they were looked at.
    made: Option<MadeOfAll>,
    /// The first line that was not what was accepted any more.
    broken: OnceLock<Refusal>,
}

impl fmt::Debug for JsonLines {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JsonLines").field("name", &self.name).field("jobs", &self.index.len()).finish()
    }
}

impl JsonLines {
    pub(super) fn new(name: String, file: File, index: Index) -> Self {
        let (ahead, left_out, broken) = (Ahead::default(), LeftOut::default(), OnceLock::new());
        Self { name, file, ahead, index, left_out, fingerprint: None, made: None, broken }
    }

    /// The jobs of a batch as its `folder` has them. `source` is the file where they are read in place.
    ///
    /// `None` where the folder has none: the host died before it could keep them, so before anything ran.
    pub(crate) fn open(folder: &Path, name: &str, source: Option<File>) -> Result<Option<Self>, Refusal> {
        let path = folder.join(INDEX);
        let damaged = |error: &io::Error| match error.kind() {
            ErrorKind::InvalidData => Refusal::data(format!("{}: {error}; --fresh starts a new batch", path.display())),
            _ => Refusal::storage(format!("{}: {error}", path.display())),
        };
        let index = match File::open(&path) {
            Ok(file) => Index::open(file).map_err(|error| damaged(&error))?,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(damaged(&error)),
        };
        let file = match source {
            Some(file) if !index.has(SPOOLED) => file,
            _ if index.has(SPOOLED) => {
                let copy = folder.join(COPY);
                File::open(&copy).map_err(|error| match error.kind() {
                    ErrorKind::NotFound => {
                        Refusal::data(format!("{}: the copy of the jobs is gone; --fresh starts anew", copy.display()))
                    }
                    _ => Refusal::storage(format!("{}: {error}", copy.display())),
                })?
            }
            _ => return Err(Refusal::data(format!("{name}: is no file any more that can be read at any place"))),
        };
        Ok(Some(Self::new(name.to_owned(), file, index)))
    }

    /// Whether the `folder` of a batch has a copy of its jobs.
    pub(crate) fn has_copy(folder: &Path) -> bool {
        folder.join(COPY).is_file()
    }

    /// Keeps index and copy in the folder of a batch, in the place of those that are there.
    pub(crate) fn keep(&self, folder: &Path, sync: bool) -> io::Result<()> {
        if self.is_spooled() {
            spool::name(&self.file, &folder.join(COPY), sync)?;
        }
        // Last: where there is an index, there is what it speaks of.
        spool::name(self.index.file(), &folder.join(INDEX), sync)?;
        if sync { File::open(folder)?.sync_all() } else { Ok(()) }
    }

    /// The same jobs by another index.
    pub(super) fn indexed_by(self, index: Index) -> Self {
        Self { index, made: None, ..self }
    }

    pub(super) fn set_made(&mut self, made: MadeOfAll) {
        self.made = Some(made);
    }

    /// Looks at every job with the eyes of config, where that was not done when they were accepted.
    pub(crate) fn make_keys(&mut self, keys: &Keys) -> Result<(), Refusal> {
        if self.made.is_some() {
            return Ok(());
        }
        let (mut all, mut problems) = (MadeOfAll::default(), Problems::default());
        for row in self.index.rows() {
            let row = row.map_err(|error| Refusal::storage(self.lost_index(&error).message))?;
            match self.make(&row, keys)? {
                Ok(made) => all.extend([made]),
                Err(messages) => messages.into_iter().for_each(|message| problems.add(self.spot(&row), message)),
            }
        }
        if !problems.is_empty() {
            return Err(Refusal { exit: Exit::BadData, problems: problems.into_findings() });
        }
        self.made = Some(all.finish());
        Ok(())
    }

    fn make(&self, row: &Row, keys: &Keys) -> Result<Result<Made, Vec<String>>, Refusal> {
        // It has ended.
        if row.is_gone {
            return Ok(Ok(Made::default()));
        }
        let of_row = self.index.keys(row).map_err(|error| Refusal::storage(self.lost_index(&error).message))?;
        let line =
            if keys.is_by_class() { Line::default() } else { self.line(row).map_err(|error| self.why(error))? };
        let id = line.id.unwrap_or_else(|| JobId::from(u64::from(row.number)));
        let (seen, mut input) = (Seen { id, tenant: &of_row.tenant, priority: of_row.priority }, line.input);
        Ok(keys.make(&seen, &mut input))
    }

    fn why(&self, error: JobError) -> Refusal {
        self.broken.get().cloned().unwrap_or_else(|| Refusal::data(error.message))
    }

    /// Where a row stands, for problems.
    fn spot(&self, row: &Row) -> Place {
        if self.is_spooled() {
            return Place { file: self.place(row), line: None, column: None };
        }
        Place { file: self.name.clone(), line: Some(row.number.into()), column: None }
    }

    /// What problems call it.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn index(&self) -> &Index {
        &self.index
    }

    /// Names the jobs as a whole.
    pub(crate) fn content(&self) -> String {
        self.index.content()
    }

    /// Whether they are read from a copy of ours, whose lines are not those of the source.
    pub(crate) fn is_spooled(&self) -> bool {
        self.index.has(SPOOLED)
    }

    /// Takes these rows out, because their lines are among `left_out`.
    pub(super) fn leave_out(&mut self, rows: &[u32], left_out: LeftOut, scratch: &Scratch) -> Result<(), Refusal> {
        self.left_out = left_out;
        self.index.forget_numbers();
        if rows.is_empty() {
            return Ok(());
        }
        if let Some(made) = &mut self.made {
            made.leave_out(rows);
        }
        let refuse = |error: io::Error| scratch.refusal(accept::INDEX, &error);
        let mut without = IndexWriter::create(scratch).map_err(refuse)?;
        for (place, row) in (0_u32..).zip(self.index.rows()) {
            if rows.binary_search(&place).is_err() {
                let copied = without.copy(&self.index, row.map_err(refuse)?);
                copied.map_err(|not_added| accept::refusal(&self.name, scratch, not_added))?;
            }
        }
        self.index = without.finish(self.index.flags()).map_err(refuse)?;
        Ok(())
    }

    pub(super) fn set_fingerprint(&mut self, fingerprint: Option<Fingerprint>) {
        self.fingerprint = fingerprint;
    }

    /// The source as a whole, where it is a file that was read just now.
    pub(crate) fn fingerprint(&self) -> Option<&Fingerprint> {
        self.fingerprint.as_ref()
    }

    /// Says what was left out when they were accepted.
    pub(crate) fn set_left_out(&mut self, left_out: LeftOut) {
        self.left_out = left_out;
    }

    /// The bad lines that are no jobs of the batch.
    pub(crate) fn left_out(&self) -> &LeftOut {
        &self.left_out
    }

    /// Why the batch had to stop because its jobs file is not what was accepted any more, if so.
    pub(crate) fn broken(&self) -> Option<&Refusal> {
        self.broken.get()
    }

    pub(super) fn read_id(&self, row: u32) -> Option<JobId> {
        self.index.row(row).ok().and_then(|row| self.line(&row).ok()?.id)
    }

    /// The id of a row, where its line can be read.
    pub(super) fn id_of(&self, row: &Row) -> Option<JobId> {
        if row.has_id { self.line(row).ok()?.id } else { Some(JobId::from(u64::from(row.number))) }
    }

    /// Reads a line again.
    fn line(&self, row: &Row) -> Result<Line, JobError> {
        let bytes = self.read(row)?;
        line::parse(&bytes, self.index.has(INPUT_IS_LINE)).map_err(|_| self.changed(row))
    }

    /// The bytes of a row.
    pub(super) fn bytes(&self, row: u32) -> Result<Vec<u8>, JobError> {
        self.read(&self.row(row)?)
    }

    fn row(&self, row: u32) -> Result<Row, JobError> {
        self.index.row(row).map_err(|error| self.lost_index(&error))
    }

    /// The bytes of a line. They must be what was accepted, to the last one.
    fn read(&self, row: &Row) -> Result<Vec<u8>, JobError> {
        if row.is_gone {
            return Err(self.changed(row));
        }
        match self.ahead.read(&self.file, row.offset, row.length as usize) {
            Ok(bytes) if index::hash(&bytes) == row.hash => Ok(bytes),
            Err(error) if error.kind() != ErrorKind::UnexpectedEof => {
                let message = format!("{}: could not be read: {error}", self.place(row));
                Err(self.stop("source_unreadable", Refusal::storage(message)))
            }
            _ => Err(self.changed(row)),
        }
    }

    fn changed(&self, row: &Row) -> JobError {
        let message = format!("{}: the line changed after the batch was accepted", self.place(row));
        self.stop("source_changed", Refusal::data(message))
    }

    fn lost_index(&self, error: &io::Error) -> JobError {
        let message = format!("{}: the index of its jobs could not be read: {error}", self.name);
        self.stop("source_unreadable", Refusal::storage(message))
    }

    /// Where a row stands, for messages.
    pub(super) fn place(&self, row: &Row) -> String {
        if self.is_spooled() {
            format!("{}: the copy of job {}", self.name, row.number)
        } else {
            format!("{}:{}", self.name, row.number)
        }
    }

    fn stop(&self, code: &'static str, refusal: Refusal) -> JobError {
        let error = JobError::new(ErrorClass::Fatal, code, refusal.text());
        // The first one is what the batch stopped for; the others are its echo.
        let _ = self.broken.set(refusal);
        error
    }
}

impl JobSource for JsonLines {
    fn len(&self) -> u64 {
        u64::from(self.index.len())
    }

    fn keys(&self, index: u64) -> JobKeys {
        let keys = self.index.row(place(index)).and_then(|row| self.index.keys(&row));
        // The batch stops for it when the first job starts.
        let mut keys = keys.inspect_err(|error| drop(self.lost_index(error))).unwrap_or_default();
        if let Some(made) = &self.made {
            made.put_into(place(index), &mut keys);
        }
        keys
    }

    fn alike(&self, index: u64, most: u64) -> u64 {
        match &self.made {
            // What is made of a job may be another thing for each.
            Some(_) => 1,
            None => self.index.alike(place(index), u32::try_from(most).unwrap_or(u32::MAX)).into(),
        }
    }

    fn kind(&self, index: u64) -> Option<u64> {
        // Without what is made of them, jobs come in runs.
        let made = self.made.as_ref()?.place(place(index))?;
        let class = self.index.kind(place(index))?;
        Some(u64::from(made) | u64::from(class) << u32::BITS)
    }

    fn id(&self, index: u64) -> Result<JobId, JobError> {
        let row = self.row(place(index))?;
        let default = || JobId::from(u64::from(row.number));
        if row.has_id { self.line(&row).map(|line| line.id.unwrap_or_else(default)) } else { Ok(default()) }
    }

    fn load(&self, index: u64) -> Result<Cow<'_, Job>, JobError> {
        if let Some(refusal) = self.broken.get() {
            return Err(JobError::new(ErrorClass::Fatal, "source_changed", refusal.text()));
        }
        let row = self.row(place(index))?;
        let line = self.line(&row)?;
        let keys = self.index.keys(&row).map_err(|error| self.lost_index(&error))?;
        let mut job = Job::new(line.id.unwrap_or_else(|| JobId::from(u64::from(row.number))), line.input);
        (job.priority, job.tenant, job.cost) = (keys.priority, keys.tenant, keys.cost);
        (job.timeout, job.after, job.deadline) = (keys.timeout, keys.after, keys.deadline);
        job.key = line.key;
        Ok(Cow::Owned(job))
    }
}

fn place(index: u64) -> u32 {
    u32::try_from(index).expect("an index below len() fits: rows are counted in u32")
}

#[cfg(test)]
mod tests {
    use std::{io::Write, num::NonZeroU32, time::Duration};

    use batchmill_config::HostConfig;
    use batchmill_core::{Priority, StateData, Tenant};

    use super::*;
    use crate::intake::{
        OnBadLine,
        accept::{self, Accept, Rules},
        format::JobLines,
        index::Defaults,
    };

    fn rules() -> Rules {
        Rules { max_line: 200, ..Rules::default() }
    }

    /// Accepts what stands in a file, in place.
    fn accept_by(bytes: &[u8], rules: Rules, accept: Accept<'_>) -> Result<JsonLines, Refusal> {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(bytes).unwrap();
        let records = JobLines::new(io::Cursor::new(bytes.to_vec()), rules.max_line);
        accept::accept("jobs.jsonl".into(), Box::new(records), Some(file), rules, accept)
    }

    fn accept(bytes: &[u8]) -> Result<JsonLines, Refusal> {
        accept_by(bytes, rules(), &|_| Ok(()))
    }

    fn problems(bytes: &[u8]) -> Vec<String> {
        accept(bytes).unwrap_err().problems.iter().map(ToString::to_string).collect()
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
        let jobs = accept_by(bytes, rules, &|_| Ok(())).unwrap();
        assert_eq!((jobs.keys(0).priority, jobs.keys(0).tenant.as_str()), (Priority(5), "team"));
        assert_eq!((jobs.keys(1).priority, jobs.keys(1).tenant.as_str()), (Priority(0), "default"));
    }

    #[test]
    fn more_jobs_than_may_be_are_refused_where_they_begin() {
        let limited = |bytes: &[u8], on_bad_line| {
            let queue_limit = NonZeroU32::new(2);
            let found = accept_by(bytes, Rules { queue_limit, on_bad_line, ..rules() }, &|_| Ok(()));
            found
                .map(|jobs| jobs.len())
                .map_err(|refusal| refusal.problems.iter().map(ToString::to_string).collect::<Vec<_>>())
        };
        let more = "there are more jobs than the 2 of executor.queue_limit";
        assert_eq!(limited(b"{}\n\n{}\n", OnBadLine::Fail), Ok(2));
        // The last one is not read.
        assert_eq!(limited(b"{}\n{}\n\n{}\n{\n", OnBadLine::Fail), Err(vec![format!("jobs.jsonl:4: {more}")]));
        let problems = limited(b"{\n{}\n{}\n{}\n", OnBadLine::Fail).unwrap_err();
        assert!(problems[0].starts_with("jobs.jsonl:1:"), "{problems:?}");
        assert_eq!(problems[1..], [format!("jobs.jsonl:4: {more}")]);
        // What is left out is no job.
        assert_eq!(limited(b"{\n{}\n{}\n", OnBadLine::Skip), Ok(2));
        assert_eq!(limited(b"{\n{}\n{}\n{}\n", OnBadLine::Skip), Err(vec![format!("jobs.jsonl:4: {more}")]));
    }

    #[test]
    fn jobs_of_one_kind_have_the_same_keys() {
        let bytes = b"{\"input\":{\"host\":\"a\"}}\n{\"input\":{\"host\":\"b\"}}\n{\"input\":{\"host\":\"a\"}}\n\
            {\"input\":{\"host\":\"a\"},\"tenant\":\"t\"}\n{\"input\":{\"host\":\"a\"},\"cost\":2}\n{\"input\":{\"host\":\"b\"}}\n";
        let mut jobs = accept(bytes).unwrap();
        assert_eq!(jobs.kind(0), None, "they come in runs");
        let config: HostConfig = toml::from_str("[[limits]]\nkey = '.input.host'\nconcurrency = 1").unwrap();
        jobs.make_keys(&Keys::of(&config, "flow").unwrap()).unwrap();
        assert_eq!(jobs.kind(4), None, "its cost is its own");
        for (one, other) in (0..6).flat_map(|one| (0..6).map(move |other| (one, other))) {
            let is_one_kind = jobs.kind(one).is_some_and(|kind| jobs.kind(other) == Some(kind));
            let is_alike = jobs.keys(one) == jobs.keys(other) && one != 4;
            assert_eq!(is_one_kind, is_alike, "{one} and {other}");
        }
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
                "jobs.jsonl:1:6: not JSON: expected a value here; a text stands in double quotes",
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
    fn ids_that_ascend_for_a_while_are_found_again_later() {
        let lines =
            |ids: &[&str]| ids.iter().map(|id| format!("{{\"id\":\"{id}\",\"input\":{{}}}}\n")).collect::<String>();
        assert!(accept(lines(&["j9", "j10", "j11", "j2", "j1"]).as_bytes()).is_ok());
        assert_eq!(
            problems(lines(&["j9", "j10", "j11", "j10", "j1", "j9", "j1"]).as_bytes()),
            [
                "jobs.jsonl:4: duplicate id `j10`: line 2 has it too",
                "jobs.jsonl:6: duplicate id `j9`: line 1 has it too",
                "jobs.jsonl:7: duplicate id `j1`: line 5 has it too",
            ]
        );
    }

    #[test]
    fn the_flow_is_asked_about_every_input() {
        let accept = |input: StateData| {
            if input.contains_key("path") { Ok(()) } else { Err(vec!["`path` is missing".to_owned()]) }
        };
        let refusal = accept_by(b"{\"path\":1}\n{}\n", rules(), &accept).unwrap_err();
        assert_eq!(refusal.text(), "jobs.jsonl:2: `path` is missing");
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
        assert_eq!(jobs.broken().unwrap().text(), "jobs.jsonl:2: the line changed after the batch was accepted");
        jobs.file.set_len(3).unwrap();
        assert_eq!(jobs.load(0).unwrap_err().code, "source_changed", "a cut file changed too");
    }

    #[test]
    fn runs_of_lines_have_the_same_keys() {
        let line = |number: u32| match number % 60 {
            0..20 => "{}".to_owned(),
            20..22 => "{\"input\":{},\"timeout\":\"2s\"}".to_owned(),
            22..40 => "{\"input\":{},\"tenant\":\"t\"}".to_owned(),
            other => format!("{{\"input\":{{}},\"priority\":{}}}", other / 10),
        };
        let bytes: String = (0..9000).map(|number| line(number) + "\n").collect();
        let jobs = accept(bytes.as_bytes()).unwrap();
        let mut place = 0;
        let mut runs = 0;
        while place < jobs.len() {
            let keys = jobs.keys(place);
            let alike = jobs.alike(place, 100);
            assert!((1..=100).contains(&alike));
            (place..place + alike).for_each(|other| assert_eq!(jobs.keys(other), keys, "{place} and {other}"));
            (place, runs) = (place + alike, runs + 1);
        }
        assert!(runs < 2000, "{runs} runs of 9,000 lines");
    }

    #[test]
    fn no_line_is_an_empty_batch() {
        assert_eq!(accept(b"").unwrap().len(), 0);
        assert_eq!(accept(b"\n\n").unwrap().len(), 0);
    }
}
