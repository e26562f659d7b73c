//! How far a file was written, and whether what stands there now is that file.

use std::{fs, io, os::unix::fs::MetadataExt};

use serde::{Deserialize, Serialize};

/// Which file, and since when the machine runs: what was written and not synced does not outlive a power loss, but it does
/// outlive the program.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Identity {
    device: u64,
    inode: u64,
    /// Empty where the kernel does not say; then no file is known to be complete.
    boot: String,
}

impl Identity {
    pub(crate) fn of(file: &fs::File) -> io::Result<Self> {
        let about = file.metadata()?;
        let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
        Ok(Self { device: about.dev(), inode: about.ino(), boot: boot.trim().to_owned() })
    }

    fn is_same_boot(&self, other: &Self) -> bool {
        self.boot == other.boot && !self.boot.is_empty()
    }

    /// Devices get their numbers anew with each boot.
    fn is_same_file(&self, other: &Self) -> bool {
        self.inode == other.inode && (self.device == other.device || !self.is_same_boot(other))
    }
}

/// How a file was written.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Form {
    /// The first bytes of every such file.
    #[serde(default)]
    pub(crate) begin: String,
    /// Stands for the rest.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    form: String,
}

impl Form {
    /// So much of a beginning tells files apart, and leaves marks short.
    const BEGIN_MAX: usize = 64;

    pub(crate) fn new(begin: &[u8], form: String) -> Self {
        let upto = begin.len().min(Self::BEGIN_MAX);
        let begin = begin[..upto].utf8_chunks().next().map_or("", |chunk| chunk.valid());
        Self { begin: begin.to_owned(), form }
    }
}

/// What is recorded of a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Mark {
    /// Bytes of whole lines.
    pub(crate) offset: u64,
    #[serde(flatten)]
    pub(crate) file: Identity,
    #[serde(flatten)]
    pub(crate) form: Form,
}

/// What a file is found to hold.
#[derive(Debug, Clone)]
pub(crate) struct Found {
    pub(crate) file: Identity,
    pub(crate) length: u64,
    /// Whether a line ends at the offset of the mark.
    pub(crate) line_ends: bool,
    /// Whether it begins as the file of the mark did, or as one that a power loss emptied.
    pub(crate) begins_as_marked: bool,
}

/// What becomes of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    /// What stands behind this comes again.
    CutTo(u64),
    /// All of it comes again.
    Emptied,
    /// It is not what the batch wrote.
    Foreign,
}

impl Mark {
    /// Everything up to the mark stays if it is certain to be there, in the form in which the rest comes; what is not ours is
    /// left alone.
    pub(crate) fn judge(&self, found: &Found, form: &Form) -> Fate {
        if found.length == 0 {
            return Fate::Emptied;
        }
        if !self.file.is_same_file(&found.file) || !found.begins_as_marked {
            return Fate::Foreign;
        }
        match found.length >= self.offset {
            true if self.file.is_same_boot(&found.file) => match found.line_ends {
                true if self.form == *form => Fate::CutTo(self.offset),
                true => Fate::Emptied,
                false => Fate::Foreign,
            },
            _ => Fate::Emptied,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(device: u64, inode: u64, boot: &str) -> Identity {
        Identity { device, inode, boot: boot.to_owned() }
    }

    fn form(form: &str) -> Form {
        Form::new(br#"{"batch":""#, form.to_owned())
    }

    #[test]
    fn a_mark_is_judged_by_what_is_found() {
        let mark = Mark { offset: 100, file: file(1, 2, "today"), form: form("") };
        let found = |file, length| Found { file, length, line_ends: true, begins_as_marked: true };
        let ours = || file(1, 2, "today");
        for (found, fate) in [
            (found(ours(), 100), Fate::CutTo(100)),
            (found(ours(), 5000), Fate::CutTo(100)),
            (found(ours(), 99), Fate::Emptied),
            (found(ours(), 0), Fate::Emptied),
            (found(file(1, 3, "today"), 0), Fate::Emptied),
            (found(file(1, 3, "today"), 100), Fate::Foreign),
            (found(file(9, 2, "today"), 100), Fate::Foreign),
            (found(file(1, 2, "tomorrow"), 5000), Fate::Emptied),
            (found(file(9, 2, "tomorrow"), 5000), Fate::Emptied),
            (found(file(1, 3, "tomorrow"), 5000), Fate::Foreign),
            (Found { line_ends: false, ..found(ours(), 100) }, Fate::Foreign),
            (Found { begins_as_marked: false, ..found(ours(), 100) }, Fate::Foreign),
            (Found { begins_as_marked: false, ..found(file(1, 2, "tomorrow"), 7) }, Fate::Foreign),
        ] {
            assert_eq!(mark.judge(&found, &mark.form), fate, "{found:?}");
        }
        let whole = found(ours(), 100);
        assert_eq!(mark.judge(&whole, &form("other columns")), Fate::Emptied);
    }

    #[test]
    fn without_a_name_of_the_boot_no_file_is_known_to_be_complete() {
        let mark = Mark { offset: 100, file: file(1, 2, ""), form: form("") };
        let found = Found { file: file(1, 2, ""), length: 100, line_ends: true, begins_as_marked: true };
        assert_eq!(mark.judge(&found, &mark.form), Fate::Emptied);
    }

    #[test]
    fn a_mark_reads_back_and_is_short() {
        let file = file(u64::MAX, u64::MAX, "6c5bcd9e-4f0e-4b51-8b7a-0a9f8f6b1c11");
        let mark = Mark { offset: u64::MAX, file, form: Form::new(&[1; 200], "0123456789abcdef".to_owned()) };
        let text = serde_json::to_string(&mark).unwrap();
        assert!(text.len() < 1024, "{text}");
        assert_eq!(serde_json::from_str::<Mark>(&text).unwrap(), mark);
    }

    #[test]
    fn a_beginning_is_cut_between_characters() {
        assert_eq!(Form::new("é".repeat(100).as_bytes(), String::new()).begin, "é".repeat(32));
        assert_eq!(Form::new(format!("a{}", "é".repeat(100)).as_bytes(), String::new()).begin.len(), 63);
    }
}
