//! What a process writes, kept within bounds. The pipes are always read to their end, whatever is kept.

use std::{
    fs::File,
    io::{self, Read},
    os::fd::OwnedFd,
};

use tokio::io::unix::AsyncFd;

use crate::spawn::watch;

/// The first bytes of stderr that are kept.
const HEAD_BYTES: usize = 64 * 1024;
/// The last bytes of stderr that are kept.
const TAIL_BYTES: usize = 192 * 1024;
/// How much is read at a time; as much as a pipe usually holds.
const READ_BYTES: u64 = 64 * 1024;
/// Together 1 MiB, the largest pipe of an unprivileged process.
const READS_AT_ONCE: usize = 16;

/// Takes what was read, in order.
pub(crate) trait Keep {
    /// Where the next bytes go; what is there is what was not taken yet.
    fn buffer(&mut self) -> &mut Vec<u8>;
    /// New bytes were appended to the buffer.
    fn trim(&mut self);
}

/// Our end of a pipe and what came out of it.
#[derive(Debug)]
pub(crate) struct Capture<K> {
    /// Absent at the end of the stream.
    pipe: Option<AsyncFd<File>>,
    pub(crate) kept: K,
}

/// What a read left behind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Rest {
    /// Perhaps more.
    Some,
    /// Nothing for now.
    None,
    /// Nothing ever: all writers are gone.
    End,
}

impl<K: Keep> Capture<K> {
    /// Must run in the runtime. `pipe` is the reading end of a pipe and does not block.
    pub(crate) fn new(pipe: OwnedFd, kept: K) -> io::Result<Self> {
        Ok(Self { pipe: Some(watch(pipe)?), kept })
    }

    /// Whether somebody may still write.
    pub(crate) fn is_open(&self) -> bool {
        self.pipe.is_some()
    }

    /// Reads once, after waiting for something to read. Never ready once the stream has ended. May be dropped.
    pub(crate) async fn read(&mut self) {
        let Some(pipe) = &self.pipe else { return std::future::pending().await };
        let rest = match pipe.readable().await {
            Ok(mut ready) => {
                let rest = fill(ready.get_inner(), &mut self.kept);
                if rest == Rest::None {
                    ready.clear_ready();
                }
                rest
            }
            // The runtime shuts down.
            Err(_) => Rest::End,
        };
        if rest == Rest::End {
            self.pipe = None;
        }
    }

    /// Reads what is there and waits for nothing: at least as much as a pipe can hold, and not for ever where somebody
    /// writes faster than this reads.
    pub(crate) fn read_rest(&mut self) {
        let Some(pipe) = &self.pipe else { return };
        // Not by the runtime's knowledge of the pipe, which may be older than the end of the process.
        let last = (0..READS_AT_ONCE).map(|_| fill(pipe.get_ref(), &mut self.kept)).find(|rest| *rest != Rest::Some);
        if last == Some(Rest::End) {
            self.pipe = None;
        }
    }
}

fn fill(mut pipe: &File, kept: &mut impl Keep) -> Rest {
    let read = pipe.by_ref().take(READ_BYTES).read_to_end(kept.buffer());
    kept.trim();
    match read {
        Ok(bytes) if bytes as u64 == READ_BYTES => Rest::Some,
        Ok(_) => Rest::End,
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Rest::None,
        // Pipes have no other errors; one that had could not be read further.
        Err(_) => Rest::End,
    }
}

/// Standard output is data: complete up to a limit, beyond it only counted.
#[derive(Debug)]
pub(crate) struct Stdout {
    bytes: Vec<u8>,
    limit: usize,
    overflowed: bool,
}

impl Stdout {
    pub(crate) fn new(limit: usize) -> Self {
        Self { bytes: Vec::new(), limit, overflowed: false }
    }

    /// Whether there was more than the limit.
    pub(crate) fn overflowed(&self) -> bool {
        self.overflowed
    }

    /// What was kept. A character that the limit cut in two is left out whole.
    pub(crate) fn into_bytes(mut self) -> Vec<u8> {
        if self.overflowed {
            self.bytes.truncate(whole_characters(&self.bytes));
        }
        self.bytes
    }
}

impl Keep for Stdout {
    fn buffer(&mut self) -> &mut Vec<u8> {
        &mut self.bytes
    }

    fn trim(&mut self) {
        if self.bytes.len() > self.limit {
            self.overflowed = true;
            self.bytes.truncate(self.limit);
        }
    }
}

/// Standard error is for people: its head and its tail, with a line that says how much is missing between them.
#[derive(Debug, Default)]
pub(crate) struct Stderr {
    head: Vec<u8>,
    tail: Vec<u8>,
    dropped: u64,
}

