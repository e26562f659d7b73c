//! Why a process did not do what its node is for, as the error of the node.

use std::{io, os::unix::process::ExitStatusExt, process::ExitStatus, time::Duration};

use batchmill_core::{ErrorClass, NodeError, format_duration};
use batchmill_plugin::ByteSize;

use crate::{
    exit_codes::{Meaning, Meanings},
    oom,
    spawn::SpawnError,
};

/// How many characters of stderr a message quotes.
const QUOTED: usize = 400;
/// How many of the last lines of stderr a message quotes.
const QUOTED_LINES: usize = 3;

/// The process was not started.
pub(crate) fn not_started(error: &SpawnError, program: &str, directory: &str) -> NodeError {
    let permanent = |message| NodeError::permanent("spawn_failed", message);
    match error {
        SpawnError::Host(error) if lacks_resources(error) => {
            NodeError::new(ErrorClass::Resource, "spawn_resources", format!("cannot start `{program}`: {error}"))
        }
        SpawnError::Host(error) => NodeError::transient("spawn_failed", format!("cannot start `{program}`: {error}")),
        SpawnError::Directory(error) => {
            permanent(format!("cannot start `{program}`: its directory `{directory}` cannot be entered: {error}"))
        }
        SpawnError::Program(error) => match error.raw_os_error() {
            Some(libc::ENOENT | libc::ENOTDIR) if program.contains('/') => {
                permanent(format!("`{program}` was not found, or the interpreter that its first line names"))
            }
            Some(libc::ENOENT | libc::ENOTDIR) => permanent(format!("`{program}` was not found in PATH")),
            Some(libc::EACCES) => permanent(format!("`{program}` may not be executed: {error}")),
            Some(libc::ENOEXEC) => {
                permanent(format!("`{program}` is no program of this machine; a script begins with `#!`"))
            }
            Some(libc::E2BIG) => NodeError::permanent(
                "bad_argument",
                format!("cannot start `{program}`: arguments and environment are larger than the system allows"),
            ),
            Some(libc::ETXTBSY) => {
                NodeError::transient("spawn_failed", format!("`{program}` is being written just now: {error}"))
            }
            _ if lacks_resources(error) => {
                NodeError::new(ErrorClass::Resource, "spawn_resources", format!("cannot start `{program}`: {error}"))
            }
            _ => permanent(format!("`{program}` cannot be executed: {error}")),
        },
    }
}

fn lacks_resources(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::EMFILE | libc::ENFILE | libc::EAGAIN | libc::ENOMEM | libc::ENOSPC))
}

/// A process was started but could not be watched; it was killed.
pub(crate) fn not_watched(error: &io::Error, program: &str) -> NodeError {
    if error.raw_os_error() == Some(libc::ECHILD) {
        let message =
            format!("the exit status of `{program}` is lost: something else in this process waits for children");
        return NodeError::transient("exit_status_lost", message);
    }
    NodeError::new(ErrorClass::Resource, "spawn_resources", format!("cannot watch `{program}`: {error}"))
}

/// It wrote too much.
pub(crate) fn overflowed(program: &str, limit: ByteSize) -> NodeError {
    let message = format!(
        "`{program}` wrote more than {limit} to stdout and was killed; raise `output_limit`, or write to a file, \
         or keep the beginning with `on_overflow: truncate`"
    );
    NodeError::new(ErrorClass::Resource, "output_too_large", message)
}

/// It wrote nothing for too long.
pub(crate) fn idle(program: &str, limit: Duration) -> NodeError {
    let message = format!("`{program}` wrote nothing for {} and was ended", format_duration(limit));
    NodeError::new(ErrorClass::Timeout, "idle_timeout", message)
}

/// The exit code of a process that was not ended by a signal.
pub(crate) fn exit_code(status: ExitStatus) -> Option<u8> {
    status.code().and_then(|code| u8::try_from(code).ok())
}

