//! What a file says of itself, read without running any of its code.

use batchmill_core::PluginKind;

use super::{FileProblem, elf};
use crate::{
    layout::{ABI_MAJOR, ABI_MINOR, FLAG_DEBUG, FLAG_PANIC_ABORT, FLAG_THREADS, Header, MAGIC, Plain, kind_word},
    text::printable,
};

/// A plugin's header.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Inspected {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// What built it.
    pub toolchain: String,
    /// What it was built for.
    pub target: String,
    /// The version of the ABI that it was built for.
    pub abi: (u32, u32),
    /// The oldest minor version of a host that it can do with.
    pub min_host_minor: u32,
    /// The kinds of its extensions.
    pub kinds: Vec<&'static str>,
    /// Whether it was built without optimisation.
    pub is_debug: bool,
    /// Whether it has threads of its own.
    pub has_threads: bool,
    /// The bits of `kinds`.
    pub(super) kind_bits: u32,
}

/// Checks the structure of a file and reads its header; runs nothing of it.
///
/// # Errors
/// Everything that would refuse it before it is loaded, the first that is found.
pub fn inspect(bytes: &[u8]) -> Result<Inspected, FileProblem> {
    let header = read(elf::check(bytes)?)?;
    if header.magic != MAGIC {
        return Err(FileProblem::BadMagic);
    }
    if header.abi_major != ABI_MAJOR {
        return Err(FileProblem::OtherMajor { found: header.abi_major, here: ABI_MAJOR });
    }
    if (header.header_size as usize) < size_of::<Header>() {
        return Err(FileProblem::ShortHeader { found: header.header_size as usize, least: size_of::<Header>() });
    }
    if header.min_host_minor > ABI_MINOR {
        return Err(FileProblem::NeedsNewerHost { needed: header.min_host_minor, here: ABI_MINOR });
    }
    if header.flags & FLAG_PANIC_ABORT != 0 {
        return Err(FileProblem::PanicAborts);
    }
    let name = text(&header.name);
    if !is_name(&name) {
        return Err(FileProblem::BadName { what: "a name", found: name });
    }
    Ok(Inspected {
        name,
        version: text(&header.version),
        toolchain: text(&header.toolchain),
        target: text(&header.target),
        abi: (header.abi_major, header.abi_minor),
        min_host_minor: header.min_host_minor,
        kinds: (1..32).filter(|kind| header.kinds & 1 << kind != 0).filter_map(kind_word).collect(),
        is_debug: header.flags & FLAG_DEBUG != 0,
        has_threads: header.flags & FLAG_THREADS != 0,
        kind_bits: header.kinds,
    })
}

fn read(section: &[u8]) -> Result<Header, FileProblem> {
    let least = Header::shape().size;
    let bytes = section.get(..least).ok_or(FileProblem::ShortHeader { found: section.len(), least })?;
    // SAFETY: as many bytes as the struct has, of which any value is a value of its numbers.
    Ok(unsafe { std::ptr::read_unaligned(bytes.as_ptr().cast::<Header>()) })
}

/// The text before the first zero, which may not be a text.
fn text(bytes: &[u8]) -> String {
    let end = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
    printable(&String::from_utf8_lossy(&bytes[..end]))
}

/// Whether a name may stand in config, logs and labels.
pub(super) fn is_name(name: &str) -> bool {
    (1..=63).contains(&name.len())
        && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-' || byte == b'_')
}

/// The kind of plugin that a number stands for, where it is frozen.
pub(super) fn kind_of(kind: u32) -> Option<PluginKind> {
    match kind {
        crate::layout::KIND_SCHEDULER => Some(PluginKind::Scheduler),
        crate::layout::KIND_RETRY => Some(PluginKind::Retry),
        crate::layout::KIND_FAILURE => Some(PluginKind::Failure),
        crate::layout::KIND_GOVERNOR => Some(PluginKind::Governor),
        crate::layout::KIND_SINK => Some(PluginKind::Sink),
        _ => None,
    }
}
