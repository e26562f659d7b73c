//! Tells the code which compiler builds it, and for what: a plugin's header says both.

use std::{env, process::Command};

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    let rustc = env::var("RUSTC").unwrap_or_else(|_| "rustc".into());
    let version =
        Command::new(rustc).arg("--version").output().ok().and_then(|said| String::from_utf8(said.stdout).ok());
    let toolchain = version.as_deref().map_or("rustc of unknown version", str::trim);
    println!("cargo::rustc-env=BATCHMILL_ABI_TOOLCHAIN={toolchain}");
    println!("cargo::rustc-env=BATCHMILL_ABI_TARGET={}", env::var("TARGET").unwrap_or_default());
}
