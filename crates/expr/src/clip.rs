//! Values in messages: short, whatever their size.

use std::fmt::{self, Write};

/// How many bytes of a value a message shows.
const SHOWN: usize = 120;

/// Displays as the beginning of something, which is never rendered beyond it.
pub(crate) struct Clip<T>(T, usize);

impl<T: fmt::Display> Clip<T> {
    pub(crate) fn of(value: T) -> Self {
        Self(value, SHOWN)
    }

    pub(crate) fn at(value: T, bytes: usize) -> Self {
        Self(value, bytes)
    }
}

impl<T: fmt::Display> fmt::Display for Clip<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut room = Room { text: String::new(), left: self.1 };
        // The error only says that the room is full.
        let whole = write!(room, "{}", self.0).is_ok();
        f.write_str(&room.text)?;
        f.write_str(if whole { "" } else { "…" })
    }
}

struct Room {
    text: String,
    left: usize,
}

impl Write for Room {
    fn write_str(&mut self, part: &str) -> fmt::Result {
        if part.len() <= self.left {
            self.left -= part.len();
            self.text.push_str(part);
            return Ok(());
        }
        let cut = (0..=self.left).rev().find(|at| part.is_char_boundary(*at)).unwrap_or(0);
        self.text.push_str(&part[..cut]);
        self.left = 0;
        Err(fmt::Error)
    }
}