/// The error, unless the exit status is a success.
///
/// `stderr` yields what the process wrote there, without secrets; it is asked for only where it is quoted.
pub(crate) fn judge(
    status: ExitStatus,
    meanings: &Meanings,
    program: &str,
    stderr: impl Fn() -> String,
) -> Result<(), NodeError> {
    let Some(code) = exit_code(status) else {
        let signal = status.signal().unwrap_or_default();
        if signal == libc::SIGKILL && oom::claim() {
            let message = format!("`{program}` was killed by the kernel because memory ran out");
            return Err(NodeError::out_of_memory(with_last_lines(message, &stderr())));
        }
        let message = format!("`{program}` was killed by signal {signal}{}", signal_name(signal));
        return Err(NodeError::new(ErrorClass::Crash, "signal", with_last_lines(message, &stderr())));
    };
    match meanings.of(code) {
        Meaning::Success => Ok(()),
        Meaning::Failure(class) => {
            let message = with_last_lines(format!("`{program}` exited with status {code}"), &stderr());
            Err(match class {
                ErrorClass::Resource => NodeError::out_of_memory(message),
                class => NodeError::new(class, "exit_status", message),
            })
        }
    }
}

/// What went wrong usually stands in the last lines of stderr.
fn with_last_lines(message: String, stderr: &str) -> String {
    let mut lines: Vec<&str> =
        stderr.lines().rev().map(str::trim).filter(|line| !line.is_empty()).take(QUOTED_LINES).collect();
    lines.reverse();
    if lines.is_empty() {
        return message;
    }
    // On one line, and nothing that a terminal would obey.
    let quoted: String = lines.join(" / ").chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    match quoted.char_indices().nth(QUOTED) {
        Some((cut, _)) => format!("{message}: {}...", &quoted[..cut]),
        None => format!("{message}: {quoted}"),
    }
}

fn signal_name(signal: i32) -> &'static str {
    match signal {
        libc::SIGHUP => " (SIGHUP)",
        libc::SIGINT => " (SIGINT)",
        libc::SIGQUIT => " (SIGQUIT)",
        libc::SIGILL => " (SIGILL)",
        libc::SIGTRAP => " (SIGTRAP)",
        libc::SIGABRT => " (SIGABRT)",
        libc::SIGBUS => " (SIGBUS)",
        libc::SIGFPE => " (SIGFPE)",
        libc::SIGKILL => " (SIGKILL)",
        libc::SIGUSR1 => " (SIGUSR1)",
        libc::SIGSEGV => " (SIGSEGV)",
        libc::SIGUSR2 => " (SIGUSR2)",
        libc::SIGPIPE => " (SIGPIPE)",
        libc::SIGALRM => " (SIGALRM)",
        libc::SIGTERM => " (SIGTERM)",
        libc::SIGXCPU => " (SIGXCPU)",
        libc::SIGXFSZ => " (SIGXFSZ)",
        libc::SIGSYS => " (SIGSYS)",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_quote_the_last_lines_of_stderr_harmlessly() {
        let quoted = |stderr: &str| with_last_lines("failed".into(), stderr);
        assert_eq!(quoted(" \n\n"), "failed");
        assert_eq!(quoted("a\nb\n\nc\nd\n"), "failed: b / c / d");
        assert_eq!(quoted("\u{1b}[31mred\tone\u{7}"), "failed:  [31mred one ");
        let long = quoted(&"é".repeat(1000));
        assert_eq!(long, format!("failed: {}...", "é".repeat(QUOTED)));
    }

    #[test]
    fn starts_that_fail_are_told_apart() {
        let of = |errno| {
            let error = not_started(&SpawnError::Program(io::Error::from_raw_os_error(errno)), "x", ".");
            (error.class, error.code.into_owned())
        };
        for errno in [libc::ENOENT, libc::EACCES, libc::ENOEXEC, libc::ENOTDIR, libc::ELOOP] {
            assert_eq!(of(errno), (ErrorClass::Permanent, "spawn_failed".into()));
        }
        assert_eq!(of(libc::E2BIG), (ErrorClass::Permanent, "bad_argument".into()));
        assert_eq!(of(libc::ETXTBSY), (ErrorClass::Transient, "spawn_failed".into()));
        for errno in [libc::EMFILE, libc::ENFILE, libc::EAGAIN, libc::ENOMEM] {
            let error = not_started(&SpawnError::Host(io::Error::from_raw_os_error(errno)), "x", ".");
            assert_eq!((error.class, &*error.code), (ErrorClass::Resource, "spawn_resources"));
        }
    }
}
