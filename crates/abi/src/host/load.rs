//! From a path to a plugin that runs.

use std::{
    ffi::{OsString, c_int},
    io::Write,
    os::fd::AsRawFd,
    path::{Path, PathBuf},
    ptr::from_ref,
    sync::Arc,
};

use libloading::os::unix::{Library, RTLD_LOCAL, RTLD_NOW};

use super::{
    FileProblem, LoadError, Pin, header,
    header::{Inspected, is_name, kind_of},
    place,
    plugin::{Extension, Plugin, Raw},
    services,
};
use crate::{
    layout::{
        ABI_MAJOR, ENTRY, ExtensionDescriptor, FailureTable, GovernorTable, KIND_VERSION, MAGIC, OK, PluginDescriptor,
        RetryTable, SchedulerTable, SinkTable, kind_word, read_sized,
    },
    text::{self, Buffer},
};

/// Keeps it mapped whatever happens: threads and destructors of a library outlive every handle on it.
const RTLD_NODELETE: c_int = 0x1000;

/// The most extensions that one plugin has.
const EXTENSIONS_MAX: u32 = 64;

/// What is to be loaded.
#[derive(Debug, Clone, Default)]
pub struct LoadRequest {
    /// The file.
    pub path: PathBuf,
    /// The name that it must have, where one is given.
    pub name: Option<String>,
    /// The bytes that it must have.
    pub pin: Option<Pin>,
    /// Whether a pin is a must.
    pub require_pin: bool,
}

/// Checks a file and loads it. It stays for as long as the process lives.
///
/// # Errors
/// What is wrong with the place, the bytes, the header or what the plugin tells of itself.
///
/// Loading runs its code with all that this process may do.
pub fn load(request: &LoadRequest) -> Result<Arc<Plugin>, LoadError> {
    let bytes = place::read(&request.path)?;
    let pin = Pin::of(&bytes);
    match request.pin {
        Some(pinned) if pinned != pin => {
            return Err(LoadError::Pin { found: pin.to_string(), pinned: pinned.to_string() });
        }
        None if request.require_pin => return Err(LoadError::NoPin(pin.to_string())),
        _ => {}
    }
    let inspected = header::inspect(&bytes)?;
    if let Some(expected) = request.name.as_ref().filter(|name| **name != inspected.name) {
        return Err(LoadError::OtherName { found: inspected.name, expected: expected.clone() });
    }
    let library = open(&request.path, &bytes)?;
    let descriptor = enter(&library)?;
    // Never unloaded: the handle is gone, the library stays.
    let _ = std::mem::ManuallyDrop::new(library);
    let extensions = extensions(&descriptor, &inspected)?;
    start(&descriptor, &inspected.name)?;
    Ok(Arc::new(Plugin::new(inspected, pin, request.path.clone(), extensions)))
}

/// Maps exactly the bytes that were checked: from memory where the system lets us, so that nobody can change the file between
/// the check and the use.
fn open(path: &Path, bytes: &[u8]) -> Result<Library, LoadError> {
    let flags = RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE;
    let sealed = seal(bytes);
    let from = match &sealed {
        Some(file) => OsString::from(format!("/proc/self/fd/{}", file.as_raw_fd())),
        None => path.as_os_str().to_owned(),
    };
    // SAFETY: constructors of the library run here. It was listed by the operator, and its place, pin and structure are
    // checked; what it does is trusted from here on.
    let opened = unsafe { Library::open(Some(&from), flags) };
    // It stays open: debuggers and profilers read the library by this name.
    let _ = sealed.map(std::mem::ManuallyDrop::new);
    opened.map_err(|error| LoadError::System(error.to_string()))
}

/// A file in memory that cannot be changed any more; `None` where there is no such thing.
fn seal(bytes: &[u8]) -> Option<std::fs::File> {
    use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, memfd_create};
    if !Path::new("/proc/self/fd").exists() {
        return None;
    }
    let fd = memfd_create("batchmill-plugin", MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING).ok()?;
    let mut file = std::fs::File::from(fd);
    file.write_all(bytes).ok()?;
    fcntl_add_seals(&file, SealFlags::SEAL | SealFlags::SHRINK | SealFlags::GROW | SealFlags::WRITE).ok()?;
    Some(file)
}

fn enter(library: &Library) -> Result<PluginDescriptor, LoadError> {
    type Entry = unsafe extern "C" fn() -> *const PluginDescriptor;
    let wrong = |why: &str| LoadError::Descriptor(why.to_owned());
    // SAFETY: the type is that of the one entry function of this major version.
    let entry = unsafe { library.get::<Entry>(ENTRY.as_bytes()) }.map_err(|_| FileProblem::NoEntry)?;
    // SAFETY: as above; it is called before anything else of the plugin.
    let told = unsafe { entry() };
    // SAFETY: null, or static and as long as it says.
    let descriptor =
        unsafe { read_sized(told) }.ok_or_else(|| wrong("there is none: making its factories panicked"))?;
    if descriptor.magic != MAGIC || descriptor.abi_major != ABI_MAJOR {
        return Err(wrong("its magic number or version is not that of its header"));
    }
    if descriptor.extension_count > EXTENSIONS_MAX {
        return Err(LoadError::Descriptor(format!(
            "{} extensions, at most {EXTENSIONS_MAX}",
            descriptor.extension_count
        )));
    }
    if descriptor.extension_count == 0 || descriptor.extensions.is_null() {
        return Err(wrong("it has no extension"));
    }
    if (descriptor.extension_stride as usize) < size_of::<ExtensionDescriptor>() {
        return Err(wrong("its extensions are shorter than those of version 1.0"));
    }
    Ok(descriptor)
}

fn extensions(descriptor: &PluginDescriptor, inspected: &Inspected) -> Result<Vec<Extension>, LoadError> {
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
    // SAFETY: static text of the plugin.
    let name = unsafe { text::read(raw.name) }.into_owned();
    let refuse = |why: String| LoadError::Kind { name: name.clone(), why };
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
    // SAFETY: static text of the plugin.
    let about = unsafe { text::read(raw.about) }.into_owned();
    Ok(Extension { kind, name, about, ctx: raw.ctx as usize, table, schema: raw.schema, validate: raw.validate })
}

fn start(descriptor: &PluginDescriptor, name: &str) -> Result<(), LoadError> {
    let Some(init) = descriptor.init else { return Ok(()) };
    let mut said = Buffer::default();
    let writer = said.writer();
    // SAFETY: the services live as long as the process; the writer for this call.
    let code = unsafe { init(services::of(name), from_ref(&writer)) };
    if code == OK {
        return Ok(());
    }
    let said = said.into_text();
    Err(LoadError::Init(if said.is_empty() { format!("code {code}") } else { said }))
}

/// A table that lacks what every one of its kind must have is none.
impl Raw {
    /// # Safety
    /// `table` is null or a table of this kind that begins with its size.
    unsafe fn read(kind: batchmill_core::PluginKind, table: *const std::ffi::c_void) -> Option<Self> {
        use batchmill_core::PluginKind;
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