impl Stderr {
    /// As text; bytes that are not UTF-8 become U+FFFD.
    pub(crate) fn into_text(mut self) -> String {
        self.shorten_tail(TAIL_BYTES);
        if self.dropped == 0 {
            self.head.append(&mut self.tail);
            return into_text(self.head);
        }
        let head = &self.head[..whole_characters(&self.head)];
        let cut = self.tail.iter().take(3).take_while(|byte| is_continuation(**byte)).count();
        let dropped = self.dropped + (self.head.len() - head.len() + cut) as u64;
        let (head, tail) = (String::from_utf8_lossy(head), String::from_utf8_lossy(&self.tail[cut..]));
        format!("{head}\n[... {dropped} bytes dropped ...]\n{tail}")
    }

    fn shorten_tail(&mut self, bytes: usize) {
        let excess = self.tail.len().saturating_sub(bytes);
        self.tail.drain(..excess);
        self.dropped += excess as u64;
    }
}

impl Keep for Stderr {
    fn buffer(&mut self) -> &mut Vec<u8> {
        if self.head.len() < HEAD_BYTES { &mut self.head } else { &mut self.tail }
    }

    fn trim(&mut self) {
        if self.head.len() > HEAD_BYTES && self.tail.is_empty() {
            self.tail = self.head.split_off(HEAD_BYTES);
        }
        // Moving the tail costs its length: so only when as much again has come.
        if self.tail.len() >= 2 * TAIL_BYTES {
            self.shorten_tail(TAIL_BYTES);
        }
    }
}

/// Bytes as text without a copy where they are UTF-8.
pub(crate) fn into_text(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
}

/// The length without a character whose end is missing.
fn whole_characters(bytes: &[u8]) -> usize {
    let continued = bytes.iter().rev().take(3).take_while(|byte| is_continuation(**byte)).count();
    let Some(start) = bytes.len().checked_sub(continued + 1) else { return bytes.len() };
    let needed = match bytes[start] {
        0xC2..=0xDF => 2,
        0xE0..=0xEF => 3,
        0xF0..=0xF4 => 4,
        _ => return bytes.len(),
    };
    if continued + 1 < needed { start } else { bytes.len() }
}

fn is_continuation(byte: u8) -> bool {
    byte & 0xC0 == 0x80
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fed<K: Keep>(mut kept: K, text: &[u8], portion: usize) -> K {
        for part in text.chunks(portion) {
            kept.buffer().extend_from_slice(part);
            kept.trim();
        }
        kept
    }

    #[test]
    fn stdout_is_whole_up_to_its_limit() {
        let exact = fed(Stdout::new(6), b"abcdef", 4);
        assert!(!exact.overflowed());
        assert_eq!(exact.into_bytes(), b"abcdef");
        let over = fed(Stdout::new(6), b"abcdefg", 4);
        assert!(over.overflowed());
        assert_eq!(over.into_bytes(), b"abcdef");
    }

    #[test]
    fn a_cut_leaves_no_half_character() {
        for limit in 0..9 {
            let cut = fed(Stdout::new(limit), "aéz€😀".as_bytes(), 3);
            let text = String::from_utf8(cut.into_bytes()).unwrap();
            assert!("aéz€😀".starts_with(&text), "{limit}: {text}");
        }
        let binary = fed(Stdout::new(2), b"\xff\x80\x80", 1);
        assert_eq!(binary.into_bytes(), b"\xff\x80", "what is no character is cut anywhere");
    }

    #[test]
    fn stderr_keeps_head_and_tail_and_counts_the_rest() {
        let text: Vec<u8> = (0..1_000_000_u32).map(|at| b'a' + (at % 26) as u8).collect();
        for portion in [1000, 65_536, 300_000] {
            let kept = fed(Stderr::default(), &text, portion).into_text();
            let (head, tail) = (&text[..HEAD_BYTES], &text[text.len() - TAIL_BYTES..]);
            let dropped = text.len() - HEAD_BYTES - TAIL_BYTES;
            let whole = [head, format!("\n[... {dropped} bytes dropped ...]\n").as_bytes(), tail].concat();
            assert!(kept.as_bytes() == whole, "portions of {portion}: {} bytes", kept.len());
        }
    }

    #[test]
    fn stderr_that_fits_is_not_touched() {
        let text = vec![b'x'; HEAD_BYTES + TAIL_BYTES];
        assert!(fed(Stderr::default(), &text, 50_000).into_text().as_bytes() == text);
        assert_eq!(fed(Stderr::default(), b"a\xffb", 1).into_text(), "a\u{fffd}b");
    }
}
