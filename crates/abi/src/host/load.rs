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

use super::{FileProblem, LoadError, Pin, descriptor, header, place, plugin::Plugin, services};
use crate::{
    layout::{ENTRY, OK, PluginDescriptor},
    text::Buffer,
};

/// Keeps it mapped whatever happens: threads and destructors of a library outlive every handle on it.
const RTLD_NODELETE: c_int = 0x1000;

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
    let extensions = descriptor::extensions(&descriptor, &inspected)?;
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
    // SAFETY: the type is that of the one entry function of this major version.
    let entry = unsafe { library.get::<Entry>(ENTRY.as_bytes()) }.map_err(|_| FileProblem::NoEntry)?;
    // SAFETY: as above; it is called before anything else of the plugin, and what it answers is null, or static and as long
    // as it says.
    unsafe { descriptor::read(entry()) }
}

pub(super) fn start(descriptor: &PluginDescriptor, name: &str) -> Result<(), LoadError> {
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
