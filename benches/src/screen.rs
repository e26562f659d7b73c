//! What people read while it runs.

use std::{
    fmt::Display,
    io::{Write, stdout},
};

/// Writes a line. Nobody reads a closed stdout, and the measurements go to their files all the same.
pub(crate) fn say(line: impl Display) {
    let _ = writeln!(stdout(), "{line}");
}
