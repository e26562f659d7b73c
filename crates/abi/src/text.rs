//! Text over the boundary.

use std::borrow::Cow;

use crate::layout::{ERROR, OK, Text, Writer};

#[cfg(feature = "host")]
pub(crate) use buffer::Buffer;

/// The text of the other side; what is not UTF-8 becomes U+FFFD.
///
/// # Safety
/// The other side promises that it is there for the length of `'a`.
pub(crate) unsafe fn read<'a>(text: Text) -> Cow<'a, str> {
    // SAFETY: as the caller promises.
    String::from_utf8_lossy(unsafe { text.bytes() })
}

/// For screens and logs: nothing in it may steer them.
#[cfg(feature = "host")]
pub(crate) fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '?' } else { c }).collect()
}

/// Gives text to the caller.
///
/// # Safety
/// `writer` is null or points to a writer of the caller.
pub(crate) unsafe fn write(writer: *const Writer, text: &str) -> i32 {
    if writer.is_null() {
        return OK;
    }
    // SAFETY: not null, and as the caller promises.
    let writer = unsafe { &*writer };
    match writer.write {
        // SAFETY: its own function with its own context.
        Some(append) => unsafe { append(writer.ctx, Text::of(text)) },
        None => ERROR,
    }
}

#[cfg(feature = "host")]
mod buffer {
    use std::ffi::c_void;

    use crate::layout::{ERROR, OK, Text, Writer};

    /// The most that the host takes of one call's text.
    pub(super) const TEXT_MAX: usize = 1 << 20;

    /// A buffer of ours that the other side may write to. One pointer until it does: each call of a decision has one, and nearly
    /// none is written to.
    #[derive(Debug, Default)]
    pub(crate) struct Buffer(Option<Box<Written>>);

    #[derive(Debug, Default)]
    struct Written {
        bytes: Vec<u8>,
        overflown: bool,
    }

    impl Buffer {
        /// A writer into this buffer, for one call.
        pub(crate) fn writer(&mut self) -> Writer {
            Writer {
                size: size_of::<Writer>() as u32,
                reserved: 0,
                ctx: std::ptr::from_mut(self).cast(),
                write: Some(append),
            }
        }

        /// What was written; what is not UTF-8 becomes U+FFFD.
        pub(crate) fn into_text(self) -> String {
            let Some(written) = self.0 else { return String::new() };
            let mut text = match String::from_utf8(written.bytes) {
                Ok(text) => text,
                Err(error) => String::from_utf8_lossy(error.as_bytes()).into_owned(),
            };
            if written.overflown {
                text.push_str("… (more than 1 MiB)");
            }
            text
        }
    }

    unsafe extern "C" fn append(ctx: *mut c_void, text: Text) -> i32 {
        // SAFETY: `ctx` is the buffer of the writer, which lives as long as the call for which it was made, and one call has it.
        let buffer = unsafe { &mut *ctx.cast::<Buffer>() }.0.get_or_insert_default();
        // SAFETY: the other side promises that its text is there until we return.
        let bytes = unsafe { text.bytes() };
        if buffer.overflown || bytes.len() > TEXT_MAX - buffer.bytes.len() {
            buffer.overflown = true;
            return ERROR;
        }
        buffer.bytes.extend_from_slice(bytes);
        OK
    }
}

#[cfg(all(test, feature = "host"))]
mod tests {
    use super::{buffer::TEXT_MAX, *};

    #[test]
    fn a_flood_of_text_is_cut() {
        let mut buffer = Buffer::default();
        let writer = buffer.writer();
        // SAFETY: the writer of a buffer that is there.
        unsafe {
            assert_eq!(write(&raw const writer, &"x".repeat(TEXT_MAX)), OK);
            assert_eq!(write(&raw const writer, "y"), ERROR);
            assert_eq!(write(std::ptr::null(), "nobody asked"), OK);
        }
        assert!(buffer.into_text().ends_with("x… (more than 1 MiB)"));
    }
}
