//! What a plugin says of itself before any of its code runs.

use super::{ABI_MAJOR, ABI_MINOR, MAGIC, shape::abi_structs};

/// It ends the process where Rust would unwind: a panic cannot be contained.
pub const FLAG_PANIC_ABORT: u32 = 1;
/// It was built without optimisation.
pub const FLAG_DEBUG: u32 = 2;
/// It has threads of its own.
pub const FLAG_THREADS: u32 = 4;

abi_structs! {
    /// The header: plain data without pointers in a section of its own, read from the file.
    Header = "bm_header" {
        /// [`MAGIC`].
        magic: u64,
        /// The version that it was built for.
        abi_major: u32,
        /// The minor version that it was built for.
        abi_minor: u32,
        /// The size of this struct.
        header_size: u32,
        /// `FLAG_*`.
        flags: u32,
        /// The oldest host that it can do with.
        min_host_minor: u32,
        /// Bit `1 << kind` of each kind of extension in it.
        kinds: u32,
        /// Its name, padded with zeros.
        name: [u8; 64],
        /// Its version, padded with zeros.
        version: [u8; 32],
        /// What built it, padded with zeros.
        toolchain: [u8; 64],
        /// What it was built for, padded with zeros.
        target: [u8; 48],
        /// Zero.
        reserved: [u8; 64],
    }
}

impl Header {
    /// The header of a plugin that this crate builds.
    pub const fn of(name: &str, version: &str, kinds: u32, flags: u32) -> Self {
        Self {
            magic: MAGIC,
            abi_major: ABI_MAJOR,
            abi_minor: ABI_MINOR,
            header_size: size_of::<Self>() as u32,
            flags,
            min_host_minor: 0,
            kinds,
            name: padded(name),
            version: padded(version),
            toolchain: padded(env!("BATCHMILL_ABI_TOOLCHAIN")),
            target: padded(env!("BATCHMILL_ABI_TARGET")),
            reserved: [0; 64],
        }
    }
}

/// As much of a text as fits before a final zero.
const fn padded<const N: usize>(text: &str) -> [u8; N] {
    let (bytes, mut out, mut at) = (text.as_bytes(), [0; N], 0);
    while at < bytes.len() && at < N - 1 {
        out[at] = bytes[at];
        at += 1;
    }
    out
}
