//! Why a file is not loaded.

use std::{io, path::PathBuf};

/// What is wrong with the bytes of a file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FileProblem {
    /// Something else altogether.
    #[error("this is no dynamic library (ELF)")]
    NotElf,
    /// A part of it lies beyond its end.
    #[error("it is truncated or damaged: {0} lies beyond the end of the file")]
    Truncated(&'static str),
    /// A part of it contradicts another.
    #[error("it is damaged: {0}")]
    Damaged(&'static str),
    /// An executable, an object file.
    #[error("this is an ELF file, but no shared library")]
    NotShared,
    /// Another processor.
    #[error("it was built for another machine ({found}), this is {here}")]
    OtherMachine {
        /// The machine in the file.
        found: String,
        /// This machine.
        here: &'static str,
    },
    /// No header section.
    #[error("it is a shared library, but no Batchmill plugin: it has no section `{}`", crate::layout::SECTION)]
    NoHeader,
    /// No entry function.
    #[error("it exports no `{}`: was it built with `--cfg batchmill_export`?", crate::layout::ENTRY)]
    NoEntry,
    /// A header without the magic number.
    #[error("its header does not begin with the magic number of Batchmill plugins")]
    BadMagic,
    /// A header that is shorter than those of version 1.0.
    #[error("its header is {found} bytes long, at least {least} are needed")]
    ShortHeader {
        /// In the file.
        found: usize,
        /// Of version 1.0.
        least: usize,
    },
    /// A version that this host does not speak.
    #[error("it speaks version {found} of the plugin ABI, this host speaks {here}")]
    OtherMajor {
        /// Of the plugin.
        found: u32,
        /// Of this host.
        here: u32,
    },
    /// A plugin that needs a newer host.
    #[error("it needs a host with version 1.{needed} of the plugin ABI, this one has 1.{here}")]
    NeedsNewerHost {
        /// The least that it needs.
        needed: u32,
        /// What there is.
        here: u32,
    },
    /// A panic would end the host.
    #[error("it was built with panic = \"abort\": a panic in it would end the host; build it with panic = \"unwind\"")]
    PanicAborts,
    /// A name that is none.
    #[error("its header has {what} that is not 1 to 63 characters of a-z, 0-9, `-` and `_`: `{found}`")]
    BadName {
        /// Of what.
        what: &'static str,
        /// What stands there.
        found: String,
    },
    /// It brings places of its own where libraries are looked for.
    #[error("it has an RPATH or RUNPATH: libraries would be looked for where it says")]
    RunPath,
    /// It needs a library that the host does not vouch for.
    #[error("it needs the library `{0}`; allowed are those of the C runtime: link others statically")]
    ForeignLibrary(String),
}

/// Why a plugin is not loaded.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LoadError {
    /// A path that depends on where the host was started.
    #[error("the path must be absolute")]
    RelativePath,
    /// The file cannot be read.
    #[error("it cannot be read: {0}")]
    Io(#[from] io::Error),
    /// A link could be turned to another file.
    #[error("the path goes through a symbolic link; name the file itself: {}", .0.display())]
    Symlink(PathBuf),
    /// Not a regular file.
    #[error("this is no regular file")]
    NotAFile,
    /// Somebody else may change it.
    #[error("{what} {path} belongs to user {owner}; it must belong to root or to the user of the host")]
    Owner {
        /// File or directory.
        what: &'static str,
        /// Which.
        path: String,
        /// Whose.
        owner: u32,
    },
    /// Others may write to it.
    #[error("others may write to the {what} {path} (mode {mode:04o}): chmod go-w")]
    Writable {
        /// File or directory.
        what: &'static str,
        /// Which.
        path: String,
        /// Its permissions.
        mode: u32,
    },
    /// Larger than any plugin.
    #[error("it has {0} bytes, more than the 256 MiB that a plugin may have")]
    TooLarge(u64),
    /// Other bytes than those that were pinned.
    #[error("its sha256 is {found}, pinned is {pinned}")]
    Pin {
        /// Of the file.
        found: String,
        /// Of the config.
        pinned: String,
    },
    /// No pin where one is a must.
    #[error("it has no sha256, and `require_pins` wants one; its sha256 is {0}")]
    NoPin(String),
    /// The file is no plugin.
    #[error(transparent)]
    File(#[from] FileProblem),
    /// The header has another name than the config.
    #[error("it says that its name is `{found}`, not `{expected}`")]
    OtherName {
        /// In the header.
        found: String,
        /// In the config.
        expected: String,
    },
    /// The loader of the system refused it.
    #[error("the system does not load it: {0}")]
    System(String),
    /// What it told of itself cannot be.
    #[error("its descriptor is wrong: {0}")]
    Descriptor(String),
    /// A kind that this host does not load.
    #[error("extension `{name}`: {why}")]
    Kind {
        /// The extension.
        name: String,
        /// What is wrong.
        why: String,
    },
    /// It did not want to start.
    #[error("it did not start: {0}")]
    Init(String),
}
