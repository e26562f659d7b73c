//! What a plugin tells of itself: read with care, since it may be wrong or made by a newer or an older side.

use batchmill_core::PluginKind;

use super::{
    LoadError,
    header::{Inspected, is_name, kind_of},
    plugin::{Extension, Raw},
};
use crate::{
    layout::{
        ABI_MAJOR, ExtensionDescriptor, FailureTable, GovernorTable, KIND_VERSION, MAGIC, PluginDescriptor, RetryTable,
        SchedulerTable, SinkTable, kind_word, read_sized,
    },
    text::{self, printable},
};

/// The most extensions that one plugin has.
const EXTENSIONS_MAX: u32 = 64;

/// How far apart extensions are: at least as far as those of version 1.0 are long.
const STRIDE: std::ops::RangeInclusive<u32> = 80..=4096;

/// The longest name, in bytes.
const NAME_MAX: usize = 63;

/// The longest sentence about an extension, in bytes.
const ABOUT_MAX: usize = 4096;

/// The descriptor that a plugin answers with.
///
/// # Safety
/// `told` is null, or points to a descriptor that is static and as long as it says.
pub(super) unsafe fn read(told: *const PluginDescriptor) -> Result<PluginDescriptor, LoadError> {
    let wrong = |why: String| Err(LoadError::Descriptor(why));
    // SAFETY: as the caller promises.
    let Some(descriptor) = (unsafe { read_sized(told) }) else {
        return wrong("there is none: making its factories panicked".into());
    };
    if descriptor.magic != MAGIC || descriptor.abi_major != ABI_MAJOR {
        return wrong("its magic number or version is not that of its header".into());
    }
    if descriptor.extension_count > EXTENSIONS_MAX {
        return wrong(format!("{} extensions, at most {EXTENSIONS_MAX}", descriptor.extension_count));
    }
    if descriptor.extension_count == 0 || descriptor.extensions.is_null() {
        return wrong("it has no extension".into());
    }
    if !STRIDE.contains(&descriptor.extension_stride) {
        let stride = descriptor.extension_stride;
        return wrong(format!("its extensions are {stride} bytes apart: {STRIDE:?} is what can be"));
    }
    Ok(descriptor)
}

/// The extensions of a descriptor, each as it may be used; the first that may not refuses all.
pub(super) fn extensions(descriptor: &PluginDescriptor, inspected: &Inspected) -> Result<Vec<Extension>, LoadError> {
    let mut all: Vec<Extension> = Vec::new();
    for place in 0..descriptor.extension_count as usize {
        // SAFETY: so many extensions lie so far apart, says the descriptor.
        let at = unsafe { descriptor.extensions.byte_add(place * descriptor.extension_stride as usize) };
        // SAFETY: as above, as long as it says.
        let raw = unsafe { read_sized(at) };
        let raw = raw.ok_or_else(|| LoadError::Descriptor("an extension is missing".into()))?;
        let extension = extension(&raw, inspected)?;
        if all.iter().any(|other| other.kind == extension.kind && other.name == extension.name) {
            let why = format!("a second {} of this name in the same plugin", extension.kind);
            return Err(LoadError::Kind { name: extension.name, why });
        }
        all.push(extension);
    }
    Ok(all)
}

fn extension(raw: &ExtensionDescriptor, inspected: &Inspected) -> Result<Extension, LoadError> {
    if raw.name.len > NAME_MAX {
        let why = format!("the name of an extension has {} bytes, at most {NAME_MAX}", raw.name.len);
        return Err(LoadError::Descriptor(why));
    }
    // SAFETY: static text of the plugin.
    let name = unsafe { text::read(raw.name) }.into_owned();
    let refuse = |why: String| LoadError::Kind { name: printable(&name), why };
    if !is_name(&name) {
        return Err(refuse("its name is not 1 to 63 characters of a-z, 0-9, `-` and `_`".into()));
    }
    let Some(kind) = kind_of(raw.kind) else {
        let word = kind_word(raw.kind).map_or_else(|| format!("kind {}", raw.kind), str::to_owned);
        return Err(refuse(format!(
            "{word} is no kind that this host loads; frozen are scheduler, retry, failure, governor, sink"
        )));
    };
    if raw.kind_version != KIND_VERSION {
        return Err(refuse(format!("version {} of kind {kind}, this host knows {KIND_VERSION}", raw.kind_version)));
    }
    if inspected.kind_bits & 1 << raw.kind == 0 {
        return Err(refuse(format!("it is a {kind}, which the header does not say")));
    }
    // SAFETY: null, or a static table that begins with its size.
    let raw_table = unsafe { Raw::read(kind, raw.table) };
    let table = raw_table
        .ok_or_else(|| refuse("it has no table, or one without the functions that every one must have".into()))?;
    if raw.about.len > ABOUT_MAX {
        return Err(refuse(format!("what it says about itself has {} bytes, at most {ABOUT_MAX}", raw.about.len)));
    }
    // SAFETY: static text of the plugin.
    let about = printable(&unsafe { text::read(raw.about) });
    Ok(Extension { kind, name, about, ctx: raw.ctx as usize, table, schema: raw.schema, validate: raw.validate })
}

/// A table that lacks what every one of its kind must have is none.
impl Raw {
    /// # Safety
    /// `table` is null or a table of this kind that begins with its size.
    unsafe fn read(kind: PluginKind, table: *const std::ffi::c_void) -> Option<Self> {
        // SAFETY: as the caller promises, for each of them.
        unsafe {
            match kind {
                PluginKind::Scheduler => read_sized(table.cast::<SchedulerTable>())
                    .filter(|t| {
                        t.create.is_some()
                            && t.destroy.is_some()
                            && t.push.is_some()
                            && t.pop.is_some()
                            && t.remove.is_some()
                            && t.len.is_some()
                    })
                    .map(Self::Scheduler),
                PluginKind::Retry => read_sized(table.cast::<RetryTable>())
                    .filter(|t| t.create.is_some() && t.destroy.is_some() && t.decide.is_some())
                    .map(Self::Retry),
                PluginKind::Failure => read_sized(table.cast::<FailureTable>())
                    .filter(|t| t.create.is_some() && t.destroy.is_some() && t.on_result.is_some())
                    .map(Self::Failure),
                PluginKind::Governor => read_sized(table.cast::<GovernorTable>())
                    .filter(|t| t.create.is_some() && t.destroy.is_some() && t.adjust.is_some())
                    .map(Self::Governor),
                PluginKind::Sink => read_sized(table.cast::<SinkTable>())
                    .filter(|t| {
                        t.create.is_some()
                            && t.destroy.is_some()
                            && t.write.is_some()
                            && t.flush.is_some()
                            && t.close.is_some()
                    })
                    .map(Self::Sink),
                _ => None,
            }
        }
    }
}

#[cfg(test)]
mod tests;
