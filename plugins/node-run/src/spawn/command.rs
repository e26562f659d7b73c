//! What is to be started, in the form that the kernel takes.

use std::{
    ffi::{CString, OsStr},
    os::unix::ffi::OsStrExt,
    sync::Arc,
};

use batchmill_core::ControlGroup;

/// A program with everything that it gets.
#[derive(Debug)]
pub(crate) struct Command {
    /// The name of the program, then its arguments; never empty.
    pub(crate) arguments: Vec<CString>,
    /// `NAME=value`, what all visits of a node have in common.
    pub(crate) shared_environment: Arc<[CString]>,
    /// `NAME=value`, the rest; no name is in both.
    pub(crate) environment: Vec<CString>,
    /// The host's own directory where absent.
    pub(crate) directory: Option<Arc<CString>>,
    /// How much it gives way to others: 0 as the host, 19 the most.
    pub(crate) nice: i32,
    /// Where it belongs, if there is such a group when it starts.
    pub(crate) group: ControlGroup,
}

/// Where programs are looked for when the environment has no `PATH`.
const DEFAULT_PATH: &[u8] = b"/bin:/usr/bin";

impl Command {
    /// The paths at which the program may be: itself if it has a slash, otherwise one a folder of *its* `PATH`.
    pub(super) fn candidates(&self) -> Vec<CString> {
        let program = self.arguments[0].as_bytes();
        if program.contains(&b'/') {
            return vec![self.arguments[0].clone()];
        }
        let mut environment = self.environment.iter().chain(&*self.shared_environment);
        let path = environment.find_map(|entry| entry.as_bytes().strip_prefix(b"PATH="));
        path.unwrap_or(DEFAULT_PATH).split(|byte| *byte == b':').map(|folder| join(folder, program)).collect()
    }

    /// The name of the program for people.
    pub(crate) fn program(&self) -> std::borrow::Cow<'_, str> {
        String::from_utf8_lossy(self.arguments[0].as_bytes())
    }
}

/// An empty folder means the working directory, as POSIX has it.
fn join(folder: &[u8], program: &[u8]) -> CString {
    let mut path = Vec::with_capacity(folder.len() + program.len() + 2);
    path.extend_from_slice(if folder.is_empty() { b"." } else { folder });
    path.push(b'/');
    path.extend_from_slice(program);
    // Both are parts of C strings.
    CString::new(path).unwrap_or_default()
}

/// `NAME=value`; `None` if the value has a zero byte.
pub(crate) fn environment_entry(name: &OsStr, value: &OsStr) -> Option<CString> {
    let mut entry = Vec::with_capacity(name.len() + value.len() + 2);
    entry.extend_from_slice(name.as_bytes());
    entry.push(b'=');
    entry.extend_from_slice(value.as_bytes());
    CString::new(entry).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn candidates(program: &str, environment: &[&str]) -> Vec<String> {
        let texts = |list: &[&str]| -> Vec<CString> { list.iter().map(|text| CString::new(*text).unwrap()).collect() };
        let (arguments, environment) = (texts(&[program]), texts(environment));
        let command = Command {
            arguments,
            shared_environment: [].into(),
            environment,
            directory: None,
            nice: 0,
            group: ControlGroup::default(),
        };
        command.candidates().into_iter().map(|path| path.into_string().unwrap()).collect()
    }

    #[test]
    fn programs_are_looked_for_in_the_path_of_the_child() {
        assert_eq!(candidates("ls", &["A=PATH=/no", "PATH=/a:/b"]), ["/a/ls", "/b/ls"]);
        assert_eq!(candidates("ls", &[]), ["/bin/ls", "/usr/bin/ls"]);
        assert_eq!(candidates("ls", &["PATH=/a::b"]), ["/a/ls", "./ls", "b/ls"]);
        assert_eq!(candidates("./ls", &["PATH=/a"]), ["./ls"]);
    }

    #[test]
    fn a_value_with_a_zero_byte_is_no_entry() {
        assert_eq!(environment_entry(OsStr::new("A"), OsStr::new("x=y z")).unwrap().to_str(), Ok("A=x=y z"));
        assert_eq!(environment_entry(OsStr::new("A"), OsStr::new("x\0y")), None);
    }
}
