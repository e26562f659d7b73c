//! What a plugin is made of, told by its entry function.

use std::ffi::c_void;

use super::{Header, HostServices, Text, Writer, shape::abi_structs};

abi_structs! {
    /// Answered by the entry function; static.
    PluginDescriptor = "bm_plugin_desc" {
        /// The size of this struct.
        size: u32,
        /// The major version.
        abi_major: u32,
        /// `MAGIC`.
        magic: u64,
        /// The header, as it is in the file.
        header: *const Header,
        /// The extensions, one behind the other.
        extensions: *const ExtensionDescriptor,
        /// How many, at most 64.
        extension_count: u32,
        /// From one to the next, in bytes.
        extension_stride: u32,
        /// Called once, before anything else. Anything but `OK` refuses the plugin.
        init: Option<unsafe extern "C" fn(host: *const HostServices, error: *const Writer) -> i32>,
        /// The host ends: threads should. May be null.
        shutdown: Option<unsafe extern "C" fn()>,
    }

    /// One extension; static.
    ExtensionDescriptor = "bm_ext_desc" {
        /// The size of this struct.
        size: u32,
        /// `KIND_*`.
        kind: u32,
        /// The version of the kind: breaks one kind without the others.
        kind_version: u32,
        /// Zero.
        reserved: u32,
        /// The first argument of the functions that need no instance.
        ctx: *mut c_void,
        /// The table of its kind, which begins with its size.
        table: *const c_void,
        /// The `kind` in config: `[a-z0-9-]`, at most 63 bytes.
        name: Text,
        /// One sentence.
        about: Text,
        /// Writes the JSON Schema (2020-12) of the options.
        schema: Option<unsafe extern "C" fn(ctx: *mut c_void, out: *const Writer) -> i32>,
        /// Finds what is wrong with options (a JSON object). `CONFIG`: `problems` has a JSON list of
        /// `{"path": [..], "message": "..", "at_key": bool, "offset": n}`. Pure.
        validate: Option<unsafe extern "C" fn(ctx: *mut c_void, options: Text, problems: *const Writer) -> i32>,
    }

    /// What an instance may know of its surroundings while it is made.
    BuildInfo = "bm_build_info" {
        /// The size of this struct.
        size: u32,
        /// 1: the batch was begun by an earlier host.
        resumes: u32,
        /// Relative paths in options are relative to this folder.
        directory: Text,
    }
}
